"""The page as Airflow loads it: found by its loader, light to load, and closed to strangers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.settings import REPOSITORY

pytestmark = pytest.mark.airflow

PROGRAM = """
import asyncio, json, sys, warnings
warnings.simplefilter("ignore")
from airflow.plugins_manager import _get_plugins, get_fastapi_plugins
plugins, errors = _get_plugins()
ours = [one for one in plugins if one.name == "ksc_ledger"]
heavy = sorted({"duckdb", "jinja2.environment", "ksc_ledger.ops_room.page"} & set(sys.modules))
apps, _ = get_fastapi_plugins()
apps = [one for one in apps if one["name"].startswith("KSC Ledger")]
import httpx
from fastapi import FastAPI
from airflow.api_fastapi.app import init_auth_manager
init_auth_manager()
airflow = FastAPI()
for app in apps:
    airflow.mount(app["url_prefix"], app["app"])
async def ask():
    transport = httpx.ASGITransport(app=airflow)
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
        paths = ["/", "/tom-tat", "/static/room.js", "/may-chu/x", "/so-tay/watchdog", "/cong-van"]
        paths = ["/tinh-hinh" + p for p in paths + ["/cong-van/x/2022-10-12-term-x/docx"]]
        paths += ["/chat-luong-du-lieu" + p for p in ["/", "/index.html", "/runs/x.html"]]
        found = {p: (await client.get(p)).status_code for p in paths}
        deeds = ["/may-chu/x/tiep-nhan", "/may-chu/x/tam-ngung"]
        found |= {p: (await client.post("/tinh-hinh" + p)).status_code for p in deeds}
        bad = {"authorization": "Bearer not.a.token"}
        found["forged"] = (await client.get("/tinh-hinh/", headers=bad)).status_code
        return found
try:
    asked = asyncio.run(ask())
except Exception as error:
    asked = {"error": repr(error)}
print(json.dumps({
    "count": len(ours), "prefixes": sorted(one["url_prefix"] for one in apps), "errors": {k: str(v) for k, v in errors.items()}, "heavy": heavy,
    "views": [one["destination"] for one in ours[0].external_views],
    "blocks": [one["destination"] for one in ours[0].react_apps],
    "links": [one.name for one in ours[0].global_operator_extra_links], "asked": asked,
}))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one fresh process of Airflow saw."""
    home: Path = tmp_path_factory.mktemp("airflow")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=False,
        env={
            **{name: value for name, value in os.environ.items() if "AIRFLOW" not in name},
            "AIRFLOW_HOME": str(home),
            "KSC_LEDGER_HOME": str(home / "ledger"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def test_airflow_finds_the_plugin_once_and_without_errors(seen: dict[str, Any]) -> None:
    assert seen["count"] == 1
    assert seen["prefixes"] == ["/chat-luong-du-lieu", "/gui-so-lieu", "/tinh-hinh"]
    assert seen["errors"] == {}
    assert seen["views"] == ["nav", "dag"]
    assert seen["blocks"] == ["dashboard"]
    assert seen["links"] == ["Tình hình"]


def test_loading_the_plugin_brings_in_nothing_heavy(seen: dict[str, Any]) -> None:
    """Every task's process loads it."""
    assert not {"duckdb", "ksc_ledger.ops_room.page"} & set(seen["heavy"])


def test_airflows_own_sign_in_stands_before_every_address(seen: dict[str, Any]) -> None:
    assert "error" not in seen["asked"], seen["asked"]
    forged = seen["asked"].pop("forged")
    assert set(seen["asked"].values()) == {401}
    assert forged in {401, 403}
