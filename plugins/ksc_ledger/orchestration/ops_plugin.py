"""The page "Tình hình" as an Airflow plugin: behind Airflow's own sign-in and permissions.

Every Airflow process loads this file, tasks included; so the application (FastAPI, templates,
DuckDB) is made when the API server is first asked for it. Airflow asks nobody who opens a
plugin's application: the gate below does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.bases.operatorlink import BaseOperatorLink

from ksc_ledger.orchestration.lazy_application import LazyApplication

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey
    from airflow.sdk import BaseOperator

PREFIX = "/tinh-hinh"
# The task of collect_endpoints that is named by the server it asks.
SERVER_TASK = "ask_server"
_SERVER_CODE = re.compile(r"[a-z0-9_]*[a-z_][a-z0-9_]*")  # and not the bare number of the index
# Whoever may start this DAG by hand may also speak for the watch.
WATCH_DAG = "watch_server_links"


def _application() -> Any:
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import (
        get_user,
        requires_access_dag,
        requires_access_view,
    )
    from fastapi import Depends

    from ksc_ledger import settings
    from ksc_ledger.ops_room.page import Gate, create_app

    may_view = requires_access_view(AccessView.PLUGINS)

    def signed_in(user: Any = Depends(get_user), _: None = Depends(may_view)) -> str:  # noqa: B008
        return str(user.get_name())

    return create_app(
        settings.load(),
        Gate(
            signed_in=signed_in,
            may_act=requires_access_dag("PUT", param_dag_id=WATCH_DAG),
        ),
    )


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
                return f"{PREFIX}/may-chu/{server_code}"
        return f"{PREFIX}/"


class KscLedgerPlugin(AirflowPlugin):
    """What Airflow finds in ``plugins/ksc_ledger_plugin.py``."""

    name = "ksc_ledger"
    fastapi_apps: ClassVar[list[Any]] = [
        {
            "app": LazyApplication(_application),
            "url_prefix": PREFIX,
            "name": "KSC Ledger: Tình hình",
        }
    ]
    external_views: ClassVar[list[Any]] = [
        {
            "name": "Tình hình",
            "href": f"{PREFIX}/",
            "destination": "nav",
            "url_route": "tinh-hinh",
            "icon": f"{PREFIX}/static/icon.svg",
            "nav_top_level": True,
        },
        {
            "name": "Địa bàn",
            "href": f"{PREFIX}/",
            "destination": "dag",
            "url_route": "dia-ban",
        },
    ]
    react_apps: ClassVar[list[Any]] = [
        {
            "name": "KSC Ledger",
            "bundle_url": f"{PREFIX}/static/block.js",
            "destination": "dashboard",
            "url_route": "tinh-hinh-khoi",
        }
    ]
    global_operator_extra_links: ClassVar[list[Any]] = [EstateLink()]
