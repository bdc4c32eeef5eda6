"""Who is let in to what our plugins serve, asked of Airflow's auth manager.

Airflow mounts a plugin's application with no authentication at all; these are dependencies for
FastAPI that put it back. Only the API server imports this file. Beside "may open plugins" the auth
manager is asked for names of our own (``ops_room.access``): FAB grants them to roles
(``deployment.roles``), the simple auth manager of a rehearsal grants any to whoever may read.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import (
    get_user,
    requires_access_dag,
    requires_access_view,
)
from fastapi import Depends, HTTPException, Request

from ksc_ledger.errors import LedgerError
from ksc_ledger.ops_room.access import (
    DATA_DOCS_RESOURCE,
    DEEDS_RESOURCE,
    OF_ESTATES,
    PAGE_RESOURCES,
    Reader,
    load_users,
)
from ksc_ledger.ops_room.page import Gate

# Whoever may start this DAG by hand may also speak for the watch.
WATCH_DAG = "watch_server_links"

_may_open_plugins = requires_access_view(AccessView.PLUGINS)
_may_edit_watch = requires_access_dag("PUT", param_dag_id=WATCH_DAG)


def page_gate(page_users: Path) -> Gate:
    """For the page: 401, 403 for whom ``page_users`` makes wider than Airflow does."""

    def signed_in(user: Any = Depends(get_user), _: None = Depends(_may_open_plugins)) -> str:  # noqa: B008
        name = str(user.get_name())
        reader = on_the_list(name)
        if reader is not None:
            _require(PAGE_RESOURCES[reader.role], user)
        return name

    def may_act(request: Request, user: Any = Depends(get_user)) -> None:  # noqa: B008
        reader = on_the_list(str(user.get_name()))
        if reader is not None and reader.role in OF_ESTATES:
            # The watch's DAG is of all estates: whoever may pause it is not a person of one.
            _require(DEEDS_RESOURCE, user)
        else:
            _may_edit_watch(request, user)

    def on_the_list(name: str) -> Reader | None:
        with suppress(LedgerError):  # a file with a wrong row lets nobody in: the page says so
            return load_users(page_users).get(name)
        return None

    return Gate(signed_in=signed_in, may_act=may_act)


def checks_gate() -> Callable[..., None]:
    """For Data Docs: they are about the whole province, so not for all who may open the page."""

    def may_view(user: Any = Depends(get_user), _: None = Depends(_may_open_plugins)) -> None:  # noqa: B008
        _require(DATA_DOCS_RESOURCE, user)

    return may_view


def _require(resource: str, user: Any) -> None:
    if not get_auth_manager().is_authorized_custom_view(
        method="GET", resource_name=resource, user=user
    ):
        raise HTTPException(403)
