"""A site sends over real HTTPS: what is known of the centre, what is kept until it is taken."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ksc_ledger import cli
from ksc_ledger.clock import FixedClock
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import LoadStatus
from ksc_ledger.push import keys, signs
from ksc_ledger.push.sending import Centre, Site
from ksc_ledger.rules.links_evidence import Knock
from unit.push.a_site import (
    CODE,
    KEYS,
    LETTER,
    NOW,
    Address,
    House,
    key_row,
    open_to_the_world,
    settings_of,
)
from unit.push.conftest import World
from unit.registry.registry_folder import write_registry
from unit.sources.scripted import Identity, ScriptedKsc, host, make_identity, reply


@pytest.fixture
def centre(world: World, tmp_path: Path) -> Iterator[Address]:
    with open_to_the_world(world.house, tmp_path / "tls") as address:
        yield address


@pytest.fixture(scope="session")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identities"), "server")


def to(site: Site, centre: Address) -> Site:
    return replace(site, centre=Centre(url=centre.url, ca_file=centre.ca_file))


def heard(world: World) -> signs.Sign | None:
    return signs.read(world.house.settings.places, CODE)


def test_what_was_collected_is_sent_once_and_its_rows_are_given_away(
    world: World, centre: Address
) -> None:
    site = to(world.site, centre)
    done = site.send()
    assert done.taken == [world.load.load_id]
    assert not done.refused
    assert world.house.kept() == [f"{world.load.load_id}.kscpush"]
    sign = heard(world)
    assert sign is not None
    assert sign.knock is Knock.OK
    assert not (site.places.home / str(world.load.hosts_path)).exists()
    assert (site.places.home / str(world.load.raw_path)).exists()  # its own evidence
    assert site.send().taken == []
    (load,) = world.house.take()
    assert load.load_id == world.load.load_id
    assert load.status is LoadStatus.COMPLETE


def test_what_could_not_be_sent_is_sent_by_a_later_run_the_oldest_first(
    world: World, tmp_path: Path, identity: Identity
) -> None:
    with pytest.raises(LedgerError) as caught:
        world.site.send()
    assert caught.value.code == "push_centre_unreachable"
    assert "giữ lại" in caught.value.remedy
    later = NOW + timedelta(hours=1)
    with ScriptedKsc(identity, hosts=[host(n) for n in range(1, 12)]) as server:
        again = replace(world.site, clock=FixedClock(later), endpoint=server.endpoint())
        second = again.collect()
    world.house.clock = FixedClock(later)
    with open_to_the_world(world.house, tmp_path / "tls") as centre:
        assert to(again, centre).send().taken == [world.load.load_id, second.load_id]
    assert [load.rows_read_count for load in world.house.take()] == [12, 11]


def test_a_machine_that_cannot_prove_to_be_the_centre_is_sent_nothing(
    world: World, centre: Address, tmp_path: Path
) -> None:
    with pytest.raises(LedgerError) as caught:
        replace(world.site, centre=Centre(url=centre.url)).send()
    assert caught.value.code == "push_centre_unknown"
    elsewhere = replace(
        to(world.site, centre),
        centre=Centre(url=centre.url.replace("127.0.0.1", "localhost"), ca_file=centre.ca_file),
    )
    with pytest.raises(LedgerError) as caught:
        elsewhere.send()
    assert caught.value.code == "push_centre_unknown"
    assert heard(world) is None


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/v1", "127.0.0.1/v1", "https://", "https://a:b@c/v1", "https://a/?x=1"]
)
def test_only_https_is_sent_to(world: World, url: str) -> None:
    with pytest.raises(LedgerError) as caught:
        replace(world.site, centre=Centre(url=url)).send()
    assert caught.value.code == "push_address_wrong"


def test_the_centres_refusal_is_shown_with_its_remedy_and_nothing_is_lost(
    world: World, centre: Address
) -> None:
    world.house.know(key_row(world.site.key, "dtp"))  # as if nobody had entered the right key
    with pytest.raises(LedgerError) as caught:
        to(world.site, centre).send()
    assert caught.value.code == "push_not_taken"
    assert "push_keys.csv" in caught.value.remedy
    assert [load.load_id for load in world.site.waiting()] == [world.load.load_id]


def test_a_load_that_is_refused_for_good_does_not_hold_up_the_next(
    world: World, centre: Address, identity: Identity
) -> None:
    later = NOW + timedelta(days=31)
    world.house.clock = FixedClock(later)
    with ScriptedKsc(identity, hosts=[host(1)]) as server:
        site = replace(to(world.site, centre), clock=FixedClock(later), endpoint=server.endpoint())
        fresh = site.collect()
    done = site.send()
    assert done.taken == [fresh.load_id]
    assert list(done.refused) == [world.load.load_id]
    assert "30 ngày" in done.refused[world.load.load_id]
    assert not list(site.waiting())


def test_a_load_larger_than_the_centre_takes_is_told_without_sending_it(
    world: World, centre: Address
) -> None:
    world.house.settings = replace(world.house.settings, push_max_bytes=1000)
    done = to(world.site, centre).send()
    assert "1000 byte" in done.refused[world.load.load_id]


def test_a_sign_of_life_tells_how_the_server_answers(
    world: World, centre: Address, identity: Identity
) -> None:
    with ScriptedKsc(identity) as server:
        replace(to(world.site, centre), endpoint=server.endpoint()).sign()
    first = heard(world)
    assert first is not None
    assert first.knock is Knock.OK
    to(world.site, centre).sign()  # its server is gone
    second = heard(world)
    assert second is not None
    assert second.knock is Knock.REFUSED
    assert second.sent_at > first.sent_at


def test_a_refused_password_is_not_tried_again_at_the_site_either(
    world: World, identity: Identity, centre: Address
) -> None:
    with ScriptedKsc(identity, hosts=[host(1)]) as server:
        server.on["Session.StartSession"] = lambda _: reply(401)
        endpoint = server.endpoint()
        site = replace(
            to(world.site, centre), endpoint=endpoint, clock=FixedClock(NOW + timedelta(hours=1))
        )
        assert site.collect().fault_code == "credentials"
        asked = len(server.requests)
        site = replace(site, clock=FixedClock(NOW + timedelta(hours=2)))
        held = site.collect()
        assert held.fault_code == "credentials"
        assert len(server.requests) == asked
    world.house.clock = FixedClock(NOW + timedelta(hours=2))
    site.send()
    assert [load.fault_code for load in world.house.take()] == [None, *["credentials"] * 2]
    sign = heard(world)
    assert sign is not None
    assert sign.knock is Knock.CREDENTIALS


def test_two_timers_at_once_do_not_send_the_same(world: World, centre: Address) -> None:
    site = to(world.site, centre)
    with site._alone(), pytest.raises(LedgerError) as caught:
        site.send()
    assert caught.value.code == "push_already_running"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>", 200), (b'{"load_id": null}', 200), (b"[" * 100_000, 200), (b"", 302), (b"", 502)],
    ids=["a page", "other JSON", "nested", "elsewhere", "gateway"],
)
def test_only_the_centres_own_yes_is_a_yes(
    world: World, tmp_path: Path, body: bytes, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _answering(status, body) as port:
        import http.client

        plain = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        monkeypatch.setattr(Centre, "connect", lambda _: (plain, "/v1"))
        with pytest.raises(LedgerError) as caught:
            world.site.send()
    assert caught.value.code == "push_not_taken"
    assert list(world.site.waiting())


@contextmanager
def _answering(status: int, body: bytes) -> Iterator[int]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Location", "https://127.0.0.1:9/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_old_bodies_and_manifests_of_a_site_go(world: World, centre: Address) -> None:
    raw = world.site.places.raw / CODE
    snapshot = world.site.places.snapshot / CODE
    for folder in (
        raw / "2023-07-21",
        raw / "2023-07-22",
        snapshot / "2022-08",
        snapshot / "2022-10",
    ):
        folder.mkdir(parents=True)
    to(world.site, centre).send()
    assert sorted(day.name for day in raw.iterdir()) == ["2023-07-22", "2023-10-20"]
    assert sorted(month.name for month in snapshot.iterdir()) == ["2022-10", "2023-10"]


def test_a_key_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    public = keys.make(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert keys.public_text(keys.load(file)) == public
    with pytest.raises(LedgerError) as caught:
        keys.make(file)
    assert caught.value.code == "push_key_not_made"
    file.chmod(0o640)
    with pytest.raises(LedgerError) as caught:
        keys.load(file)
    assert caught.value.code == "push_key_open_to_others"
    file.chmod(0o600)
    file.write_text("no key")
    with pytest.raises(LedgerError) as caught:
        keys.load(file)
    assert caught.value.code == "push_key_wrong"
    with pytest.raises(LedgerError) as caught:
        keys.load(tmp_path / "none.pem")
    assert caught.value.code == "push_key_unreadable"


def test_the_command_does_all_of_it(
    tmp_path: Path,
    identity: Identity,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from datetime import UTC, datetime

    from ksc_ledger.clock import SystemClock

    assert cli.main(["push", "key", "--into", str(tmp_path / "site.pem")]) == 0
    public = capsys.readouterr().out.strip()
    house = House(
        settings_of(tmp_path / "centre"),
        clock=SystemClock(),
        real_now=lambda: datetime.now(UTC),
    )
    row = f"{CODE},{public},2022-09-01,,{LETTER}\n"
    write_registry(house.settings.registry, {"push_keys.csv": KEYS + row})
    monkeypatch.setenv("KSC_LEDGER_HOME", str(tmp_path / "home"))
    connections = tmp_path / "connections"
    connections.mkdir()
    with (
        ScriptedKsc(identity, hosts=[host(1), host(2)]) as server,
        open_to_the_world(house, tmp_path / "tls") as centre,
    ):
        endpoint = server.endpoint()
        kept = {
            "conn_type": "ksc",
            "host": endpoint.host,
            "port": endpoint.port,
            "login": endpoint.login,
            "password": endpoint.password,
            "extra": {"certificate_sha256": endpoint.certificate_sha256[0]},
        }
        (connections / f"ksc_{CODE}.json").write_text(json.dumps(kept))
        words = [
            *("--server", CODE, "--to", centre.url, "--key", str(tmp_path / "site.pem")),
            *("--connections", str(connections), "--ca-file", str(centre.ca_file)),
        ]
        assert cli.main(["push", "sign", *words]) == 0
        assert cli.main(["push", "send", *words]) == 0
        assert cli.main(["push", "send", *words, "--server", "dtp_873"]) == 2
    said = capsys.readouterr()
    assert "Đã đọc 2 máy." in said.out
    assert "Trung tâm đã nhận" in said.out
    assert "ksc_dtp_873" in said.err
    assert endpoint.password not in said.out + said.err
    (load,) = house.take()
    assert load.rows_read_count == 2


def test_a_site_needs_neither_airflow_nor_the_warehouse() -> None:
    code = (
        "import sys, ksc_ledger.push.sending, ksc_ledger.push.keys, ksc_ledger.doctor.connections\n"
        "import ksc_ledger.state\n"
        "heavy = {'airflow', 'duckdb', 'pandas', 'pyarrow', 'fastapi', 'great_expectations'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr


def test_the_newest_manifest_is_what_a_site_goes_on_from(world: World, centre: Address) -> None:
    site = to(world.site, centre)
    site.send()
    assert manifest.read(world.load.path(site.places)) == world.load
