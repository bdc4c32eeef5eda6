from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Header, HTTPException

from ksc_ledger import settings as settings_module
from ksc_ledger.ops_room.page import Gate, create_app
from ksc_ledger.settings import Settings
from unit.ops_room import a_province


def signed_in(x_user: str = Header("")) -> str:
    """Stands for Airflow: who sends no name is nobody."""
    if not x_user:
        raise HTTPException(401)
    return x_user


def may_act(x_airflow_forbids: str = Header("")) -> None:
    if x_airflow_forbids:
        raise HTTPException(403)


@dataclass
class Site:
    """The page as a browser meets it, without a network."""

    settings: Settings
    app: Any = field(init=False)

    def __post_init__(self) -> None:
        self.app = create_app(
            self.settings,
            Gate(signed_in=signed_in, may_act=may_act),
            real_now=lambda: a_province.NOW,
        )

    def ask(
        self,
        path: str,
        user: str = "truc",
        *,
        method: str = "GET",
        form: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                return await client.request(
                    method, path, data=form, headers={"x-user": user} | (headers or {})
                )

        return asyncio.run(go())


@pytest.fixture(scope="session")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once, copied for each test: most of the time goes into the operational database."""
    return a_province.a_home(tmp_path_factory.mktemp("made")).home


@pytest.fixture
def site(tmp_path: Path, made_home: Path) -> Site:
    home = tmp_path / "home"
    shutil.copytree(made_home, home, symlinks=True)
    return Site(settings_module.load({"KSC_LEDGER_HOME": str(home)}))
