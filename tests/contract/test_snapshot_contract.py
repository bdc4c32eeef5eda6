"""R01 to R18: what a snapshot of a server is worth, whatever the server does.

The docstring of a test is the promise. Here it is proven by itself, on small homes of their own;
tests/contract/test_faults.py proves it under every fault at once. Marked long are those whose promise
stands behind one of the faults as well (R06: all of them, R08: F34, R14: F31, R15: F32, R16: F33, R18:
F26), and R07, which rebuilds.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from contract.provinces import HOME_AFFAIRS, PROVINCE, Row, machine_name, machines, write_province
from contract.rounds import PATIENT, impatient
from contract.strangers import eavesdropper
from estates import host, host_id_of
from integration.the_road import Road, settings_of
from ksc_ledger.clock import vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.registry import in_force
from ksc_ledger.rehearsal.home import gather_registry
from ksc_ledger.simulator import Simulator
from ksc_ledger.sources import wire
from ksc_ledger.sources.client import HOST_ATTRIBUTES, HOST_ID
from ksc_ledger.sources.endpoint import Budget
from ksc_ledger.state.leases import LeaseLost
from ksc_ledger.warehouse import history
from ksc_ledger.warehouse.rebuild import rebuild

COMPLETE, INCOMPLETE, FAILED = LoadStatus.COMPLETE, LoadStatus.INCOMPLETE, LoadStatus.FAILED
ONE, TWO, NINE, TEN = "mau_h01", "mau_h02", "mau_h03", "mau_h04"
FIND = "HostGroup.FindHosts"
CHUNK = "ChunkAccessor.GetItemsChunk"
ASKED_BEFORE: dict[str, int] = {}
"""How many requests each server had seen when the test began."""


def at(hour: int, minute: int = 0, day: int = 12) -> datetime:
    """An instant in October 2022; the twelfth is a Wednesday."""
    return datetime.fromisoformat(f"2022-10-{day:02}T{hour:02}:{minute:02}:00+07:00")


def _rows() -> list[Row]:
    """Two districts of 40 machines, one of 9 and one of 10; what happens to some of them.

    From the 13th, 09:00, a machine lies in both big districts; another one, in the second of them,
    ties with its record in the first. On the 14th, 09:00, a machine of the first is renamed and one
    is installed anew.
    """
    thirteenth, fourteenth = at(9, day=13).isoformat(), at(9, day=14).isoformat()
    first, second, *others = machines(1)
    shared = {"group_path": HOME_AFFAIRS, "from_at": thirteenth}
    return [
        *machines(0, 12),
        first | {"to_at": fourteenth},
        first | {"from_at": fourteenth, "display_name": "NV01-TENMOI"},
        second | {"to_at": fourteenth},
        second | {"from_at": fourteenth, "host_id": host_id_of("installed anew")},
        *others,
        *machines(2),
        *machines(3, 9),
        *machines(4, 10),
        host("NV01-CHUYEN", server_code=ONE, last_connected="-2h", **shared),
        host("NV01-CHUYEN", server_code=TWO, last_connected="-2m", **shared),
        host("NV01-HOA", server_code=ONE, last_connected="-1h", last_visible="-1h", **shared),
        host("NV01-HOA", server_code=TWO, last_connected="-1h", last_visible="-1h", **shared),
    ]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_province(
        tmp_path_factory.mktemp("scenarios") / "mau",
        _rows(),
        districts=4,
        collected_at=[at(8).isoformat()],
        seats=24,
    )


@pytest.fixture(scope="module")
def running(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator([scenario], tmp_path_factory.mktemp("run"), port=0) as simulator:
        yield simulator


@pytest.fixture
def make_way(running: Simulator, scenario: Path, tmp_path: Path) -> Iterator[Callable[[str], Road]]:
    ASKED_BEFORE.update({code: len(asked) for code, asked in running.log().items()})

    def make(name: str) -> Road:
        home = tmp_path / name
        settings = settings_of(home, gather_registry([scenario], home / "registry"))
        return Road(settings, running, PATIENT, chunk_size=25, kinds=())

    yield make
    running.clear_faults()


@pytest.fixture
def way(make_way: Callable[[str], Road]) -> Road:
    """A fresh home; the servers are shared, so each test sets the clock it wants."""
    return make_way("home")


def collect(way: Road, instant: datetime, code: str = ONE, **more: Any) -> Load:
    """Collect one server; what landed is not judged."""
    way.simulator.set_clock(instant)
    return way.collect_one(instant, code, **more)


def ask(way: Road, instant: datetime, *codes: str, **more: Any) -> dict[str, Load]:
    """Collect and gate some servers."""
    loads = {code: collect(way, instant, code, **more) for code in codes}
    return loads | way.gate(loads.values(), instant)


def ask_one(way: Road, instant: datetime, code: str = ONE, **more: Any) -> Load:
    return ask(way, instant, code, **more)[code]


def figure(way: Road, unit_code: str, instant: datetime) -> dict[str, Any]:
    """A unit's row of the day of an instant, as the last build left it."""
    (row,) = way.built(
        "from marts.fct_unit_coverage_daily where unit_code = ? and snapshot_date = ?",
        [unit_code, vietnamese_date(instant)],
    )
    return row


