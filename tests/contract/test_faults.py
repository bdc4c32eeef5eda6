"""F01 to F35: what a server can do wrong, and what must be true afterwards.

The first line of a docstring is the fault (in brackets: its name in docs/simulator.md), the rest is
what must be true. docs/faults.md is made of them: `python tests/contract/faults_page.py`.
"""

from __future__ import annotations

import tarfile
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from contract.provinces import HOME_AFFAIRS, PROVINCE, Row, machine_name, machines
from contract.rounds import (
    AFTER,
    BEFORE,
    COLUMNS,
    DAY,
    INJECTIONS,
    Aftermath,
    Fault,
    Victim,
    fault,
    impatient,
    injected,
    the_round,
)
from contract.strangers import Listener, black_hole, eavesdropper, no_names, outdated_tls
from estates import host, host_id_of, server
from integration.the_road import Road, settings_of
from ksc_ledger.collection import knock
from ksc_ledger.landing.manifest import LoadStatus
from ksc_ledger.simulator.certificates import CertificateStore, Variant
from ksc_ledger.sources.client import KscClient
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.state import accounts, open_state

INCOMPLETE, FAILED, REJECTED = LoadStatus.INCOMPLETE, LoadStatus.FAILED, LoadStatus.REJECTED
STRANGERS: dict[str, Listener] = {}
CHUNK = "ChunkAccessor.GetItemsChunk"
FIND = "HostGroup.FindHosts"


@pytest.fixture(scope="module")
def aftermath(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Aftermath]:
    asked = {item.name for item in request.session.items}
    injections = {test: faults for test, faults in INJECTIONS.items() if test in asked}
    folder = tmp_path_factory.mktemp("round")
    known = CertificateStore(folder).certificate("cu", "cu", Variant.CURRENT)
    with (
        pytest.MonkeyPatch.context() as patch,
        no_names(patch, of=".example"),
        black_hole() as hole,
        eavesdropper() as plain,
        outdated_tls(known.file, folder / "private" / "cu.key") as outdated,
    ):
        STRANGERS.update(hole=Listener(hole), plain=plain, outdated=outdated)
        with the_round(folder, injections) as done:
            yield done


@pytest.fixture
def victims(request: pytest.FixtureRequest, aftermath: Aftermath) -> list[Victim]:
    """The districts of a test, in the order in which it names its faults."""
    return aftermath.victims[request.function.__name__]


@pytest.fixture
def victim(victims: list[Victim]) -> Victim:
    """The district of a test that names one fault."""
    (one,) = victims
    return one


def stranger(name: str) -> Any:
    """Dial something else than the server."""
    return lambda way, code: way.endpoint(code, port=STRANGERS[name].port)


def shown_certificate(way: Road, code: str) -> str:
    """The fingerprint of the certificate that a server shows now."""
    return str(way.simulator.state()["servers"][code]["certificate_sha256"])


def secrets_of(endpoint: Endpoint) -> list[bytes]:
    return [endpoint.password.encode(), endpoint.authorization().encode()]


def bodies(way: Road, path: str | None) -> dict[str, bytes]:
    """What an attempt received, by the name in its archive."""
    assert path is not None
    with (
        zstandard.open(way.settings.home / path, "rb") as unpacked,
        tarfile.open(fileobj=unpacked, mode="r|") as tar,
    ):
        found = {}
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
        return found


def test_where_nothing_is_wrong_everything_lands(aftermath: Aftermath) -> None:
    """Beside all the others, in the same round."""
    for district in aftermath.well:
        district.is_landed_whole()
        assert district.logins == 1
        assert district.waits == ()


# -- the connection ---------------------------------------------------------------------------


@injected(fault("server_down"))
def test_f01_connection_refused(victim: Victim) -> None:
    """The port of a district is closed (`server_down`).

    Its load is `unreachable` at once; nothing was sent; its last good figures stay with their age;
    all other servers land.
    """
    victim.is_refused("unreachable")
    assert "không nhận kết nối" in str(victim.load.fault_text)
    assert victim.requests == ()
    assert victim.seconds < 5


@injected(
    fault("silent_handshake", budget=impatient(connect_seconds=0.3)),
    Fault(endpoint=stranger("hole"), budget=impatient(connect_seconds=0.3)),
)
def test_f02_black_hole(victims: list[Victim]) -> None:
    """A connection is accepted and nothing is ever said (`silent_handshake`); SYNs are swallowed.

    The attempt ends with the time for one connection (5 seconds where nothing else is set), once
    and without a retry, so that the others wait no longer than that; the load is `unreachable`.
    """
    assert Budget().connect_seconds == 5
    for victim in victims:
        victim.is_refused("unreachable")
        assert "không nối được trong 0.3 giây" in str(victim.load.fault_text)
        assert victim.waits == ()
        assert victim.seconds < 5


