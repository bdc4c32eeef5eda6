"""Whom Airflow's part of the gate lets act on the page, by what the auth manager grants."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException

from ksc_ledger.ops_room.access import DEEDS_RESOURCE, PAGE_RESOURCES, Role

pytestmark = pytest.mark.airflow

USERS = """user_name,role,unit_code,estate_codes
truc,ops,,
truc_dt,estate_ops,,dt
canbo,unit_officer,tm,
"""
WATCH = "PUT watch"


@dataclass(frozen=True)
class User:
    name: str

    def get_name(self) -> str:
        return self.name


@dataclass(frozen=True)
class Manager:
    """Grants custom views by name; ``WATCH`` stands for the right to change the watch's DAG."""

    granted: frozenset[str]

    def is_authorized_custom_view(self, *, method: str, resource_name: str, user: Any) -> bool:
        assert method == "GET"
        return resource_name in self.granted


Ask = Callable[..., int]


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own, at import
        from ksc_ledger.orchestration import gates

        return gates


@pytest.fixture
def ask(gates: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    file = tmp_path / "page_users.csv"
    file.write_text(USERS, "utf-8")

    def asked(name: str, *granted: str, text: str = USERS) -> int:
        file.write_text(text, "utf-8")

        def may_edit_watch(request: object, user: object) -> None:
            if WATCH not in granted:
                raise HTTPException(403)

        monkeypatch.setattr(gates, "get_auth_manager", lambda: Manager(frozenset(granted)))
        monkeypatch.setattr(gates, "_may_edit_watch", may_edit_watch)
        gate = gates.page_gate(file)
        app = FastAPI(dependencies=[Depends(gate.signed_in)])
        app.dependency_overrides[gates.get_user] = lambda: User(name)
        app.dependency_overrides[gates._may_open_plugins] = lambda: None

        @app.post("/deed", dependencies=[Depends(gate.may_act)])
        def deed() -> None:
            """Nothing is done here."""

        async def go() -> int:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
                return (await client.post("/deed")).status_code

        return asyncio.run(go())

    return asked


def test_who_is_of_an_estate_acts_by_a_right_of_its_own(ask: Ask) -> None:
    page = PAGE_RESOURCES[Role.ESTATE_OPS]
    assert ask("truc_dt", page, DEEDS_RESOURCE) == 200
    assert ask("truc_dt", page) == 403


def test_who_may_change_the_watch_of_all_estates_is_not_therefore_of_one(ask: Ask) -> None:
    """Airflow must have called the person one who acts on the page."""
    assert ask("truc_dt", PAGE_RESOURCES[Role.ESTATE_OPS], WATCH) == 403


def test_who_is_of_all_estates_acts_who_may_change_the_watch(ask: Ask) -> None:
    page = PAGE_RESOURCES[Role.OPS]
    assert ask("truc", page, WATCH) == 200
    assert ask("truc", page, DEEDS_RESOURCE) == 403


def test_who_is_wider_on_the_page_than_in_airflow_is_not_let_in(ask: Ask) -> None:
    assert ask("truc_dt", DEEDS_RESOURCE, WATCH) == 403
    assert ask("truc", DEEDS_RESOURCE, WATCH) == 403


def test_with_a_wrong_file_nobody_gets_the_narrower_right(ask: Ask) -> None:
    wrong = USERS + "ai,boss,,\n"
    assert ask("truc_dt", DEEDS_RESOURCE, text=wrong) == 403
