"""Data Docs as a browser meets them: nothing without leave, nothing beside the pages."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import Header, HTTPException

from ksc_ledger.quality.data_docs import Kind, record
from ksc_ledger.settings import Places
from unit.quality.landed import AT
from unit.quality.test_data_docs import a_verdict

pytestmark = pytest.mark.airflow


def may_view(x_user: str = Header("")) -> None:
    if not x_user:
        raise HTTPException(401)


def get(places: Places, path: str, user: str = "canbo") -> httpx.Response:
    from ksc_ledger.orchestration.data_docs_plugin import create_app

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=create_app(places.data_docs, may_view))
        async with httpx.AsyncClient(transport=transport, base_url="http://ksc") as client:
            return await client.get(path, headers={"x-user": user} if user else {})

    return asyncio.run(ask())


def test_the_index_and_its_pages_are_shown_to_who_may_see_them(tmp_path: Path) -> None:
    places = Places(tmp_path)
    assert "Chưa có lần kiểm tra nào" in get(places, "/").text
    page = record(Kind.LANDED, [a_verdict()], places, AT)
    assert page is not None
    for path in ("/", "/index.html", f"/runs/{page.name}"):
        answer = get(places, path)
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert get(places, path, user="").status_code == 401


@pytest.mark.parametrize(
    "path", ["/runs/history.json", "/runs/..%2f..%2fstate%2fmask_salt", "/.lock", "/docs"]
)
def test_nothing_else_is_served(tmp_path: Path, path: str) -> None:
    places = Places(tmp_path)
    record(Kind.LANDED, [a_verdict()], places, AT)
    places.state.mkdir()
    (places.state / "mask_salt").write_text("secret", "utf-8")
    answer = get(places, path)
    assert answer.status_code == 404
    assert "secret" not in answer.text
