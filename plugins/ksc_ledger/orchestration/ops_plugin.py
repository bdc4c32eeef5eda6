"""What Airflow is given beside DAGs: the page "Tình hình", the pages of checks, buttons and blocks.

Every Airflow process loads this file, tasks included; so the applications (FastAPI, templates,
DuckDB) are made when the API server is first asked for them. Airflow asks nobody who opens a
plugin's application: the gates below do, and at the desk of sites that send, their signatures.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.bases.operatorlink import BaseOperatorLink

from ksc_ledger.orchestration import data_docs_plugin, pushing
from ksc_ledger.orchestration.lazy_application import LazyApplication
from ksc_ledger.orchestration.links import DATA_DOCS, PAGE

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey
    from airflow.sdk import BaseOperator

# The task of collect_endpoints that is named by the server it asks.
SERVER_TASK = "ask_server"
_SERVER_CODE = re.compile(r"[a-z0-9_]*[a-z_][a-z0-9_]*")  # and not the bare number of the index


def _application() -> Any:
    from ksc_ledger import settings
    from ksc_ledger.ops_room.page import create_app
    from ksc_ledger.orchestration.gates import page_gate

    ours = settings.load()
    return create_app(ours, page_gate(ours.page_users))


class EstateLink(BaseOperatorLink):
    """A button on every task: what this work is about.

    On the reading of one server it leads to that server's page. Only the API server asks.
    """

    name = "Tình hình"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        if ti_key.task_id == SERVER_TASK and ti_key.map_index >= 0:
            from airflow.models.taskinstance import TaskInstance

            found = TaskInstance.get_task_instance(
                dag_id=ti_key.dag_id,
                run_id=ti_key.run_id,
                task_id=ti_key.task_id,
                map_index=ti_key.map_index,
            )
            server_code = str(found.rendered_map_index) if found else ""
            if _SERVER_CODE.fullmatch(server_code):
                return f"{PAGE}/may-chu/{server_code}"
        return f"{PAGE}/"


class KscLedgerPlugin(AirflowPlugin):
    """What Airflow finds in ``plugins/ksc_ledger_plugin.py``."""

    name = "ksc_ledger"
    fastapi_apps: ClassVar[list[Any]] = [
        {
            "app": LazyApplication(_application),
            "url_prefix": PAGE,
            "name": "KSC Ledger: Tình hình",
        },
        {
            "app": LazyApplication(data_docs_plugin.application),
            "url_prefix": DATA_DOCS,
            "name": "KSC Ledger: kiểm tra dữ liệu",
        },
        {
            "app": LazyApplication(pushing.application),
            "url_prefix": pushing.DESK,
            "name": "KSC Ledger: nhận số liệu tự gửi",
        },
    ]
    external_views: ClassVar[list[Any]] = [
        {
            "name": "Tình hình",
            "href": f"{PAGE}/",
            "destination": "nav",
            "url_route": "tinh-hinh",
            "icon": f"{PAGE}/static/icon.svg",
            "nav_top_level": True,
        },
        {
            "name": "Địa bàn",
            "href": f"{PAGE}/",
            "destination": "dag",
            "url_route": "dia-ban",
        },
    ]
    react_apps: ClassVar[list[Any]] = [
        {
            "name": "KSC Ledger",
            "bundle_url": f"{PAGE}/static/block.js",
            "destination": "dashboard",
            "url_route": "tinh-hinh-khoi",
        }
    ]
    global_operator_extra_links: ClassVar[list[Any]] = [EstateLink()]
