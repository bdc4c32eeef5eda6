"""Keys, detections, hardware and programs: whole or not at all, whatever the protocol calls them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.sources.client import KscClient, Limits
from ksc_ledger.sources.faults import NotOffered
from unit.sources.scripted import (
    PXG_NOT_FOUND,
    QUICK,
    SERVER_DATE,
    Identity,
    Request,
    Scripted,
    ScriptedKsc,
    at,
    device,
    event,
    hang_up,
    host,
    in_turn,
    key,
    key_host,
    ok,
    program,
    reply,
    wrapped,
)

SINCE = SERVER_DATE - timedelta(days=30)
SERIAL = "2B1E-231013"
LOGIN = "Session.StartSession"
ENUM_KEYS = "LicenseKeys.EnumKeys"
KEY_HOSTS = "LicenseKeys.AcquireKeyHosts"
NEXT_ITEMS = "GroupSyncIterator.GetNextItems"
CREATE = "EventProcessingFactory.CreateEventProcessing2"
EVENT_COUNT = "EventProcessing.GetRecordCount"
EVENT_RANGE = "EventProcessing.GetRecordRange"
VIEW = "SrvView.ResetIterator"
VIEW_RANGE = "SrvView.GetRecordRange"
PRODUCTS = "InventoryApi.GetHostInvProducts"


class Sink:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.expected: int | None = None
        self.writes = 0

    def begin(self, expected: int) -> None:
        self.expected = expected
        self.rows = []

    def write(self, rows: Sequence[msgspec.Raw]) -> None:
        self.writes += 1
        for row in rows:
            assert b"\n" not in bytes(row)
            self.rows.append(json.loads(bytes(row)))


@pytest.fixture
def server(identity: Identity) -> Iterator[ScriptedKsc]:
    with ScriptedKsc(identity) as scripted:
        yield scripted


def client_of(server: ScriptedKsc, chunk_size: int = 25) -> KscClient:
    return KscClient(
        server.endpoint(),
        QUICK,
        now=lambda: SERVER_DATE,
        chunk_size=chunk_size,
        sleep=lambda _: None,
    )


def ids(rows: Sequence[dict[str, Any]], name: str = "event_db_id") -> list[int]:
    return [row[name]["value"] for row in rows]


# --- licence keys ---


def test_keys_come_as_the_server_typed_them(server: ScriptedKsc) -> None:
    server.keys = [key("A"), key("B", KLLIC_NHOSTS_ASCURRENT=7)]
    sink = Sink()
    with client_of(server) as client:
        assert client.licence_keys(sink) == ["A", "B"]
    assert (sink.rows, sink.expected) == (server.keys, 2)
    assert server.methods() == [
        LOGIN,
        ENUM_KEYS,
        NEXT_ITEMS,
        "GroupSyncIterator.ReleaseIterator",
        "Session.EndSession",
    ]
    question = server.requests[1].arguments
    assert question["pOptions"] == {"KLLICSRV_ENOPT_INSTALLED_ONLY": False}
    assert "KLLICSRV_KEYDATA" not in question["pFields"]


def test_a_server_without_keys_is_an_answer(server: ScriptedKsc) -> None:
    sink = Sink()
    with client_of(server) as client:
        assert client.licence_keys(sink) == []
        assert client.licence_hosts([], sink) == 0
    assert (sink.rows, sink.expected) == ([], 0)
    assert server.asked(KEY_HOSTS) == 0


def test_the_devices_of_each_key_carry_its_serial_first(server: ScriptedKsc) -> None:
    server.key_hosts = {"A": [key_host(1), key_host(2)], 'B"\\': [key_host(1)]}
    sink = Sink()
    with client_of(server) as client:
        assert client.licence_hosts(["A", 'B"\\', "C"], sink) == 3
    assert sink.rows == [
        {"licence_serial": "A", **key_host(1)},
        {"licence_serial": "A", **key_host(2)},
        {"licence_serial": 'B"\\', **key_host(1)},
    ]
    assert [next(iter(row)) for row in sink.rows] == ["licence_serial"] * 3
    assert (sink.expected, server.asked(KEY_HOSTS)) == (3, 3)


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (1, 1), (199, 1), (200, 2), (201, 2)])
def test_a_short_page_is_the_end_whatever_the_end_mark_says(
    server: ScriptedKsc, count: int, pages: int
) -> None:
    server.keys = [key(f"K{number}") for number in range(count)]
    with client_of(server) as client:
        assert len(client.licence_keys(Sink())) == count
    assert server.asked(NEXT_ITEMS) == pages


@pytest.mark.parametrize("at_most", [1, 50, 199])
def test_a_server_that_gives_fewer_than_asked_is_asked_on_until_all_have_come(
    server: ScriptedKsc, at_most: int
) -> None:
    server.keys = [key(f"K{number}") for number in range(201)]

    def sparing(request: Request) -> Scripted:
        capped = {**request.arguments, "nCount": at_most}
        return server.behave(Request(request.path, request.headers, capped))

    server.on[NEXT_ITEMS] = sparing
    with client_of(server) as client:
        assert len(client.licence_keys(Sink())) == 201


def test_without_an_announced_number_the_first_short_page_is_the_end(server: ScriptedKsc) -> None:
    server.keys = [key("A")]
    server.on[ENUM_KEYS] = lambda _: ok({"wstrIterator": server.keep([*server.keys])})
    with client_of(server) as client:
        assert client.licence_keys(Sink()) == ["A"]
    assert server.asked(NEXT_ITEMS) == 1


@pytest.mark.parametrize("announced", [1, 3, 400])
def test_a_number_that_does_not_hold_is_read_thrice_and_then_incomplete(
    server: ScriptedKsc, announced: int
) -> None:
    server.keys = [key("A"), key("B")]
    server.on[ENUM_KEYS] = lambda _: ok(
        {"lKeyCount": announced, "wstrIterator": server.keep([*server.keys])}
    )
    sink = Sink()
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.licence_keys(sink)
    assert caught.value.fault_code is FaultCode.INCOMPLETE
    assert (server.asked(ENUM_KEYS), sink.writes) == (3, 0)
    assert server.asked("GroupSyncIterator.ReleaseIterator") == 3


@pytest.mark.parametrize("lost", [hang_up, lambda _: reply(500)], ids=["dropped", "500"])
def test_a_lost_page_of_an_iterator_means_a_new_iterator(server: ScriptedKsc, lost: Any) -> None:
    """What it has handed out it does not hand out again: asking again would skip the page."""
    server.keys = [key(f"K{number}") for number in range(250)]

    def taken_and_lost(request: Request) -> Scripted:
        server.behave(request)
        return lost(request)

    server.on[NEXT_ITEMS] = in_turn(taken_and_lost, server.behave)
    with client_of(server) as client:
        assert len(client.licence_keys(Sink())) == 250
    assert (server.asked(ENUM_KEYS), server.asked(NEXT_ITEMS)) == (2, 3)


def test_a_busy_server_is_asked_for_the_same_page_again(server: ScriptedKsc) -> None:
    server.keys = [key("A")]
    server.on[NEXT_ITEMS] = in_turn(reply(503, Retry_After="1"), server.behave)
    with client_of(server) as client:
        assert client.licence_keys(Sink()) == ["A"]
    assert (server.asked(ENUM_KEYS), server.asked(NEXT_ITEMS)) == (1, 2)


def test_a_session_lost_inside_an_iterator_costs_one_login_and_a_new_iterator(
    server: ScriptedKsc,
) -> None:
    server.keys = [key("A")]
    server.on[NEXT_ITEMS] = in_turn(reply(403), server.behave)
    with client_of(server) as client:
        assert client.licence_keys(Sink()) == ["A"]
    assert (server.asked(LOGIN), server.asked(ENUM_KEYS)) == (2, 2)


@pytest.mark.parametrize(
    "answer",
    [
        {"lKeyCount": 1},
        {"lKeyCount": "1", "wstrIterator": "i"},
        {"lKeyCount": -1, "wstrIterator": "i"},
        {"lKeyCount": 1, "wstrIterator": ""},
    ],
    ids=str,
)
def test_an_iterator_without_an_id_or_with_a_wrong_number_is_not_the_protocol(
    server: ScriptedKsc, answer: Any
) -> None:
    server.on[ENUM_KEYS] = lambda _: ok(answer)
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.licence_keys(Sink())
    assert caught.value.fault_code is FaultCode.PROTOCOL


@pytest.mark.parametrize(
    ("page", "code"),
    [
        ({"PxgRetVal": 2, "pData": {"KLCSP_ITERATOR_ARRAY": wrapped([key()])}}, "incomplete"),
        ({"PxgRetVal": 1, "pData": {"KLCSP_ITERATOR_ARRAY": wrapped([{}])}}, "protocol"),
        ({"PxgRetVal": 201, "pData": {"KLCSP_ITERATOR_ARRAY": wrapped([key()] * 201)}}, "protocol"),
        ({"PxgRetVal": 1, "pData": {"KLCSP_ITERATOR_ARRAY": 5}}, "protocol"),
        (PXG_NOT_FOUND, "server_error"),
    ],
    ids=["miscounted", "without a serial", "more than asked", "no list", "gone"],
)
def test_a_bad_page_of_an_iterator_is_a_fault(server: ScriptedKsc, page: Any, code: str) -> None:
    server.keys = [key()]
    server.on[NEXT_ITEMS] = lambda _: ok(page)
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.licence_keys(Sink())
    assert caught.value.code == code
    assert not isinstance(caught.value, NotOffered)


# --- detections ---


def test_events_come_as_the_server_typed_them_in_ranges(server: ScriptedKsc) -> None:
    server.events = [event(number) for number in range(60)]
    sink = Sink()
    with client_of(server) as client:
        read = client.detections(SINCE, sink)
    assert (sink.rows, sink.expected, read.read) == (server.events, 60, 60)
    assert read.newest_registered_at == datetime(2023, 10, 19, 8, 59, tzinfo=UTC)
    asked = [one.arguments for one in server.requests if one.method == EVENT_RANGE]
    assert [(one["nStart"], one["nEnd"]) for one in asked] == [(0, 25), (25, 50), (50, 75)]
    assert server.methods()[-2:] == ["EventProcessing.ReleaseIterator", "Session.EndSession"]


def test_general_events_are_asked_for_by_their_time_at_the_server(server: ScriptedKsc) -> None:
    """Left out by default; and a device may report long after the thing happened."""
    since = datetime.fromisoformat("2023-10-19T08:00:00+07:00")
    with client_of(server) as client:
        read = client.detections(since, Sink())
    assert (read.read, read.newest_registered_at) == (0, None)
    question = next(one for one in server.requests if one.method == CREATE).arguments
    wanted = question["pFilter"]
    assert wanted["EVP_INCL_GNRL_EVENTS"] is True
    assert wanted["KLEVP_RFC2254_FILTER"] == '(registration_time>T"2023-10-19 01:00:00")'
    kinds = wanted["KLEVP_EVENT_GNRL_TYPES_ARRAY"]
    assert {"GNRL_EV_VIRUS_FOUND", "GNRL_EV_OBJECT_NOTCURED"} <= {*kinds}
    assert question["vecFieldsToOrder"] == [
        {"type": "params", "value": {"Name": "event_db_id", "Asc": True}}
    ]


def test_nobody_asks_who_was_logged_in(server: ScriptedKsc) -> None:
    with client_of(server) as client:
        client.detections(SINCE, Sink())
    question = next(one for one in server.requests if one.method == CREATE).arguments
    assert "GNRL_EA_PARAM_7" not in question["vecFieldsToReturn"]


@pytest.mark.parametrize("is_end_included", [False, True])
@pytest.mark.parametrize("count", [0, 1, 24, 25, 26, 27, 51, 52, 53, 60])
def test_no_event_is_lost_or_doubled_however_the_end_of_a_range_is_meant(
    server: ScriptedKsc, count: int, is_end_included: bool
) -> None:
    server.events = [event(number) for number in range(count)]
    server.is_end_included = is_end_included
    sink = Sink()
    with client_of(server) as client:
        assert client.detections(SINCE, sink).read == count
    assert sink.rows == server.events


def test_an_event_met_twice_is_one_row(server: ScriptedKsc) -> None:
    """As many different ones as were counted must have come all the same."""
    server.events = [event(number) for number in range(30)]
    sink = Sink()

    def overlapping(request: Request) -> Scripted:
        start = max(0, request.arguments["nStart"] - 5)
        rows = wrapped(server.events[start : start + 20])
        return ok({"pParamsEvents": {"KLEVP_EVENT_RANGE_ARRAY": rows}})

    server.on[EVENT_RANGE] = overlapping
    server.on[EVENT_COUNT] = lambda _: ok({"PxgRetVal": 30})
    with client_of(server) as client:
        read = client.detections(SINCE, sink)
    assert (sink.rows, read.read) == (server.events, 30)


def test_events_missing_from_the_counted_ones_are_a_fault(server: ScriptedKsc) -> None:
    server.events = [event(number % 20) for number in range(30)]
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.detections(SINCE, Sink())
    assert caught.value.fault_code is FaultCode.INCOMPLETE
    assert server.asked(CREATE) == 3


def test_events_registered_meanwhile_are_left_for_the_next_time(server: ScriptedKsc) -> None:
    server.events = [event(number) for number in range(30)]

    def growing(request: Request) -> Scripted:
        answer = server.behave(request)
        server.events.append(event(len(server.events)))
        return answer

    server.on[EVENT_RANGE] = growing
    sink = Sink()
    with client_of(server) as client:
        read = client.detections(SINCE, sink)
    assert read.read >= 30
    assert ids(sink.rows)[:30] == ids(server.events)[:30]
    assert server.asked(CREATE) == 1


def test_events_deleted_meanwhile_moved_the_rest_so_it_is_read_anew(server: ScriptedKsc) -> None:
    server.events = [event(number) for number in range(60)]

    def rolling_over(request: Request) -> Scripted:
        answer = server.behave(request)
        del server.events[:3]
        return answer

    server.on[EVENT_RANGE] = in_turn(rolling_over, server.behave)
    sink = Sink()
    with client_of(server) as client:
        assert client.detections(SINCE, sink).read == 57
    assert sink.rows == server.events
    assert server.asked(CREATE) == 2


def test_the_newest_is_by_instant_and_not_by_order(server: ScriptedKsc) -> None:
    server.events = [event(3), event(9), event(5), event(1, registration_time=at(""))]
    del server.events[2]["registration_time"]
    with client_of(server) as client:
        read = client.detections(SINCE, Sink())
    assert read.newest_registered_at == datetime(2023, 10, 19, 8, 9, tzinfo=UTC)


def test_the_newest_of_a_lost_set_does_not_count(server: ScriptedKsc) -> None:
    server.events = [event(9)]

    def lost(request: Request) -> Scripted:
        answer = server.behave(request)
        server.events[:] = [event(3)]
        return answer

    server.on[EVENT_COUNT] = in_turn(server.behave, lambda _: ok({"PxgRetVal": 0}), server.behave)
    server.on[EVENT_RANGE] = in_turn(lost, server.behave)
    with client_of(server) as client:
        read = client.detections(SINCE, Sink())
    assert read.newest_registered_at == datetime(2023, 10, 19, 8, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    "stamp", [at("yesterday"), at("2023-10-19T08:00:00.5Z"), 5, {"type": "datetime", "value": 5}]
)
def test_a_stamp_that_is_no_instant_is_not_the_protocol(server: ScriptedKsc, stamp: Any) -> None:
    server.events = [event(1, registration_time=stamp)]
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.detections(SINCE, Sink())
    assert caught.value.fault_code is FaultCode.PROTOCOL


def test_events_written_another_way_give_the_same_rows(server: ScriptedKsc) -> None:
    server.events = [event(number) for number in range(3)]

    def printed(request: Request) -> Scripted:
        rows = {"pParamsEvents": {"KLEVP_EVENT_RANGE_ARRAY": wrapped(server.events)}}
        return ok(json.dumps({"PxgRetVal": 3, **rows}, indent=1).encode())

    server.on[EVENT_RANGE] = printed
    sink = Sink()
    with client_of(server) as client:
        client.detections(SINCE, sink)
    assert sink.rows == server.events


# --- hardware ---


def test_hardware_of_managed_devices_comes_whole(server: ScriptedKsc) -> None:
    server.hardware = [device(n, LastVisible=at("2023-10-20T01:55:02Z")) for n in range(60)]
    sink = Sink()
    with client_of(server) as client:
        assert client.hardware(sink).read == 60
    assert sink.rows == server.hardware
    question = next(one for one in server.requests if one.method == VIEW).arguments
    assert question["wstrViewName"] == "HWInvStorageSrvViewName"
    assert question["wstrFilter"] == "(Type=0)"
    assert "UserName" not in question["vecFieldsToReturn"]


@pytest.mark.parametrize("is_end_included", [False, True])
def test_hardware_is_whole_however_the_end_of_a_range_is_meant(
    server: ScriptedKsc, is_end_included: bool
) -> None:
    server.hardware = [device(number) for number in range(53)]
    server.is_end_included = is_end_included
    sink = Sink()
    with client_of(server) as client:
        client.hardware(sink)
    assert sink.rows == server.hardware


def test_a_device_that_stands_twice_in_a_view_is_a_fault(server: ScriptedKsc) -> None:
    server.hardware = [device(1), device(1)]
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.hardware(Sink())
    assert caught.value.fault_code is FaultCode.INCOMPLETE


def test_a_range_with_two_rows_too_many_is_not_the_protocol(server: ScriptedKsc) -> None:
    server.hardware = [device(number) for number in range(60)]
    rows = {"pRecords": {"KLCSP_ITERATOR_ARRAY": wrapped(server.hardware[:27])}}
    server.on[VIEW_RANGE] = lambda _: ok(rows)
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.hardware(Sink())
    assert caught.value.fault_code is FaultCode.PROTOCOL


# --- programs ---


def one_with(mask: Any, number: int) -> dict[str, Any]:
    return host(number, KLHST_WKS_STATUS_MASK=mask)


def test_only_devices_with_the_bit_of_an_incompatible_program_are_named(
    server: ScriptedKsc,
) -> None:
    server.hosts = [one_with(0, 1), one_with(4096, 2), one_with(4385, 3), one_with(8191 - 4096, 4)]
    with client_of(server) as client:
        named = client.incompatible_hosts()
    assert named == [server.hosts[1]["KLHST_WKS_HOSTNAME"], server.hosts[2]["KLHST_WKS_HOSTNAME"]]


def test_a_server_deaf_to_the_filter_does_not_make_every_device_a_suspect(
    server: ScriptedKsc,
) -> None:
    server.hosts = [one_with(0, 1), one_with({"type": "long", "value": 4096}, 2), host(3)]
    accessor = server.keep(server.hosts)
    server.on["HostGroup.FindHosts"] = lambda _: ok({"PxgRetVal": 3, "strAccessor": accessor})
    with client_of(server) as client:
        assert client.incompatible_hosts() == [server.hosts[1]["KLHST_WKS_HOSTNAME"]]


@pytest.mark.parametrize("array", ["GNRL_EA_PARAM_1", "KLEVP_EA_PARAM_1"])
def test_programs_on_the_vendors_list_are_kept_under_either_name_of_the_array(
    server: ScriptedKsc, array: str
) -> None:
    programs = [program("7-Zip"), program("Bkav Pro", cleaner="Bkav")]
    server.on[PRODUCTS] = lambda _: ok({"PxgRetVal": {array: wrapped(programs)}})
    sink = Sink()
    with client_of(server) as client:
        read = client.installed_products(["h1", "h2"], sink)
    assert (read.read, read.refused) == (2, 0)
    assert sink.rows == [
        {
            "endpoint_id": one,
            "ProductID": "a3c1",
            "DisplayName": "Bkav Pro",
            "DisplayVersion": "2022",
            "InstallDate": "20220817",
            "CleanerProductName": "Bkav",
        }
        for one in ("h1", "h2")
    ]
    asked = [one.arguments for one in server.requests if one.method == PRODUCTS]
    assert asked == [{"szwHostId": one, "pParams": {}} for one in ("h1", "h2")]


def test_a_device_without_an_inventory_has_no_programs(server: ScriptedKsc) -> None:
    server.on[PRODUCTS] = lambda _: ok({"PxgRetVal": {}})
    with client_of(server) as client:
        assert client.installed_products(["h1"], Sink()).read == 0


def test_nobody_is_asked_about_no_device(server: ScriptedKsc) -> None:
    sink = Sink()
    with client_of(server) as client:
        assert client.installed_products([], sink).read == 0
    assert (server.asked(PRODUCTS), sink.expected) == (0, 0)


def test_a_device_deleted_meanwhile_is_told_and_the_others_are_read(server: ScriptedKsc) -> None:
    server.inventory = {"h2": [program("Bkav Pro", cleaner="Bkav")]}
    server.on[PRODUCTS] = in_turn(ok(PXG_NOT_FOUND), server.behave)
    sink = Sink()
    with client_of(server) as client:
        read = client.installed_products(["h1", "h2"], sink)
    assert (read.read, read.refused) == (1, 1)
    assert [row["endpoint_id"] for row in sink.rows] == ["h2"]


@pytest.mark.parametrize(
    ("answer", "is_offered"), [(ok(PXG_NOT_FOUND), False), (reply(404), False), (reply(400), True)]
)
def test_a_question_refused_for_every_device_is_not_offered(
    server: ScriptedKsc, answer: Scripted, is_offered: bool
) -> None:
    server.on[PRODUCTS] = lambda _: answer
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.installed_products(["h1", "h2"], Sink())
    assert isinstance(caught.value, NotOffered) is not is_offered


@pytest.mark.parametrize(
    "value", [None, [], {"GNRL_EA_PARAM_1": 5}, {"GNRL_EA_PARAM_1": [{"DisplayName": "x"}]}]
)
def test_an_inventory_of_a_wrong_shape_is_not_the_protocol(server: ScriptedKsc, value: Any) -> None:
    server.on[PRODUCTS] = lambda _: ok({"PxgRetVal": value})
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.installed_products(["h1"], Sink())
    assert caught.value.fault_code is FaultCode.PROTOCOL


# --- thresholds ---


def test_the_limits_of_managed_devices_are_read(server: ScriptedKsc) -> None:
    server.on["HostGroup.GroupIdGroups"] = lambda _: ok({"PxgRetVal": 5})
    critical = {"KLSRV_HSTSTAT_MASK": 1965, "KLSRV_HSTSTAT_OLD_AV_BASES": 14, "X": True}
    server.on["HostGroup.GetGroupInfoEx"] = lambda _: ok(
        {"PxgRetVal": {"KLSRV_HSTSTAT_CRITICAL": {"type": "params", "value": critical}}}
    )
    with client_of(server) as client:
        found = client.thresholds()
    assert found.critical == Limits(mask=1965, bases_days=14)
    assert found.warning == Limits()
    assert server.requests[-2].arguments == {
        "nGroupId": 5,
        "pArrAttributes": ["KLSRV_HSTSTAT_CRITICAL", "KLSRV_HSTSTAT_WARNING"],
    }


@pytest.mark.parametrize("value", [None, "0", True, 1.5])
def test_a_group_without_an_id_is_not_the_protocol(server: ScriptedKsc, value: Any) -> None:
    server.on["HostGroup.GroupIdGroups"] = lambda _: ok({"PxgRetVal": value})
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        client.thresholds()
    assert caught.value.fault_code is FaultCode.PROTOCOL


# --- what a server does not offer ---

QUESTIONS = {
    ENUM_KEYS: lambda client: client.licence_keys(Sink()),
    KEY_HOSTS: lambda client: client.licence_hosts([SERIAL], Sink()),
    CREATE: lambda client: client.detections(SINCE, Sink()),
    VIEW: lambda client: client.hardware(Sink()),
    PRODUCTS: lambda client: client.installed_products(["h1"], Sink()),
    "HostGroup.FindHosts": lambda client: client.incompatible_hosts(),
    "HostGroup.GroupIdGroups": lambda client: client.thresholds(),
    "HostGroup.FindHostsAsync": lambda client: client.sweep(Sink()),
}


@pytest.mark.parametrize("method", QUESTIONS)
@pytest.mark.parametrize("answer", [reply(404), ok(PXG_NOT_FOUND)], ids=["404", "PxgError"])
def test_a_question_a_server_does_not_know_is_told_from_a_broken_one(
    server: ScriptedKsc, method: str, answer: Scripted
) -> None:
    server.on[method] = lambda _: answer
    with client_of(server) as client, pytest.raises(NotOffered) as caught:
        QUESTIONS[method](client)
    assert method in caught.value.text
    assert server.asked(method) == 1


@pytest.mark.parametrize("method", QUESTIONS)
@pytest.mark.parametrize(
    ("answer", "code"),
    [(ok(b"<html>"), "protocol"), (ok({}), "protocol"), (reply(500), "server_error")],
    ids=["html", "empty", "500"],
)
def test_a_question_that_breaks_is_not_taken_for_one_not_offered(
    server: ScriptedKsc, method: str, answer: Scripted, code: str
) -> None:
    server.on[method] = lambda _: answer
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        QUESTIONS[method](client)
    assert (caught.value.code, isinstance(caught.value, NotOffered)) == (code, False)


@pytest.mark.parametrize("method", QUESTIONS)
def test_a_missing_right_costs_one_login_and_is_no_wrong_password(
    server: ScriptedKsc, method: str
) -> None:
    server.on[method] = lambda _: reply(403)
    with client_of(server) as client, pytest.raises(SourceFault) as caught:
        QUESTIONS[method](client)
    assert caught.value.fault_code is FaultCode.SERVER_ERROR
    assert server.asked(LOGIN) == 2
