"""Data Docs in Airflow: the pages that every gate writes, behind Airflow's own sign-in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

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


def application() -> Any:
    """The pages of this home, for whom the auth manager lets see them."""
    from ksc_ledger import settings
    from ksc_ledger.orchestration.gates import checks_gate

    return create_app(settings.load().places.data_docs, checks_gate())
