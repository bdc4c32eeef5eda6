"""The committed scenarios are what the generator writes, byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenarios.generator import all_scenarios, draw
from scenarios.generator.estate import Server, check_hosts
from scenarios.generator.hosts import Facts, Host
from scenarios.generator.instants import DAY, age, at, office_hour, written
from scenarios.generator.names import NameBook

REPOSITORY = Path(__file__).resolve().parents[3]
PLACES = ("scenarios/dong_thap", "scenarios/kon_tum", "tests/road/scenario")


def content(folder: Path) -> dict[str, bytes]:
    written_parts = ("scenario.yml", "expected.yml", "registry", "estate")
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for part in written_parts
        for file in sorted(
            (folder / part).rglob("*") if (folder / part).is_dir() else [folder / part]
        )
        if file.is_file()
    }


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rewritten")
    for place, scenario in all_scenarios().items():
        scenario.write(folder / place)
    return folder


def test_the_generator_knows_every_committed_scenario() -> None:
    assert tuple(all_scenarios()) == PLACES


@pytest.mark.parametrize("place", PLACES)
def test_regenerating_gives_the_committed_bytes(place: str, rewritten: Path) -> None:
    committed, again = content(REPOSITORY / place), content(rewritten / place)
    assert committed.keys() == again.keys()
    assert [name for name in committed if committed[name] != again[name]] == []


def test_no_file_is_too_large_to_read_and_compare() -> None:
    sizes = {
        file: len(body) for place in PLACES for file, body in content(REPOSITORY / place).items()
    }
    assert max(sizes.values()) < 1_200_000
    assert sum(sizes.values()) < 6_000_000


def machine(created: str = "2022-10-01 08:00", **facts: str) -> Host:
    known = Facts(display_name="PNV-ANTV", group_path="", **facts)
    return Host("8910f900-3807-4b97-8a97-d49e73ec5ab1", at(created), known, "dtp_872_pnv")


def test_a_change_ends_one_row_and_begins_the_next() -> None:
    host = machine()
    host.change(at("2022-10-14 09:00"), display_name="PNV-BINHTV")
    first, second = host.rows()
    assert (first["from_at"], first["to_at"]) == (
        "2022-10-01T08:00:00+07:00",
        "2022-10-14T09:00:00+07:00",
    )
    assert (second["from_at"], second["to_at"]) == ("2022-10-14T09:00:00+07:00", "")
    assert (first["display_name"], second["display_name"]) == ("PNV-ANTV", "PNV-BINHTV")


def test_a_change_that_changes_nothing_makes_no_row() -> None:
    host = machine(rtp_state="7")
    host.change(at("2022-10-14 09:00"), rtp_state="7")
    assert len(list(host.rows())) == 1


def test_nothing_is_known_of_a_machine_before_it_exists_and_from_its_end_on() -> None:
    host = machine()
    host.ends_at = at("2022-11-01 08:00")
    assert host.at(at("2022-10-01 07:59")) is None
    assert host.at(at("2022-10-01 08:00")) is not None
    assert host.at(at("2022-11-01 07:59")) is not None
    assert host.at(at("2022-11-01 08:00")) is None


def test_changes_after_the_end_are_left_out() -> None:
    host = machine()
    host.ends_at = at("2022-11-01 08:00")
    host.change(at("2022-12-01 08:00"), rtp_state="1")
    (row,) = host.rows()
    assert row["to_at"] == "2022-11-01T08:00:00+07:00"


def test_a_machine_cannot_change_before_it_exists() -> None:
    with pytest.raises(ValueError, match="before it exists"):
        machine().change(at("2022-10-01 08:00"), rtp_state="1")


def test_a_host_in_a_group_that_its_server_does_not_have_is_refused() -> None:
    lost = Host("8910f900-3807-4b97-8a97-d49e73ec5ab1", at("2022-10-01 08:00"),
                Facts(display_name="PNV-ANTV", group_path="01. Phòng ban"), "dtp_872")  # fmt: skip
    server = Server({"server_code": "dtp_872"}, hosts=[lost])
    with pytest.raises(ValueError, match="no group"):
        check_hosts(server)
    server.add_group("01. Phòng ban")
    check_hosts(server)


def test_two_hosts_of_one_id_on_one_server_are_refused() -> None:
    with pytest.raises(ValueError, match="share an id"):
        check_hosts(Server({"server_code": "dtp"}, hosts=[machine(), machine()]))


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [(25, "-25m"), (59, "-59m"), (60, "-1h"), (61, "-61m"), (1440, "-1d"), (1500, "-25h")],
)
def test_an_age_is_written_in_the_largest_unit_that_keeps_it_whole(
    minutes: int, expected: str
) -> None:
    assert age(minutes * DAY / 1440) == expected


@pytest.mark.parametrize("day", ["2023-10-20", "2023-10-21", "2023-10-22", "2023-10-23"])
def test_office_hours_never_fall_on_a_weekend(day: str) -> None:
    instant = office_hour(draw.stream("test"), at(f"{day} 00:00").date())
    assert instant.date().isoformat() == ("2023-10-20" if day == "2023-10-20" else "2023-10-23")
    assert "09:00" <= written(instant)[11:16] < "16:00"


def test_a_name_is_given_once_whatever_its_case() -> None:
    book = NameBook()
    book.take("pnv-antv")
    with pytest.raises(ValueError, match="in use"):
        book.take("PNV-ANTV")


def test_shares_are_dealt_by_largest_remainders() -> None:
    cards = draw.deck(draw.stream("test"), 7, {"a": 50.0, "b": 30.0, "c": 20.0})
    assert (cards.count("a"), cards.count("b"), cards.count("c")) == (4, 2, 1)
