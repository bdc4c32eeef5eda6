"""From the answers of servers over HTTPS to published figures, hour by hour, with faults."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from integration.the_road import Road, road
from ksc_ledger.landing.manifest import LoadStatus
from ksc_ledger.registry import in_force

SCENARIO = Path(__file__).resolve().parents[1] / "road" / "scenario"
DAY = date(2022, 10, 12)
TOWN = "dtp_872"
LETTER = (330, 255, 235)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime.fromisoformat(f"2022-10-12T{hour:02}:{minute:02}:00+07:00")


def shown(figure: dict[str, Any]) -> tuple[int, int, int]:
    return (
        figure["allocated_count"],
        figure["installed_count"],
        figure["correctly_named_count"],
    )


def logins(way: Road) -> int:
    """How often the town's server was asked to let somebody in."""
    entries = way.simulator.log().get(TOWN, [])
    return sum(entry["method"] in {"login", "Session.StartSession"} for entry in entries)


@pytest.fixture
def way(tmp_path: Path) -> Iterator[Road]:
    with road([SCENARIO], tmp_path / "home") as opened:
        yield opened


def test_the_figures_of_the_letter_and_what_changes_them(way: Road) -> None:
    way.collect_and_publish(at(8))
    figure = way.figure(TOWN, DAY)
    assert shown(figure) == LETTER
    assert (figure["gap_count"], figure["over_count"], figure["net_gap_count"]) == (77, 2, 75)
    assert round(figure["installed_ratio"], 4) == 0.7727
    assert round(figure["correctly_named_ratio"], 4) == 0.9216
    assert figure["is_provisional"]
    assert figure["is_complete"]

    way.collect_and_publish(at(9))  # one machine got a wrong name
    assert shown(way.figure(TOWN, DAY)) == (330, 255, 234)

    way.collect_and_publish(at(10))  # one wrongly named machine lost its protection bit
    assert shown(way.figure(TOWN, DAY)) == (330, 254, 234)

    loads = way.collect_and_publish(at(11))  # the district's server is switched off
    assert loads[TOWN].fault_code == "unreachable"
    figure = way.figure(TOWN, DAY)
    assert shown(figure) == (330, 254, 234)
    assert figure["oldest_observed_at"] == at(10)
    (age,) = way.query("select * from marts.rpt_source_age where server_code = ?", [TOWN])
    assert age["newest_observed_at"] == at(10)
    assert age["age_hours"] == 1.0
    assert age["is_failing"]


def test_what_does_not_count_is_still_seen(way: Road) -> None:
    way.collect_and_publish(at(8))
    figure = way.figure(TOWN, DAY)
    assert figure["duplicate_count"] == 6
    assert figure["agent_only_count"] > 0
    wrong = way.query(
        "select count(*) as n, count(reason_code) as reasons from marts.rpt_wrong_name"
    )
    assert wrong == [{"n": 20, "reasons": 20}]


def test_the_gap_is_partitioned_exactly(way: Road) -> None:
    way.collect_and_publish(at(8))
    (gap,) = way.query(
        "select sum(machine_count) as n from marts.rpt_coverage_gap"
        " where unit_code = ? and snapshot_date = ?",
        [TOWN, DAY],
    )
    assert gap["n"] == 330