def rows_of(way: Road, load: Load) -> list[bytes]:
    with zstandard.open(way.settings.home / str(load.hosts_path), "rb") as file:
        return file.read().splitlines()


def bodies(way: Road, load: Load) -> list[tuple[str, bytes]]:
    """What the attempt received, in order: the archive's name of it and the bytes."""
    found = []
    with (
        zstandard.open(way.settings.home / str(load.raw_path), "rb") as unpacked,
        tarfile.open(fileobj=unpacked, mode="r|") as tar,
    ):
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            found.append((member.name, file.read()))
    return found


def methods(way: Road, code: str = ONE) -> list[str]:
    """What a server was asked since the test began, in order."""
    return [one["method"] for one in requests(way, code)]


def requests(way: Road, code: str = ONE) -> list[dict[str, Any]]:
    return list(way.simulator.log().get(code, []))[ASKED_BEFORE.get(code, 0) :]


@dataclass
class Meanwhile:
    """A clock at whose third look, in the middle of an attempt, something else happens."""

    at: datetime
    happens: Callable[[], object]
    looks: int = field(default=0)

    def now(self) -> datetime:
        self.looks += 1
        if self.looks == 3:
            self.happens()
        return self.at


# -- one run, one snapshot ------------------------------------------------------------------------


def test_r01_the_same_content_at_the_same_instant_is_the_same_load(
    way: Road, make_way: Callable[[str], Road]
) -> None:
    """A load is known by its server, its instant and its content. Asking again at the same instant
    changes nothing unless the content differs; equal input gives figures equal to the byte.
    """
    first = ask_one(way, at(8))
    way.publish(at(8))
    parquet = Path("marts/parquet/fct_unit_coverage_daily.parquet")
    published = (way.settings.home / parquet).read_bytes()
    again = ask_one(way, at(8))
    assert (again.load_id, first.fence, again.fence) == (first.load_id, 1, 2)
    assert way.build(at(8)).applied == ()
    assert way.built("select count(*) as n from hist.load_log") == [{"n": 1}]

    elsewhere = make_way("elsewhere")
    ask_one(elsewhere, at(8))
    elsewhere.publish(at(8))
    assert (elsewhere.settings.home / parquet).read_bytes() == published

    way.simulator.fault(ONE, "host_drop", 10)
    other = ask_one(way, at(8))
    assert other.load_id != first.load_id
    assert way.build(at(8)).applied == (other.load_id,)
    assert way.built("select count(*) as n from hist.cur where server_code = ?", [ONE]) == [
        {"n": 36}
    ]