@injected(Fault(endpoint=lambda way, code: way.endpoint(code, host="ksc-huyen.example")))
def test_f03_name_of_one_server_unknown(victim: Victim) -> None:
    """The name of one server cannot be resolved (a resolver that knows no such name).

    Its load is `unreachable` and the text says that it is the name; a knock says `dns`, which the
    link watch takes for no evidence against the server; the others land.
    """
    victim.is_refused("unreachable")
    assert "Không phân giải được tên ksc-huyen.example" in str(victim.load.fault_text)
    endpoint = victim.way.endpoint(victim.code, host="ksc-huyen.example")
    assert knock(endpoint, victim.fault.budget).outcome == "dns"


def test_f04_no_name_is_known(
    aftermath: Aftermath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No name at all can be resolved (a resolver that knows nothing).

    Every load is `unreachable`, each for its name; every figure stays as it was, with its age.
    """
    way = Road(
        settings_of(tmp_path, aftermath.way.settings.registry), aftermath.way.simulator, kinds=()
    )
    codes = [victim.code for victim in aftermath.well]
    way.simulator.set_clock(AFTER)
    way.gate([way.collect_one(BEFORE, code) for code in codes], BEFORE)
    way.build(BEFORE)
    figures = "from marts.fct_unit_coverage_daily where snapshot_date = ? order by unit_code"
    before = way.built(figures, [DAY])
    with no_names(monkeypatch):
        loads = [
            way.collect_one(AFTER, code, endpoint=way.endpoint(code, host=f"ksc-{code[-2:]}"))
            for code in codes
        ]
    way.build(AFTER)
    assert {(load.status, load.fault_code) for load in loads} == {(FAILED, "unreachable")}
    assert all("Không phân giải được tên" in str(load.fault_text) for load in loads)
    after = way.built(figures, [DAY])
    for name in (*COLUMNS, "oldest_observed_at"):
        assert [one[name] for one in after] == [one[name] for one in before], name
    assert {one["oldest_observed_at"] for one in after if one["unit_code"] in codes} == {BEFORE}


@injected(
    fault("certificate_changed"),
    fault("certificate_changed", endpoint=lambda way, code: by_file(way, code)),
)
def test_f05_certificate_changed(victims: list[Victim]) -> None:
    """The server shows another certificate (`certificate_changed`).

    The load is `certificate`; no request and no credentials were sent, whether the server is known
    by its fingerprint or by its file; the last good figures stay.
    """
    for victim in victims:
        victim.is_refused("certificate")
        assert victim.requests == ()
    assert shown_certificate(victims[0].way, victims[0].code) in str(victims[0].load.fault_text)


def by_file(way: Road, code: str) -> Endpoint:
    """The server known by its klserver.cer instead of by a fingerprint."""
    file = Path(way.simulator.ports["servers"][code]["certificate"])
    return way.endpoint(code, certificate_sha256=(), ca_file=file)


@injected(
    fault(
        "certificate_expired",
        endpoint=lambda way, code: way.endpoint(
            code, certificate_sha256=(shown_certificate(way, code),)
        ),
    ),
    fault("certificate_expired", endpoint=lambda way, code: by_expired_file(way, code)),
)
def test_f06_certificate_expired(victims: list[Victim], aftermath: Aftermath) -> None:
    """The certificate is over, but it is the one we know (`certificate_expired`).

    Known by its fingerprint it is accepted, and the log warns of it; known by its file it is refused
    and the text says that it has expired. Which of the two is chosen in the connection.
    """
    pinned, filed = victims
    pinned.is_landed_whole()
    warnings = [line for line in aftermath.log.splitlines() if "hết hạn" in line]
    assert any(pinned.code in line for line in warnings)
    filed.is_refused("certificate")
    assert "đã hết hạn" in str(filed.load.fault_text)
    assert filed.requests == ()


def by_expired_file(way: Road, code: str) -> Endpoint:
    file = Path(way.simulator.state()["servers"][code]["certificate"])
    return way.endpoint(code, certificate_sha256=(), ca_file=file)


@injected(
    fault("plain_http"),
    Fault(endpoint=stranger("plain")),
    Fault(endpoint=stranger("outdated")),
)
def test_f07_no_tls_or_an_old_one(victims: list[Victim]) -> None:
    """Plain HTTP on the port (`plain_http`); a server that speaks TLS 1.1 at most.

    The load is `protocol`; not one byte of a request or of the account is on the wire.
    """
    for victim in victims:
        victim.is_refused("protocol")
        assert set(victim.methods) <= {"(no HTTP)"}  # what was heard there was no request
    for name in ("plain", "outdated"):
        heard = bytes(STRANGERS[name].heard)
        assert b"POST" not in heard
        assert not any(secret in heard for one in victims for secret in secrets_of(
            one.way.endpoint(one.code)
        ))  # fmt: skip
    assert STRANGERS["plain"].heard.startswith(b"\x16\x03")  # a TLS hello, and nothing else


# -- the session ------------------------------------------------------------------------------


@injected(fault("unauthorized"))
def test_f08_password_refused(victim: Victim) -> None:
    """The server answers the login with 401 (`unauthorized`).

    The load is `credentials`; the password was sent exactly once, and no later task sends it again
    until the connection has another one or an operator resumes the account.
    """
    victim.is_refused("credentials")
    assert victim.logins == 1

    def logins() -> int:
        seen = victim.way.simulator.log()[victim.code]
        return sum(request["had_authorization"] for request in seen)

    def ask(minutes: int, **changes: Any) -> str | None:
        endpoint = victim.way.endpoint(victim.code, **changes)
        at = AFTER + timedelta(minutes=minutes)
        return victim.way.collect_one(at, victim.code, endpoint=endpoint).fault_code

    before = logins()
    assert [ask(1), ask(2), ask(3)] == ["credentials"] * 3
    assert logins() == before
    assert ask(4, password="một mật khẩu khác") == "credentials"  # the connection was changed
    assert logins() == before + 1
    assert ask(5, password="một mật khẩu khác") == "credentials"
    assert logins() == before + 1
    engine = open_state(victim.way.settings.state_url)
    assert accounts.resume(engine, victim.code) == 2
    engine.dispose()
    assert ask(6) == "credentials"
    assert logins() == before + 2
    victim.way.simulator.clear_faults(victim.code)
    assert ask(7) == "credentials"  # refused a moment ago: held again, though it would be right now
    assert logins() == before + 2


@injected(fault("session_lost", 1, count=1), fault("session_lost", 1))
def test_f09_session_ended_while_reading(victims: list[Victim]) -> None:
    """403 in the middle of a set (`session_lost`), once and for ever.

    Once: one new login, a new result set, read whole from its beginning: one snapshot. Twice: the
    load is `incomplete`, after two logins and no more.
    """
    once, for_ever = victims
    once.is_landed_whole()
    assert once.logins == 2
    assert once.methods.count(FIND) == 2
    for_ever.is_refused("incomplete", INCOMPLETE)
    assert for_ever.logins == 2
    assert for_ever.load.hosts_path is None


@injected(fault("accessor_expired", 1, count=1), fault("accessor_expired", 1))
def test_f10_result_set_expired_while_reading(victims: list[Victim]) -> None:
    """The accessor is gone after the first chunk (`accessor_expired`), once and for ever.

    Once: the whole set is found and read anew, and nothing of the first one is kept: each machine
    is landed once. For ever: three sets, then the load is refused.
    """
    once, for_ever = victims
    once.is_landed_whole()
    assert (once.logins, once.methods.count(FIND)) == (1, 2)
    for_ever.is_refused("server_error", INCOMPLETE)
    assert for_ever.methods.count(FIND) == 3
    assert for_ever.load.hosts_path is None


# -- refusals that pass, and those that do not --------------------------------------------------

IN_SEVEN_SECONDS = format_datetime(AFTER + timedelta(seconds=7), usegmt=False)


@injected(
    *(
        fault("too_many_requests", value, count=1, method=FIND)
        for value in ("2", "99999", IN_SEVEN_SECONDS, "soon")
    ),
    fault("busy", "2", count=1, method=FIND),
)
def test_f11_asked_to_come_back_later(victims: list[Victim]) -> None:
    """429 and 503 with a `Retry-After` in seconds, beyond reason, as a date, as garbage
    (`too_many_requests`, `busy`).

    It is honoured, at most 5 minutes of it, spread by chance so that clients do not come back
    together; garbage is answered by our own growing wait. The snapshot is landed once.
    """
    for victim in victims:
        victim.is_landed_whole()
        assert len(victim.waits) == 1
        assert victim.methods.count(FIND) == 2
    asked = (2, 300, 7, 0, 2)
    at_most = (3.2, 310, 8.7, 4, 3.2)
    for victim, low, high in zip(victims, asked, at_most, strict=True):
        assert low <= victim.waits[0] <= high
    assert victims[0].waits != victims[4].waits  # the same words, and yet not the same instant


@injected(fault("server_error", count=2, method=FIND))
def test_f12_two_server_errors_then_an_answer(victim: Victim, aftermath: Aftermath) -> None:
    """500 twice, then an answer (`server_error`).

    The snapshot is landed once; both retries are in the log.
    """
    victim.is_landed_whole()
    assert len(victim.waits) == 2
    retries = [line for line in aftermath.log.splitlines() if victim.code in line]
    assert [line.count("hỏi lại lần") for line in retries] == [1, 1]


@injected(
    fault("server_error", method=FIND),
    fault("busy", "1", method=FIND),
    fault("dropped_connection"),
    fault("html_502", method=FIND),
)
def test_f13_server_errors_for_ever(victims: list[Victim]) -> None:
    """500, 503, 502 or a reset connection for ever (`server_error`, `busy`, `html_502`,
    `dropped_connection`).

    A few tries (3; of a busy server 5), then the load is refused well within the server's budget;
    the last good figures stay and the others land.
    """
    error, busy, dropped, gateway = victims
    for victim, code, tries in (
        (error, "server_error", 3),
        (busy, "server_error", 5),
        (dropped, "unreachable", 3),
        (gateway, "server_error", 3),
    ):
        victim.is_refused(code)
        assert len(victim.waits) == tries - 1
        assert sum(victim.waits) < victim.fault.budget.server_seconds


# -- bodies -----------------------------------------------------------------------------------


@injected(fault("truncated_body"))
def test_f14_body_cut(victim: Victim) -> None:
    """The body ends before its `Content-Length` (`truncated_body`).

    The load is `incomplete` without a row; the bytes that came are in the archive, marked as cut.
    """
    victim.is_refused("incomplete", INCOMPLETE)
    assert victim.load.rows_read_count == 0
    cut = {name: body for name, body in bodies(victim.way, victim.load.raw_path).items()
           if name.endswith(".cut.json")}  # fmt: skip
    assert len(cut) == 3  # tried three times, each kept
    assert all(body.startswith(b'{"PxgRetVal"') for body in cut.values())


@injected(fault("truncated_json"))
def test_f15_body_cut_where_it_is_still_json(victim: Victim) -> None:
    """Half the elements, valid JSON, and only the end of the connection ends it (`truncated_json`).

    The counts do not agree, so the load is `incomplete`, after three whole readings.
    """
    victim.is_refused("incomplete", INCOMPLETE)
    assert victim.load.hosts_path is None
    assert victim.methods.count("HostGroup.FindGroups") == 3


@injected(fault("html"))
def test_f16_html_page(victim: Victim, aftermath: Aftermath) -> None:
    """200 with the login page of something in between (`html`).

    The load is `protocol` and is not tried again; neither text nor log quotes the page, which is
    in the archive as it came.
    """
    victim.is_refused("protocol")
    assert "một trang HTML" in str(victim.load.fault_text)
    assert victim.waits == ()
    assert "<" not in str(victim.load.fault_text)
    assert "<html" not in aftermath.log.lower()
    kept = bodies(victim.way, victim.load.raw_path)
    assert any(body.startswith(b"<!DOCTYPE html>") for body in kept.values())


@injected(fault("pxg_error", 2), fault("pxg_error", 2, count=1))
def test_f17_business_error(victims: list[Victim]) -> None:
    """200 with a `PxgError` instead of the second chunk (`pxg_error`), for ever and once.

    For ever: the load is refused as `server_error`, with module, number and message of the server.
    Once: the set is read anew.
    """
    for_ever, once = victims
    for_ever.is_refused("server_error", INCOMPLETE)
    assert "KLSTD 9007" in str(for_ever.load.fault_text)
    assert "STDE_UNAVAIL" in str(for_ever.load.fault_text)
    once.is_landed_whole()


@injected(
    fault("slow_loris", 0.02, budget=impatient(read_seconds=1, call_seconds=0.5, server_seconds=5))
)
def test_f18_slow_loris(victim: Victim) -> None:
    """One byte at a time, each within the time for a read (`slow_loris`).

    The call ends by the clock on the wall (120 seconds where nothing else is set); the load is
    `unreachable`, and the server can be asked again at once: no lease is left behind.
    """
    assert Budget().call_seconds == 120
    victim.is_refused("unreachable")
    assert victim.seconds < 5
    victim.way.simulator.clear_faults(victim.code)
    assert victim.way.collect_one(AFTER + timedelta(minutes=1), victim.code).fault_code is None


@injected(fault("gzip_bomb", 256), fault("huge_body", 256))
def test_f19_body_without_end(victims: list[Victim]) -> None:
    """A small gzip body that unpacks to 256 MiB, and a body of that length (`gzip_bomb`,
    `huge_body`).

    Refused as `protocol` at 64 MiB, as sent and as unpacked, with less than 300 MB of memory.
    """
    assert Budget().max_body_bytes == 64 * 1024 * 1024
    for victim in victims:
        victim.is_refused("protocol")
        assert "lớn quá giới hạn 67108864 byte" in str(victim.load.fault_text)
        tracemalloc.start()
        victim.way.collect_one(AFTER + timedelta(minutes=1), victim.code)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 300e6


@injected(
    fault("deep_json"),
    fault("json_nan"),
    fault("json_overflow"),
    fault("json_duplicate_keys"),
    fault("json_long_integer"),
)
def test_f20_json_that_is_none(victims: list[Victim]) -> None:
    """100,000 levels, `NaN`, `1e999`, a name twice, 23 digits (`deep_json`, `json_nan`,
    `json_overflow`, `json_duplicate_keys`, `json_long_integer`).

    What two readers could read differently is refused as `protocol`; digits without end, where
    nobody asks for them, do no harm.
    """
    for victim in victims[:4]:
        victim.is_refused("protocol")
        assert victim.waits == ()
    victims[4].is_landed_whole()


# -- sets that do not add up --------------------------------------------------------------------


@injected(fault("count_mismatch"))
def test_f21_one_machine_fewer_than_counted(victim: Victim) -> None:
    """The server counts 40 devices and hands out 39 (`count_mismatch`).

    The load is `incomplete` and says both numbers; no row of it counts.
    """
    victim.is_refused("incomplete", INCOMPLETE)
    assert (victim.load.rows_expected_count, victim.load.rows_read_count) == (40, 39)
    assert "báo có 40 bản ghi nhưng chỉ trả về 39" in str(victim.load.fault_text)


@injected(fault("duplicate_host"), fault("duplicate_host", count=1))
def test_f22_machine_on_both_sides_of_a_chunk_boundary(victims: list[Victim]) -> None:
    """A chunk begins with the last device of the one before (`duplicate_host`), for ever and once.

    The set is read anew; if it stays so for three readings the load is `incomplete`. It is never
    made right by dropping a row: where one device stands twice, another one is missing.
    """
    for_ever, once = victims
    for_ever.is_refused("incomplete", INCOMPLETE)
    assert for_ever.methods.count(FIND) == 3
    once.is_landed_whole()
    assert once.methods.count(FIND) == 2


NEWCOMER_AT = AFTER + timedelta(minutes=30)


@injected(
    Fault(
        machines=lambda number: [
            *machines(number),
            host(
                f"NV{number:02d}-MOI",
                server_code=f"mau_h{number:02d}",
                group_path=HOME_AFFAIRS,
                from_at=NEWCOMER_AT.isoformat(),
            ),
        ]
    )
)
def test_f23_machine_added_while_paging(victim: Victim) -> None:
    """A device appears between two chunks (the estate's clock moves while a set is read).

    The snapshot is the set as it was found: whole, and without the newcomer, who is in the next.
    """
    way, rows = victim.way, _Rows()
    endpoint = way.endpoint(victim.code)

    class MovesTheClock(_Rows):
        def write(self, rows: Sequence[msgspec.Raw]) -> None:
            way.simulator.set_clock(NEWCOMER_AT)
            super().write(rows)

    try:
        with KscClient(endpoint, victim.fault.budget, chunk_size=25) as client:
            moving = MovesTheClock()
            found = client.hosts(moving)
            assert (found.expected, found.read, len(moving.ids)) == (40, 40, 40)
            assert client.hosts(rows).read == 41
    finally:
        way.simulator.set_clock(AFTER)
    assert set(rows.ids) - set(moving.ids) == {host_id_of(f"NV{victim.number:02d}-MOI")}


class _Rows:
    """A sink that keeps the ids."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def begin(self, expected: int) -> None:
        self.ids = []

    def write(self, rows: Sequence[msgspec.Raw]) -> None:
        self.ids += [msgspec.json.decode(row)["KLHST_WKS_HOSTNAME"] for row in rows]


@injected(fault("oversized_chunk"), fault("empty_chunks"))
def test_f24_chunks_larger_than_asked_or_empty_for_ever(victims: list[Victim]) -> None:
    """One element more than asked for; no element, for ever (`oversized_chunk`, `empty_chunks`).

    `protocol`, at the first such chunk: no loop.
    """
    for victim in victims:
        victim.is_refused("protocol")
        assert victim.methods.count(CHUNK) <= 2  # one of the groups, one of the devices


# -- sets that are whole and strange ------------------------------------------------------------


@injected(fault("zero_hosts"), fault("zero_hosts", count=1))
def test_f25_no_machine_at_all(victims: list[Victim]) -> None:
    """A server with 40 devices says that it has none (`zero_hosts`), for ever and once.

    It is asked twice. Twice none: the load is `suspicious` and not landed as truth. None only at
    first: landed as usual.
    """
    for_ever, once = victims
    for_ever.is_refused("suspicious", INCOMPLETE)
    assert for_ever.methods.count(FIND) == 2
    once.is_landed_whole()
    assert once.methods.count(FIND) == 2


@injected(fault("host_drop", 40))
def test_f26_sudden_drop(victim: Victim) -> None:
    """40 % of the devices are gone from one hour to the next (`host_drop`).

    Landed, for it may be true, but flagged: the rule `ksc_hosts.row_count_drop` warns, and the
    unit's figure says that it has not passed its gate.
    """
    victim.is_landed()
    assert victim.load.rows_read_count == 24
    drop = victim.verdicts()["ksc_hosts.row_count_drop"]
    assert (drop["severity"], drop["is_success"], drop["unexpected_count"]) == ("warn", False, 1)
    assert (victim.before["has_passed_gate"], victim.after["has_passed_gate"]) == (True, False)


@injected(
    fault("field_missing", "KLHST_WKS_STATUS"),
    fault("field_missing", "KLHST_WKS_DN"),
    fault("field_missing", "KLHST_WKS_HOSTNAME"),
    fault("field_missing", "KLHST_WKS_RTP_STATE"),
)
def test_f27_attribute_missing(victims: list[Victim]) -> None:
    """No device has an attribute any more (`field_missing`).

    An attribute on which figures rest (status, name, id): the load is refused and names it, nothing
    is filled in. Any other one: landed, and its absence is recorded as drift.
    """
    status, name, identity, protection = victims
    status.is_refused("protocol", REJECTED)
    assert "KLHST_WKS_STATUS" in str(status.load.fault_text)
    name.is_refused("protocol", REJECTED)
    assert "KLHST_WKS_DN" in str(name.load.fault_text)
    identity.is_refused("protocol")
    assert "KLHST_WKS_HOSTNAME" in str(identity.load.fault_text)
    protection.is_landed()
    drift = protection.verdicts()["missing.KLHST_WKS_RTP_STATE"]
    assert (drift["severity"], drift["is_success"], drift["unexpected_count"]) == (
        "warn",
        False,
        40,
    )


@injected(fault("field_new", "KLHST_WKS_NEW_FIELD"))
def test_f28_attribute_nobody_asked_for(victim: Victim) -> None:
    """Every device has an attribute that nobody asked for (`field_new`).

    Landed; the attribute is kept as it came, and recorded as drift, once: with the load in which it
    was first seen.
    """
    victim.is_landed_whole()
    drift = victim.verdicts()["new.KLHST_WKS_NEW_FIELD"]
    assert (drift["severity"], drift["is_success"], drift["unexpected_count"]) == (
        "warn",
        False,
        40,
    )
    with zstandard.open(victim.way.settings.home / str(victim.load.hosts_path), "rt") as lines:
        assert all('"KLHST_WKS_NEW_FIELD":"new"' in line for line in lines)
    victim.way.simulator.set_clock(AFTER)
    later = victim.way.collect_one(AFTER + timedelta(minutes=1), victim.code)
    assert (later.drift, later.verdicts) == ({"new.KLHST_WKS_NEW_FIELD": 40}, ())


@injected(
    fault("field_retyped", "KLHST_WKS_STATUS"), fault("field_retyped", "KLHST_WKS_NAG_VERSION")
)
def test_f29_attribute_of_another_type(victims: list[Victim]) -> None:
    """A number becomes a text, a text a number (`field_retyped`).

    Where it cannot be read as what it was, the load is refused and names the attribute; where it
    can, it is landed and recorded as drift.
    """
    status, version = victims
    status.is_refused("protocol", REJECTED)
    assert "KLHST_WKS_STATUS" in str(status.load.fault_text)
    version.is_landed_whole()
    assert version.verdicts()["retyped.KLHST_WKS_NAG_VERSION"]["is_success"] is False


# -- the estate itself ----------------------------------------------------------------------------


def _upgraded(code: str) -> list[Row]:
    old = server(code, PROVINCE, version="13.2.0.1511", to_at=AFTER.isoformat())
    return [old, server(code, PROVINCE, version="15.1.0.20748", from_at=AFTER.isoformat())]


@injected(Fault(servers=_upgraded))
def test_f30_server_upgraded_in_the_middle_of_the_day(victim: Victim) -> None:
    """The server has another version than an hour ago (its row in estate/servers.csv).

    Both versions are recorded, each with its load; the server's row shows the newer one.
    """
    victim.is_landed_whole()
    assert (victim.earlier.product_version, victim.load.product_version) == (
        "13.2.0.1511",
        "15.1.0.20748",
    )
    (row,) = victim.way.query(
        "select product_version from marts.dim_server where server_code = ?", [victim.code]
    )
    assert row["product_version"] == "15.1.0.20748"


def _with_a_traveller(last_connected: str) -> Any:
    """A machine whose record two consoles hold; the one it last reported to has it."""
    return lambda number: [
        *machines(number),
        host(
            "NV99-LUUDONG",
            server_code=f"mau_h{number:02d}",
            group_path=HOME_AFFAIRS,
            last_connected=last_connected,
            from_at=AFTER.isoformat(),
        ),
    ]


@injected(Fault(machines=_with_a_traveller("-3d")), Fault(machines=_with_a_traveller("-10m")))
def test_f31_machine_in_two_consoles(victims: list[Victim]) -> None:
    """The same device lies in the databases of two servers (two rows of estate/hosts).

    It counts once, where it reported last; both sightings are kept, the other as a duplicate.
    """
    left, arrived = victims
    for victim in victims:
        victim.is_landed()
    assert left.after["installed_count"] == left.before["installed_count"]
    assert left.after["duplicate_count"] == left.before["duplicate_count"] + 1
    assert arrived.after["installed_count"] == arrived.before["installed_count"] + 1
    sightings = arrived.way.named(
        "select server_code, is_counted, duplicate_kind from marts.fct_endpoint_sighting"
        " where endpoint_id = ? order by server_code",
        [host_id_of("NV99-LUUDONG")],
    )
    assert sightings == [
        {"server_code": left.code, "is_counted": False, "duplicate_kind": "other_server"},
        {"server_code": arrived.code, "is_counted": True, "duplicate_kind": None},
    ]


def _renamed_and_reimaged(number: int) -> list[Row]:
    """The first machine gets another name, the second another id and keeps its name."""
    ends, begins = {"to_at": AFTER.isoformat()}, {"from_at": AFTER.isoformat()}
    first, second, *others = machines(number)
    return [
        first | ends,
        first | begins | {"display_name": f"NV{number:02d}-MOI"},
        second | ends,
        second | begins | {"host_id": host_id_of("anew" + second["host_id"])},
        *others,
    ]


@injected(Fault(machines=_renamed_and_reimaged))
def test_f32_machine_renamed_machine_installed_anew(victim: Victim) -> None:
    """One device has another name, another device has its name and a new id (rows of estate/hosts).

    The renamed one stays the same endpoint with its first instant; the re-imaged one is a new
    endpoint, the old one ends; the counts do not move.
    """
    victim.is_landed_whole()
    now = victim.endpoints()
    renamed = now[f"NV{victim.number:02d}-MOI"]
    assert renamed["endpoint_id"] == host_id_of(machine_name(victim.number, 1))
    assert renamed["first_seen_at"] == BEFORE
    anew = now[machine_name(victim.number, 2)]
    assert anew["endpoint_id"] != host_id_of(machine_name(victim.number, 2))
    assert anew["first_seen_at"] == AFTER
    spells = victim.way.query(
        "select valid_from_at, valid_to_at from marts.fct_endpoint_state where endpoint_id = ?",
        [host_id_of(machine_name(victim.number, 2))],
    )
    assert spells == [{"valid_from_at": BEFORE, "valid_to_at": AFTER}]


def _fourteen_in_an_office_of_ten(number: int) -> list[Row]:
    """Four more machines than seats from 09:00 on; ten seats are in provinces.write_registry."""
    kept = [row for row in machines(number) if row["antivirus_version"]][:10]
    more = [
        host(
            f"NV{number:02d}-THEM{place}",
            server_code=f"mau_h{number:02d}",
            from_at=AFTER.isoformat(),
        )
        for place in range(4)
    ]
    return [row | {"group_path": HOME_AFFAIRS} for row in [*kept, *more]]


@injected(Fault(machines=_fourteen_in_an_office_of_ten))
def test_f33_more_machines_than_seats(victim: Victim) -> None:
    """14 machines where 10 seats are held (rows of estate/hosts).

    Seats and machines are two facts and both are shown as they are: 10 allocated, 14 installed, 4
    over; neither is corrected to fit the other.
    """
    victim.is_landed()
    office = f"{victim.code}_pnv"
    figure = victim.way.figure(office, DAY)
    assert (figure["allocated_count"], figure["installed_count"]) == (10, 14)
    assert (figure["gap_count"], figure["over_count"], figure["net_gap_count"]) == (0, 4, -4)


def _with_impossible_instants(number: int) -> list[Row]:
    """From 09:00 on one machine has reported in 2099 and one in 1601."""
    first, second, *others = machines(number)
    ends, begins = {"to_at": AFTER.isoformat()}, {"from_at": AFTER.isoformat()}
    future, past = "2099-01-01T00:00:00+00:00", "1601-01-01T00:00:00+00:00"
    return [
        first | ends,
        first | begins | {"last_connected": future, "last_visible": future, "bases": future},
        second | ends,
        second | begins | {"last_connected": past, "last_visible": past, "bases": past},
        *others,
    ]


def _silent_for_days(days: int) -> Any:
    """The first machine has been silent for some days, by the server's own clock."""

    def rows(number: int) -> list[Row]:
        first, *others = machines(number)
        return [first | {"last_connected": f"-{days}d", "last_visible": f"-{days}d"}, *others]

    return rows


@injected(
    fault("clock_skew", 3 * 3600),
    fault("clock_skew", -86_400),
    Fault(machines=_with_impossible_instants),
    # 12/10/2022 is a Wednesday: the seventh working day before it is Monday the third.
    fault("clock_skew", 5 * 86_400, machines=_silent_for_days(14)),
)
def test_f34_wrong_clocks(victims: list[Victim]) -> None:
    """The server's clock is 3 hours fast or a day slow (`clock_skew`); devices that reported in 2099
    or in 1601 (rows of estate/hosts).

    The skew is measured and warned of; ages are counted on the server's own clock, so that nobody
    becomes stale or fresh by it; an instant in the future is unknown and never fresh.
    """
    fast, slow, impossible, silent = victims
    for victim, skew in ((fast, 3 * 3600), (slow, -86_400)):
        victim.is_landed()
        assert victim.load.clock_skew_seconds == skew
        assert victim.verdicts()["ksc_hosts.clock_skew"]["is_success"] is False
        assert victim.after["stale_count"] == victim.before["stale_count"]
        assert victim.verdicts()["last_connected_at.not_future"]["is_success"] is True
    impossible.is_landed()
    assert impossible.verdicts()["last_connected_at.not_future"]["unexpected_count"] == 1
    now = impossible.endpoints()
    for place in (1, 2):
        machine = now[machine_name(impossible.number, place)]
        assert machine["is_stale"] is True, place
        assert machine["has_old_bases"] is True, place
    assert impossible.after["stale_count"] == impossible.before["stale_count"] + 2
    assert silent.before["stale_count"] == silent.after["stale_count"] == 1


@injected(Fault())
def test_f35_our_own_clock_jumps(victim: Victim) -> None:
    """Our clock jumps a day ahead and back while a server is read (a clock given to the attempt).

    Time limits do not follow it: the load is whole and dated by its beginning. A load that looks
    older than one before it changes nothing that is newer.
    """
    way = victim.way
    jumping = _Jumping(AFTER + timedelta(minutes=1))
    way.simulator.set_clock(AFTER)
    load = way.collect_one(AFTER + timedelta(minutes=1), victim.code, clock=jumping)
    assert load.status is LoadStatus.COMPLETE
    assert load.observed_at == AFTER + timedelta(minutes=1)
    assert jumping.looks > 2
    back = way.collect_one(BEFORE - timedelta(hours=1), victim.code)
    way.gate([load], AFTER)
    way.gate([back], AFTER)
    report = way.build(AFTER + timedelta(minutes=2))
    assert back.load_id in report.refused
    assert load.load_id in report.applied
    way.publish(AFTER + timedelta(minutes=2))
    figure = way.figure(victim.code, DAY)
    assert figure["oldest_observed_at"] == AFTER + timedelta(minutes=1)
    assert figure["installed_count"] == victim.before["installed_count"]


class _Jumping:
    """A clock that goes well until the attempt has begun, then is a day ahead, then a day behind."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self.looks = 0

    def now(self) -> datetime:
        self.looks += 1
        days = {1: 0, 2: 0, 3: 1}.get(self.looks, -1)
        return self._at + timedelta(days=days)


def test_no_secret_is_in_the_log_of_all_this(aftermath: Aftermath) -> None:
    for victim in [*aftermath.well, *(one for own in aftermath.victims.values() for one in own)]:
        endpoint = aftermath.way.endpoint(victim.code)
        for form in (endpoint.password, endpoint.authorization()):
            assert form not in aftermath.log