def test_no_machine_name_is_in_the_file_that_bi_opens(way: Road) -> None:
    way.collect_and_publish(at(8))
    masked = way.settings.places.marts_file.read_bytes()
    named = way.settings.places.named_marts_file
    assert b"mayphuong".lower() not in masked.lower()
    assert named.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("certificate_changed", "certificate"),
        ("unauthorized", "credentials"),
        ("second_factor", "second_factor"),
        ("html", "protocol"),
        ("truncated_body", "incomplete"),
        ("truncated_json", "incomplete"),
        ("count_mismatch", "incomplete"),
        ("zero_hosts", "suspicious"),
        ("pxg_error", "server_error"),
        ("gzip_bomb", "protocol"),
    ],
)
def test_a_fault_is_named_and_the_last_good_figures_stay(way: Road, fault: str, code: str) -> None:
    way.collect_and_publish(at(8))
    way.simulator.fault(TOWN, fault)
    loads = way.collect_and_publish(at(9))
    load = loads[TOWN]
    assert load.status in (LoadStatus.FAILED, LoadStatus.INCOMPLETE)
    assert load.fault_code == code, load.fault_text
    assert "KSC-TM" in str(load.fault_text) or TOWN in str(load.fault_text)
    assert loads["dtp"].status is LoadStatus.COMPLETE  # the other server is not held up
    figure = way.figure(TOWN, DAY)
    assert shown(figure) == LETTER
    assert figure["oldest_observed_at"] == at(8)
    assert not figure["is_complete"] or figure["servers_observed_count"] == 1
    (row,) = way.query(
        "select status, fault_code, fault_text from marts.fct_source_load where load_id = ?",
        [load.load_id],
    )
    assert row["fault_code"] == code
    assert row["fault_text"]


def test_no_credentials_reach_a_server_with_another_certificate(way: Road) -> None:
    stranger = replace(way.endpoint(TOWN), certificate_sha256=("00" * 32,))
    load = way.collect(at(8), **{TOWN: stranger})[TOWN]
    assert load.fault_code == "certificate"
    assert not any(entry["had_authorization"] for entry in way.simulator.log().get(TOWN, []))


def test_a_wrong_password_is_tried_once_and_then_held(way: Road) -> None:
    way.collect_and_publish(at(8))
    wrong = replace(way.endpoint(TOWN), password="không phải mật khẩu")
    before = logins(way)
    assert way.collect(at(9), **{TOWN: wrong})[TOWN].fault_code == "credentials"
    assert logins(way) == before + 1
    second = way.collect_and_publish(at(9, 30), **{TOWN: wrong})[TOWN]
    assert second.fault_code == "credentials"
    assert logins(way) == before + 1
    assert "ksc-ledger accounts resume" in str(second.fault_text)
    assert shown(way.figure(TOWN, DAY)) == LETTER

    assert way.collect(at(9, 45))[TOWN].status is LoadStatus.COMPLETE  # the connection was mended


def test_what_was_received_is_kept_when_it_could_not_be_used(way: Road) -> None:
    way.simulator.fault(TOWN, "truncated_body")
    load = way.collect(at(8))[TOWN]
    assert load.raw_path
    kept = way.settings.home / load.raw_path
    assert kept.exists()
    assert kept.stat().st_size > 0


def test_a_bad_registry_row_is_named_and_the_last_good_version_stays(way: Road) -> None:
    way.collect_and_publish(at(8))
    units = way.settings.registry / "dong_thap" / "allocations.csv"
    good = units.read_text("utf-8")
    lines = good.splitlines()
    units.write_text("\n".join([lines[0], lines[1].replace(",24,", ",24.5,"), *lines[2:]]), "utf-8")
    current = in_force(way.settings)
    assert current.is_last_good
    (mistake,) = current.mistakes
    assert mistake.file.endswith("allocations.csv")
    assert mistake.row == 2
    assert mistake.field == "seat_count"
    assert mistake.remedy
    way.collect_and_publish(at(9))
    assert way.figure(TOWN, DAY)["allocated_count"] == 330


def test_no_secret_is_written_anywhere(way: Road) -> None:
    """Plain, base64 and URL-encoded forms of the password, in every file of the home."""
    import base64
    from urllib.parse import quote

    way.collect_and_publish(at(8))
    way.simulator.fault(TOWN, "unauthorized")
    way.collect_and_publish(at(9))
    password = way.simulator.password(TOWN)
    forms = [
        form.encode()
        for form in (password, base64.b64encode(password.encode()).decode(), quote(password))
    ]
    for file in way.settings.home.rglob("*"):
        if file.is_file() and "simulator" not in file.parts:
            content = file.read_bytes()
            assert not any(form in content for form in forms), file


def test_the_summary_of_the_marts_can_be_read_as_json(way: Road) -> None:
    way.collect_and_publish(at(8))
    (published,) = way.query("select * from marts._published")
    assert json.dumps(published, default=str)
    assert published["as_of_at"] == at(8)
