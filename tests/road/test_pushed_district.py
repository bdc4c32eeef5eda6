"""A district that sends by itself, through a real API server and a real scheduler."""

from __future__ import annotations

import http.client
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ksc_ledger.clock import FixedClock
from ksc_ledger.push.sending import Centre, Site
from ksc_ledger.sources.endpoint import Endpoint
from road.real_airflow import RealAirflow, real_airflow
from unit.push.a_site import KEYS, key_row, settings_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

TOWN = "dtp_872"
LETTER = (330, 255, 235)


def at(hour: int) -> datetime:
    return datetime.fromisoformat(f"2022-10-12T{hour:02}:00:00+07:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class WithoutTls(Centre):
    """The rehearsal's API server speaks no TLS; what stands before it in a province does."""

    def connect(self) -> tuple[http.client.HTTPSConnection, str]:
        parts = urlsplit(self.url)
        plain = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        return plain, parts.path  # type: ignore[return-value]


def site_of(airflow: RealAirflow, home: Path, key: Ed25519PrivateKey) -> Site:
    described = airflow.simulator.ports["servers"][TOWN]
    return Site(
        settings=settings_of(home),
        endpoint=Endpoint(
            server_code=TOWN,
            host="127.0.0.1",
            port=described["port"],
            login=described["login"],
            password=airflow.simulator.password(TOWN),
            certificate_sha256=(described["sha256"],),
        ),
        key=key,
        centre=WithoutTls(url=f"{airflow.api.url}/gui-so-lieu/v1"),
        clock=FixedClock(at(8)),
        real_now=lambda: datetime.now(UTC),
    )


def logins(airflow: RealAirflow) -> int:
    entries = airflow.simulator.log().get(TOWN, [])
    return sum(entry["method"] in {"login", "Session.StartSession"} for entry in entries)


def cell_of_the_town(airflow: RealAirflow, run: str) -> str:
    """The state of the town's own cell of ``ask_server``."""
    (state,) = (
        one["state"]
        for one in airflow.tasks("collect_endpoints", run)
        if one["task_id"] == "ask_server" and one["rendered_map_index"] == TOWN
    )
    return str(state)


def test_what_a_site_sent_is_published_and_its_server_is_never_asked(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    with real_airflow(tmp_path, at(8)) as airflow:
        registry = airflow.places.home / "registry" / "dong_thap"
        (registry / "push_keys.csv").write_text(KEYS + key_row(key), "utf-8")
        site = site_of(airflow, tmp_path / "site", key)
        load = site.collect()
        assert site.send().taken == [load.load_id]
        asked = logins(airflow)
        assert asked > 0

        before = airflow.version()
        run = airflow.trigger("collect_endpoints", at(8))
        assert airflow.end_of("collect_endpoints", run) == "success"
        assert cell_of_the_town(airflow, run) == "success"
        airflow.wait_for("the marts are built", lambda: airflow.built_since(before))
        assert airflow.figures(TOWN) == LETTER

        airflow.move(at(9))
        replace(site, clock=FixedClock(at(9))).sign()
        run = airflow.trigger("collect_endpoints", at(9))
        assert airflow.end_of("collect_endpoints", run) == "success"
        assert cell_of_the_town(airflow, run) == "skipped"
        assert airflow.run("watch_server_links", at(9)) == "success"
        assert airflow.figures(TOWN) == LETTER
        assert logins(airflow) == asked
