"""Data Docs in Airflow: the pages that every gate writes, behind Airflow's own sign-in.

Every Airflow process loads this file, tasks included; the application is made at its first request.
Airflow asks nobody who opens a plugin's application: the gate below does.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from ksc_ledger.orchestration.lazy_application import LazyApplication
from ksc_ledger.orchestration.links import DATA_DOCS

if TYPE_CHECKING:
    from pathlib import Path

_RUN = re.compile(r"[0-9TZ]{16}-[a-z]{1,16}(?:-[0-9]{1,4})?\.html")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_NOTHING_YET = "Chưa có lần kiểm tra nào."


def create_app(folder: Path, may_view: Any) -> Any:
    """The pages of a folder; ``may_view`` is the dependency that lets somebody in, or raises."""
    from fastapi import Depends, FastAPI, HTTPException
    from fastapi.responses import FileResponse, PlainTextResponse

    app = FastAPI(dependencies=[Depends(may_view)], docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/")
    @app.get("/index.html")
    def index() -> Any:
        path = folder / "index.html"
        if not path.is_file():
            return PlainTextResponse(_NOTHING_YET, headers=_HEADERS)
        return FileResponse(path, media_type="text/html", headers=_HEADERS)

    @app.get("/runs/{name}")
    def run(name: str) -> Any:
        path = folder / "runs" / name
        if not _RUN.fullmatch(name) or not path.is_file():
            raise HTTPException(404, "Không có trang này (có thể đã cũ và được dọn).")
        return FileResponse(path, media_type="text/html", headers=_HEADERS)

    return app


def _application() -> Any:
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view

    from ksc_ledger import settings

    return create_app(settings.load().places.data_docs, requires_access_view(AccessView.PLUGINS))


class DataDocsPlugin(AirflowPlugin):
    """What Airflow finds in ``plugins/ksc_ledger_data_docs.py``."""

    name = "ksc_ledger_data_docs"
    fastapi_apps: ClassVar[list[Any]] = [
        {
            "app": LazyApplication(_application),
            "url_prefix": DATA_DOCS,
            "name": "KSC Ledger: kiểm tra dữ liệu",
        }
    ]