def test_r02_a_load_lands_once_and_whole(way: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load's rows, its own record and its verdicts get into the history together or not at all,
    and once, however often a build is run.
    """
    ask_one(way, at(8))
    everything = (
        "select (select count(*) from hist.cur) as machines,"
        " (select count(*) from hist.load_log) as loads,"
        " (select count(*) from hist.verdict) as verdicts"
    )

    class Died(Exception):  # noqa: N818 - what a kill does, not an error of ours
        pass

    insert = history._insert

    def dies_at_the_last_verdict(con: Any, table: str, rows: Any) -> None:
        insert(con, table, rows)
        if table == "hist.verdict":
            raise Died

    with monkeypatch.context() as patch:
        patch.setattr(history, "_insert", dies_at_the_last_verdict)
        with pytest.raises(Died):
            way.build(at(8))
    assert way.built(everything) == [{"machines": 0, "loads": 0, "verdicts": 0}]

    report = way.build(at(8))
    assert len(report.applied) == 1
    (counts,) = way.built(everything)
    assert (counts["machines"], counts["loads"]) == (40, 1)
    assert counts["verdicts"] > 20
    assert way.build(at(8)).applied == ()
    assert way.built(everything) == [counts]


def test_r03_nothing_partial_is_ever_visible(way: Road) -> None:
    """Rows count only when the server's count, before and after, is the number of rows read and no
    id stands twice. Else the load is incomplete, its rows are in no file that figures rest on, and
    the last good snapshot stays, with an age that can be seen.
    """
    good = ask_one(way, at(8))
    way.build(at(8))
    before = way.built("from hist.cur order by endpoint_id")
    for hour, kind, value in (
        (9, "count_mismatch", None),
        (10, "duplicate_host", None),
        (11, "session_lost", 1),
        (12, "accessor_expired", 1),
        (13, "pxg_error", 2),
    ):
        way.simulator.fault(ONE, kind, value)
        load = ask_one(way, at(hour))
        way.simulator.clear_faults()
        assert load.status is INCOMPLETE, kind
        assert 0 < load.rows_read_count < 40, kind
        assert load.hosts_path is None, kind
        assert not load.parquet(way.settings.places).exists(), kind
    way.build(at(13))
    assert way.built("from hist.cur order by endpoint_id") == before
    assert way.built(
        "select newest_load_id, age_hours, is_failing from marts.rpt_source_age"
        " where server_code = ?",
        [ONE],
    ) == [{"newest_load_id": good.load_id, "age_hours": 5.0, "is_failing": True}]


@pytest.mark.parametrize("kind", ["host_added", "host_removed"])
def test_r03_a_set_whose_count_changes_while_it_is_read_is_not_landed(way: Road, kind: str) -> None:
    """The count is asked for again at the end: a set that has grown or shrunk meanwhile is read anew,
    three times at most, and then not landed.
    """
    way.simulator.fault(ONE, kind, 2)  # after the last of two chunks
    load = collect(way, at(8))
    assert (load.status, load.fault_code, load.hosts_path) == (INCOMPLETE, "incomplete", None)
    assert methods(way).count(FIND) == 3


def test_r03_the_content_is_known_by_its_hash(way: Road) -> None:
    """A complete load carries the hash of its rows, which does not depend on how they were cut into
    chunks.
    """
    load = collect(way, at(8))
    rows = sorted(rows_of(way, load), key=lambda row: msgspec.json.decode(row)[HOST_ID])
    expected = hashlib.sha256(b"".join(hashlib.sha256(row).digest() for row in rows)).hexdigest()
    assert load.content_sha256 == expected
    way.chunk_size = 1000
    assert collect(way, at(8)).load_id == load.load_id


def test_r03_a_load_whose_counts_disagree_does_not_pass_the_gate(way: Road) -> None:
    """Were a row lost between reading and typing, the gate would refuse the load."""
    way.simulator.set_clock(at(8))
    load = way.collect_one(at(8), ONE)
    changed = manifest.changed(load, rows_expected_count=41)
    manifest.write(changed, way.settings.places)
    (judged,) = way.gate([changed], at(8)).values()
    assert (judged.status, judged.fault_code) == (LoadStatus.REJECTED, "rejected")
    assert "máy chủ báo 41, đọc được 40" in str(judged.fault_text)


def test_r04_what_was_received_can_be_read_again_without_the_server(way: Road) -> None:
    """Every body is in the archive, as it came, before it is parsed; the rows of a load and its
    typed snapshot follow from the files alone.
    """
    load = ask_one(way, at(8))
    names = [name for name, _ in bodies(way, load)]
    assert names[0].startswith("0001-HostGroup.GetStaticInfo")
    assert not any("StartSession" in name for name in names)  # it holds the session's id
    shape = wire.RowShape(HOST_ID, HOST_ATTRIBUTES)
    again: list[bytes] = []
    for name, body in bodies(way, load):
        if CHUNK in name and (chunk := shape.split(body)) is not None:
            again += [bytes(row) for row in chunk.rows]
    assert again == rows_of(way, load)

    snapshot = load.parquet(way.settings.places)
    typed = snapshot.read_bytes()
    snapshot.unlink()
    manifest.write(manifest.changed(load, gated_at=None, verdicts=()), way.settings.places)
    way.gate([manifest.read(load.path(way.settings.places))], at(8))
    assert snapshot.read_bytes() == typed


def test_r04_what_could_not_be_parsed_is_in_the_archive_too(way: Road) -> None:
    """A body that is no answer is kept as it came."""
    way.simulator.fault(ONE, "html")
    load = ask_one(way, at(8))
    assert load.fault_code == "protocol"
    assert any(body.startswith(b"<!DOCTYPE html>") for _, body in bodies(way, load))


def test_r05_a_change_of_shape_is_recorded_and_nothing_is_filled_in(way: Road) -> None:
    """An attribute that is new, missing or of another type is recorded once, with the load in which it
    was first seen; unknown ones stay in the raw rows; without one on which figures rest the load is
    refused.
    """
    ask_one(way, at(8))
    way.simulator.fault(ONE, "field_new", "KLHST_WKS_MOI")
    way.simulator.fault(ONE, "field_missing", "KLHST_WKS_OS_NAME")
    way.simulator.fault(ONE, "field_retyped", "KLHST_WKS_NAG_VERSION")
    first = ask_one(way, at(9))
    assert first.status is COMPLETE
    assert all(b'"KLHST_WKS_MOI"' in row for row in rows_of(way, first))
    ask_one(way, at(10))
    way.build(at(10))
    drift = way.built(
        "select expectation, min(observed_at) as first_seen_at, count(*) as loads"
        " from marts.fct_data_quality join marts.fct_source_load using (load_id)"
        " where suite = 'landing.ksc_shape' and not is_success group by all order by all",
    )
    assert drift == [
        {"expectation": code, "first_seen_at": at(9), "loads": 1}
        for code in (
            "missing.KLHST_WKS_OS_NAME",
            "new.KLHST_WKS_MOI",
            "retyped.KLHST_WKS_NAG_VERSION",
        )
    ]

    way.simulator.clear_faults()
    way.simulator.fault(ONE, "field_missing", "KLHST_WKS_STATUS")
    refused = ask_one(way, at(11))
    assert refused.status is LoadStatus.REJECTED
    assert "KLHST_WKS_STATUS" in str(refused.fault_text)


@pytest.mark.long
def test_r06_one_bad_server_does_not_block_the_others(way: Road) -> None:
    """Figures are built from whatever is good, and each shows from which instant its oldest part is
    and how many of its servers were read.
    """
    codes = (PROVINCE, ONE, TWO, NINE, TEN)
    ask(way, at(8), *codes)
    way.simulator.fault(ONE, "server_down")
    way.simulator.fault(TWO, "html")
    loads = ask(way, at(9), *codes)
    assert [load.status for load in loads.values()] == [
        COMPLETE, FAILED, FAILED, COMPLETE, COMPLETE,
    ]  # fmt: skip
    way.build(at(9))
    province, bad, good = (figure(way, code, at(9)) for code in (PROVINCE, ONE, NINE))
    assert (province["servers_expected_count"], province["oldest_observed_at"]) == (5, at(8))
    assert (bad["oldest_observed_at"], good["oldest_observed_at"]) == (at(8), at(9))
    ages = way.built("select server_code, age_hours, is_failing from marts.rpt_source_age")
    assert {row["server_code"]: (row["age_hours"], row["is_failing"]) for row in ages} == {
        PROVINCE: (0.0, False),
        ONE: (1.0, True),
        TWO: (1.0, True),
        NINE: (0.0, False),
        TEN: (0.0, False),
    }


@pytest.mark.long
def test_r07_what_comes_late_rewrites_its_own_day_only(way: Road) -> None:
    """A load that arrives after a newer one moves nothing that is current; a rebuild takes it in,
    and then only its own day is different. No server is asked for it.
    """
    for instant in (at(8), at(8, day=13)):
        ask_one(way, instant)
    way.build(at(9, day=13))
    current = way.built("from marts.dim_endpoint order by endpoint_id")
    first, today = (figure(way, ONE, at(8, day=day)) for day in (12, 13))
    way.simulator.fault(ONE, "host_drop", 50)
    late = ask_one(way, at(20))

    assert way.build(at(9, day=13)).refused == (late.load_id,)
    assert way.built("from marts.dim_endpoint order by endpoint_id") == current
    assert figure(way, ONE, at(8)) == first

    asked = len(requests(way))
    registry = in_force(way.settings).registry
    rebuild(way.settings, registry, code_version="test", as_of_at=at(9, day=13))
    assert len(requests(way)) == asked
    then = figure(way, ONE, at(8))
    assert (then["oldest_observed_at"], then["endpoint_count"]) == (at(20), 20)
    assert figure(way, ONE, at(8, day=13)) == today
    now = way.built("from marts.dim_endpoint order by endpoint_id")
    assert [one["endpoint_id"] for one in now] == [one["endpoint_id"] for one in current]


# -- clocks ---------------------------------------------------------------------------------------


def test_r08_a_wrong_clock_is_measured_and_warned_of(way: Road) -> None:
    """How far a server's clock is from ours is recorded with the load; more than two minutes is
    warned of, and never a reason to refuse figures.
    """
    skews = {ONE: 120, TWO: 121, NINE: -120, TEN: -121}
    for code, skew in skews.items():
        way.simulator.fault(code, "clock_skew", skew)
    loads = ask(way, at(8), *skews)
    assert {load.status for load in loads.values()} == {COMPLETE}
    assert {code: load.clock_skew_seconds for code, load in loads.items()} == skews
    warned = {
        code: not one["is_success"]
        for code, load in loads.items()
        for one in load.verdicts
        if one["expectation"] == "ksc_hosts.clock_skew"
    }
    assert warned == {ONE: False, TWO: True, NINE: False, TEN: True}


@pytest.mark.long
def test_r08_ages_are_counted_on_the_servers_own_clock(way: Road) -> None:
    """However wrong a server's clock is, nobody becomes stale or fresh by it, and no record wins over
    another server's because of it.
    """
    instant = at(12, day=13)
    right = ask(way, instant, ONE, TWO)
    way.build(instant)
    before = _ages(way)
    assert [load.clock_skew_seconds for load in right.values()] == [0, 0]
    later = instant + timedelta(minutes=1)
    way.simulator.fault(ONE, "clock_skew", 86_400)
    way.simulator.fault(TWO, "clock_skew", -30 * 86_400)
    ask(way, later, ONE, TWO)
    way.build(later)
    assert _ages(way) == before


def _ages(way: Road) -> list[dict[str, Any]]:
    return way.built(
        "select endpoint_id, server_code, is_stale, has_old_bases, is_duplicate"
        " from marts.dim_endpoint order by endpoint_id",
    )


# -- reading --------------------------------------------------------------------------------------


def test_r09_a_set_is_never_put_together_from_two(way: Road) -> None:
    """A chunk that took too long is asked for again in smaller parts of the same set; when the set is
    gone, another one is read from its beginning, three times at most.
    """
    collect(way, at(7))  # what is asked once a day is asked here
    asked = len(methods(way))
    way.chunk_size = 200
    way.simulator.fault(ONE, "slow", 2, count=2, method=CHUNK)
    load = collect(way, at(8), budget=impatient(read_seconds=1, call_seconds=1))
    assert load.status is COMPLETE, load.fault_text
    assert methods(way)[asked:].count(FIND) == 1
    assert methods(way)[asked:].count(CHUNK) == 4  # groups and devices, each late once

    asked = len(methods(way))
    way.chunk_size = 25
    way.simulator.fault(ONE, "accessor_expired", 1)
    assert collect(way, at(9)).status is INCOMPLETE
    assert methods(way)[asked:].count(FIND) == 3


def test_r10_a_server_is_known_by_the_sha256_of_its_certificate(way: Road) -> None:
    """Nothing is sent to a server whose certificate is not the one we know; one that is announced may
    be known beside it; an MD5 or SHA-1 is no way to know a certificate, and without any way there
    is no connection.
    """
    known = way.endpoint(ONE)
    (pin,) = known.certificate_sha256
    stranger = way.endpoint(ONE, certificate_sha256=("ab" * 32,))
    assert collect(way, at(8), endpoint=stranger).fault_code == "certificate"
    assert requests(way) == []
    two = way.endpoint(ONE, certificate_sha256=("ab" * 32, pin.upper()))
    assert collect(way, at(8), endpoint=two).status is COMPLETE
    for pins in (("ab" * 16,), ("ab" * 20,), (), (pin, pin, pin)):
        with pytest.raises(LedgerError) as error:
            way.endpoint(ONE, certificate_sha256=pins)
        assert error.value.code == "endpoint_invalid"
        assert error.value.remedy


def test_r11_a_server_may_take_so_much_time_and_memory_and_no_more(way: Road) -> None:
    """5 seconds to connect, 30 for one reception, 120 for one call and 10 minutes for one server by
    the clock on the wall, 64 MiB a body; no redirect is followed.
    """
    assert Budget() == Budget(
        connect_seconds=5,
        read_seconds=30,
        call_seconds=120,
        server_seconds=600,
        max_body_bytes=64 * 1024 * 1024,
    )
    assert Budget.of(way.settings) == Budget()

    way.simulator.fault(ONE, "slow", 0.4)
    slow = collect(way, at(8), budget=impatient(server_seconds=1.5))
    assert (slow.status is COMPLETE, slow.fault_code) == (False, "unreachable")
    way.simulator.clear_faults()

    with eavesdropper() as elsewhere:
        target = f"https://127.0.0.1:{elsewhere.port}/api/v1.0/login"
        way.simulator.fault(ONE, "redirect", target, method=FIND)
        assert collect(way, at(9)).fault_code == "protocol"
        assert elsewhere.heard == b""
    way.simulator.clear_faults()

    largest = max(len(body) for _, body in bodies(way, collect(way, at(10))))
    fits = impatient(max_body_bytes=largest)
    assert collect(way, at(11), budget=fits).status is COMPLETE
    too_small = impatient(max_body_bytes=largest - 1)
    assert collect(way, at(12), budget=too_small).fault_code == "protocol"


@pytest.mark.parametrize(
    ("kind", "value", "tries", "code"),
    [
        ("too_many_requests", "1", 5, "server_error"),
        ("busy", "1", 5, "server_error"),
        ("server_error", None, 3, "server_error"),
        ("html_502", None, 3, "server_error"),
        ("dropped_connection", None, 3, "unreachable"),
        ("truncated_body", None, 3, "incomplete"),
        ("html", None, 1, "protocol"),
        ("redirect", None, 1, "protocol"),
        ("json_nan", None, 1, "protocol"),
    ],
)
def test_r12_only_what_may_pass_is_tried_again(
    way: Road, kind: str, value: str | None, tries: int, code: str
) -> None:
    """Busy (429, 503): 5 tries, as it asks and at most 5 minutes apart. Broken (other 5xx, a reset, a
    cut body): 3 tries. Anything else: none. The waits are spread by chance.
    """
    way.simulator.fault(ONE, kind, value, method=FIND)
    waits: list[float] = []
    load = collect(way, at(8), sleep=waits.append)
    assert (load.status is COMPLETE, load.fault_code) == (False, code)
    assert methods(way).count(FIND) == tries
    assert len(waits) == tries - 1
    assert len(set(waits)) == len(waits)
    assert all(0 <= wait <= 305 for wait in waits)
    if value is not None:
        assert all(1 <= wait <= 2.1 for wait in waits)


@pytest.mark.parametrize(
    ("kind", "code"), [("unauthorized", "credentials"), ("second_factor", "second_factor")]
)
def test_r12_a_refused_login_is_never_repeated(way: Road, kind: str, code: str) -> None:
    """A password that was refused is sent once in a run; a second factor is never guessed."""
    way.simulator.fault(ONE, kind)
    waits: list[float] = []
    load = collect(way, at(8), sleep=waits.append)
    assert (load.status, load.fault_code, waits) == (FAILED, code, [])
    assert sum(one["had_authorization"] for one in requests(way)) == 1


# -- sessions and attempts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [None, "html", "count_mismatch", "truncated_body", "session_lost", "oversized_chunk"]
)
def test_r13_nothing_is_left_open_on_a_server(way: Road, kind: str | None) -> None:
    """Whatever happened, the session is ended and every set released."""
    if kind is not None:
        way.simulator.fault(ONE, kind)
    collect(way, at(8), sleep=lambda _: None)
    state = way.simulator.state()["servers"][ONE]
    assert (state["session_count"], state["set_count"]) == (0, 0)
    asked = methods(way)
    assert asked[-1] == "Session.EndSession"
    if kind in (None, "count_mismatch"):
        found = asked.count(FIND) + asked.count("HostGroup.FindGroups")
        assert asked.count("ChunkAccessor.Release") == found


def test_r13_two_attempts_never_ask_one_server_at_a_time(way: Road) -> None:
    """Who comes second is told so and asks nothing."""
    refused: list[str] = []

    def second_attempt() -> None:
        with pytest.raises(LedgerError) as error:
            way.collect_one(at(8), ONE)
        refused.append(error.value.code)

    way.simulator.set_clock(at(8))
    first = way.collect_one(at(8), ONE, clock=Meanwhile(at(8), second_attempt))
    assert first.status is COMPLETE
    assert refused == ["collection_already_running"]
    assert len(list(manifest.read_all(way.settings.places))) == 1


def test_r13_an_attempt_that_was_given_up_records_nothing(way: Road) -> None:
    """When an attempt hangs beyond its lease and another one takes over, the first lands nothing,
    though it may come to its end.
    """
    landed: list[Load] = []

    def takes_over() -> None:
        landed.append(
            way.collect_one(
                at(8), ONE, real_now=lambda: datetime.now(at(8).tzinfo) + timedelta(days=1)
            )
        )

    way.simulator.set_clock(at(8))
    with pytest.raises(LeaseLost):
        way.collect_one(at(8), ONE, clock=Meanwhile(at(8), takes_over))
    (load,) = manifest.read_all(way.settings.places)
    assert (load.load_id, load.fence) == (landed[0].load_id, 2)


# -- one machine, one count -----------------------------------------------------------------------


@pytest.mark.long
def test_r14_a_machine_in_two_consoles_counts_once(way: Road) -> None:
    """It counts on the server to which it connected last; where that is the same instant, on the one
    it was last seen by, then in the registry's order. Both sightings are kept and the other is
    reported.
    """
    instant = at(12, day=13)
    ask(way, instant, TWO, ONE)
    way.build(instant)
    rows = way.built(
        "select display_name, server_code, is_counted, duplicate_kind"
        " from marts.fct_endpoint_sighting order by all",
    )
    assert [tuple(row.values()) for row in rows] == [
        ("NV01-CHUYEN", ONE, False, "other_server"),
        ("NV01-CHUYEN", TWO, True, None),
        ("NV01-HOA", ONE, True, None),
        ("NV01-HOA", TWO, False, "other_server"),
    ]
    one, two = (figure(way, code, instant) for code in (ONE, TWO))
    assert (one["duplicate_count"], two["duplicate_count"]) == (1, 1)
    both = figure(way, PROVINCE, instant)
    assert both["installed_count"] == one["installed_count"] + two["installed_count"]


@pytest.mark.long
def test_r15_a_renamed_machine_is_the_same_and_one_installed_anew_is_not(way: Road) -> None:
    """The same id with another name is the same machine, before and after. The same name with another
    id is a new machine, and the old one has ended. Nothing of either is forgotten.
    """
    for hour in (8, 9):
        ask_one(way, at(hour, day=14))
    way.build(at(9, day=14))
    seen = (
        "select endpoint_id, display_name, valid_from_at, valid_to_at from hist.intervals"
        " where server_code = 'mau_h01' and endpoint_id in (?, ?, ?) order by all"
    )
    renamed, left = host_id_of(machine_name(1, 1)), host_id_of(machine_name(1, 2))
    anew = host_id_of("installed anew")
    spells = [tuple(row.values()) for row in way.built(seen, [renamed, left, anew])]
    eight, nine = at(8, day=14), at(9, day=14)
    assert spells == sorted(
        [
            (renamed, machine_name(1, 1), eight, nine),
            (renamed, "NV01-TENMOI", nine, None),
            (left, machine_name(1, 2), eight, nine),
            (anew, machine_name(1, 2), nine, None),
        ],
        key=lambda spell: spell[:3],
    )
    now = {
        row["endpoint_id"]: row["first_seen_at"]
        for row in way.built("select endpoint_id, first_seen_at from marts.dim_endpoint")
    }
    assert (now[renamed], now[anew], now.get(left)) == (eight, nine, None)
    assert way.built("select distinct rows_read_count as n from hist.load_log") == [{"n": 42}]


@pytest.mark.long
def test_r16_seats_and_machines_are_two_facts(way: Road) -> None:
    """What was allocated and what is installed are both shown as they are; a difference is reported
    as such, at the unit where it arises, and never corrected away.
    """
    ask_one(way, at(8))
    way.build(at(8))
    short, over = (figure(way, f"{ONE}_{office}", at(8)) for office in ("pnv", "ptp"))
    assert [one["allocated_count"] for one in (short, over)] == [24, 24]
    for one in (short, over):
        difference = one["allocated_count"] - one["installed_count"]
        assert one["net_gap_count"] == difference
        assert (one["gap_count"], one["over_count"]) == (max(difference, 0), max(-difference, 0))
    above = figure(way, ONE, at(8))
    assert above["gap_count"] == short["gap_count"] + over["gap_count"]
    assert above["over_count"] == short["over_count"] + over["over_count"]


def test_r17_nothing_at_all_is_not_believed_at_once(way: Road) -> None:
    """A server that had ten devices or more and says twice that it has none is not believed, though
    its groups are there; with nine it is.
    """
    for code in (NINE, TEN):
        collect(way, at(8), code)
        way.simulator.fault(code, "zero_hosts")
    believed = collect(way, at(9), NINE)
    assert (believed.status, believed.rows_read_count) == (COMPLETE, 0)
    asked = len(methods(way, TEN))
    load = collect(way, at(9), TEN)
    assert (load.status, load.fault_code) == (INCOMPLETE, "suspicious")
    assert methods(way, TEN)[asked:].count(FIND) == 2
    with zstandard.open(way.settings.home / str(load.groups_path), "rb") as groups:
        assert len(groups.read().splitlines()) > 1


@pytest.mark.long
def test_r18_a_sudden_drop_is_landed_and_flagged_until_it_is_confirmed(way: Road) -> None:
    """More than 30 % fewer devices than in the last good load is landed, with a warning that the
    figure carries; when the next load says the same, the warning is gone.
    """
    ask(way, at(8), ONE, TWO)
    way.simulator.fault(ONE, "host_drop", 30)
    way.simulator.fault(TWO, "host_drop", 32.5)
    for hour, expected in ((9, {ONE: True, TWO: False}), (10, {ONE: True, TWO: True})):
        loads = ask(way, at(hour), ONE, TWO)
        assert {load.status for load in loads.values()} == {COMPLETE}
        assert [load.rows_read_count for load in loads.values()] == [28, 27]
        way.build(at(hour))
        passed = {code: figure(way, code, at(hour))["has_passed_gate"] for code in (ONE, TWO)}
        assert passed == expected
