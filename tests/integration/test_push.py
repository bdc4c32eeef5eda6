"""A district that sends by itself: the published figures are those of a district that is asked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from integration.the_road import Road, road
from ksc_ledger.clock import FixedClock
from ksc_ledger.landing.manifest import Load
from ksc_ledger.push import signs
from ksc_ledger.push.sending import Centre, Site
from ksc_ledger.quality.gate import gate_loads
from ksc_ledger.registry import in_force
from ksc_ledger.rules.links_evidence import Knock
from ksc_ledger.warehouse import extra_arrow, snapshot_arrow, type_loads
from unit.push.a_site import KEYS, House, RealTime, key_row, open_to_the_world, settings_of

SCENARIO = Path(__file__).resolve().parents[1] / "road" / "scenario"
TOWN = "dtp_872"
OF_THE_RUN = {
    "published_at",
    "collected_at",
    "gated_at",
    "judged_at",
    "version_id",
}  # when it was taken, not what


def at(hour: int) -> datetime:
    return datetime.fromisoformat(f"2022-10-12T{hour:02}:00:00+07:00")


@pytest.fixture
def key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


@pytest.fixture
def asked(tmp_path: Path, key: Ed25519PrivateKey) -> Iterator[Road]:
    with road([SCENARIO], tmp_path / "asked") as opened:
        _enter(opened, key)
        yield opened


def _enter(way: Road, key: Ed25519PrivateKey) -> None:
    (estate,) = (one for one in way.settings.registry.iterdir() if one.is_dir())
    (estate / "push_keys.csv").write_text(KEYS + key_row(key), "utf-8")


def figures(way: Road) -> dict[str, list[dict[str, Any]]]:
    """Every published row, without what tells when a run ran."""
    tables = way.query(
        "select table_name from information_schema.tables where table_schema = 'marts'"
    )
    found = {}
    for name in sorted(one["table_name"] for one in tables):
        rows = way.query(f'select * from marts."{name}"')
        plain = [{k: v for k, v in row.items() if k not in OF_THE_RUN} for row in rows]
        found[name] = sorted(plain, key=repr)
    return found


@pytest.mark.long
def test_figures_are_those_of_direct_collection(
    asked: Road, tmp_path: Path, key: Ed25519PrivateKey
) -> None:
    centre = Road(
        replace(asked.settings, home=tmp_path / "centre", state_url=_state(tmp_path / "centre")),
        asked.simulator,
    )
    house = House(centre.settings)
    real_now = RealTime(at(8))
    house.real_now = real_now
    with open_to_the_world(house, tmp_path / "tls") as address:
        site = Site(
            settings=replace(settings_of(tmp_path / "site"), chunk_size=asked.chunk_size),
            endpoint=asked.endpoint(TOWN),
            key=key,
            centre=Centre(url=address.url, ca_file=address.ca_file),
            clock=FixedClock(at(8)),
            real_now=real_now,
        )
        site.places.state.mkdir(parents=True)
        unsent: list[str] = []
        for hour in (8, 9, 10):
            direct = asked.collect(at(hour))
            house.clock = FixedClock(at(hour))
            real_now.at = at(hour) + timedelta(minutes=1)
            site = replace(site, clock=FixedClock(at(hour)))
            own = site.collect()
            assert own.load_id == direct[TOWN].load_id
            unsent.append(own.load_id)
            loads = _others(centre, at(hour))
            if hour == 9:  # the line is down: nothing is sent, and nothing published
                centre.gate(loads, at(hour))
                continue
            assert site.send().taken == unsent
            unsent.clear()
            _gate_all(centre, loads + house.take(), at(hour))
            asked.publish(at(hour))
            _mask_alike(asked, centre)
            centre.publish(at(hour))

        # The district's server is switched off: its site says so, and the figures stay.
        asked.collect_and_publish(at(11))
        real_now.at = at(11) + timedelta(minutes=1)
        house.clock = FixedClock(at(11))
        site = replace(site, clock=FixedClock(at(11)))
        assert site.collect().fault_code == "unreachable"
        site.send()
        loads = _others(centre, at(11)) + house.take()
        centre.gate(loads, at(11))
        centre.publish(at(11))
    pushed, direct_figures = figures(centre), figures(asked)
    assert pushed.keys() == direct_figures.keys()
    for table, rows in direct_figures.items():
        assert pushed[table] == rows, table
    assert len(direct_figures["dim_endpoint"]) > 200
    places = centre.settings.places
    (sign,) = signs.knocks(places, [TOWN], now=at(11), silent_after=timedelta(minutes=20)).values()
    assert sign is Knock.TIMEOUT


def _mask_alike(one: Road, other: Road) -> None:
    """Masked names are of a home's own salt; here two homes are compared."""
    salt = one.settings.places.state / "mask_salt"
    shutil.copy(salt, other.settings.places.state / "mask_salt")


def _gate_all(centre: Road, loads: list[Load], instant: datetime) -> None:
    """Everything that came in an hour in one go, as the task does; a server may have several."""
    places = centre.settings.places
    typed = type_loads(loads, centre.settings)
    gate_loads(
        typed,
        places,
        centre.settings,
        snapshot_reader=lambda load: snapshot_arrow(load.parquet(places)),
        extra_reader=lambda load, kind: extra_arrow(load.extra_parquet(places, kind)),
        now=instant,
    )


def _others(centre: Road, instant: datetime) -> list[Load]:
    """The servers that the centre asks, as the hourly run would; the one that sends is not asked."""
    pushing = in_force(centre.settings).registry.pushing_on(instant.date())
    assert pushing == {TOWN}
    return [
        centre.collect_one(instant, code) for code in centre.servers(instant) if code not in pushing
    ]


def _state(home: Path) -> str:
    (home / "state").mkdir(parents=True)
    return f"sqlite:///{home / 'state' / 'state.sqlite'}"
