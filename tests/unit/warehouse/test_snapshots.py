"""From the wire's own types to the typed snapshot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse import snapshot_arrow, type_hosts, type_loads, wire_rows
from unit.warehouse.builders import SNAPSHOT, T0, settings_for


def wire(kind: str, value: object) -> dict[str, object]:
    return {"type": kind, "value": value}


def a_wire_host(**changed: Any) -> dict[str, Any]:
    """A host as the wire types it; a member given as None is left out."""
    host = {
        "KLHST_WKS_HOSTNAME": "8910f900-3807-4b97-8a97-d49e73ec5ab1",
        "KLHST_WKS_DN": "PNV-MAY01",
        "KLHST_WKS_WINHOSTNAME": "PNV-MAY01",
        "KLHST_WKS_DNSNAME": "pnv-may01",
        "KLHST_WKS_FQDN": "pnv-may01.huyen.example",
        "KLHST_WKS_GROUPID": 23,
        "name": "Phòng Nội vụ",
        "grp_full_name": "Managed devices/01. Phòng ban/Phòng Nội vụ",
        "KLHST_WKS_FROM_UNASSIGNED": False,
        "KLHST_WKS_STATUS": 31,
        "KLHST_WKS_STATUS_ID": 0,
        "KLHST_WKS_STATUS_MASK": 0,
        "KLHST_WKS_RTP_STATE": 4,
        "KLHST_WKS_RTP_AV_VERSION": "12.3.0.493",
        "KLHST_WKS_RTP_AV_BASES_TIME": wire("datetime", "2022-10-11T08:00:00Z"),
        "KLHST_WKS_NAG_VERSION": "14.0.0.10902",
        "KLHST_WKS_LAST_VISIBLE": wire("datetime", "2022-10-12T00:50:00Z"),
        "KLHST_WKS_LAST_NAGENT_CONNECTED": wire("datetime", "2022-10-12T00:55:00Z"),
        "KLHST_WKS_CREATED": wire("datetime", "2021-01-01T00:00:00Z"),
        "KLHST_WKS_OS_NAME": "Microsoft Windows 10",
        "KLHST_WKS_CTYPE": 1,
        "KLHST_WKS_IP_LONG": wire("long", 173278741),
        "KLHST_WKS_VIRUS_COUNT": wire("long", 0),
        "KLHST_WKS_UNCURED_COUNT": wire("long", 0),
    } | changed
    return {name: value for name, value in host.items() if value is not None}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_for(tmp_path)


def landed(
    settings: Settings,
    lines: Sequence[dict[str, Any] | str],
    groups: Sequence[dict[str, Any]] = (),
    hour: int = 1,
    **facts: Any,
) -> Load:
    """A load whose hosts lie where collection puts them."""

    def write(name: str, content: Sequence[object]) -> str:
        text = "".join(
            (line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n"
            for line in content
        )
        path = settings.home / "landing" / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(zstandard.compress(text.encode()))
        return str(path.relative_to(settings.home))

    given: dict[str, Any] = {"status": LoadStatus.COMPLETE, "rows_read_count": len(lines)}
    return Load(
        load_id=f"huyen-20221012T0{hour}0000Z-0123456789",
        estate_code="tinh",
        server_code="huyen",
        as_of_at=T0,
        observed_at=T0,
        collected_at=T0,
        hosts_path=write(f"{hour}.hosts.ndjson.zst", lines),
        groups_path=write(f"{hour}.groups.ndjson.zst", groups) if groups else None,
        **(given | facts),
    )


def rows(settings: Settings, *lines: dict[str, Any] | str, **facts: Any) -> list[dict[str, Any]]:
    load = landed(settings, lines, **facts)
    return snapshot_arrow(type_hosts(load, settings.places, settings)).to_pylist()


def test_every_column_has_the_type_and_order_of_the_contract(settings: Settings) -> None:
    load = landed(settings, [a_wire_host()])
    table = snapshot_arrow(type_hosts(load, settings.places, settings))
    # DuckDB 2 also says which columns hold no NULL; that is no part of the contract.
    assert [(one.name, one.type) for one in table.schema] == [
        (one.name, one.type) for one in SNAPSHOT
    ]


def test_wrapped_and_bare_values_become_ours(settings: Settings) -> None:
    (row,) = rows(settings, a_wire_host())
    assert row["endpoint_id"] == "8910f900-3807-4b97-8a97-d49e73ec5ab1"
    assert row["group_path"] == "01. Phòng ban/Phòng Nội vụ"
    assert row["status_bits"] == 31
    assert row["last_connected_at"] == datetime(2022, 10, 12, 0, 55, tzinfo=UTC)
    assert (row["ip_number"], row["virus_count"]) == (173278741, 0)
    assert (row["mac_address"], row["last_full_scan_at"]) == (None, None)


def test_absent_attributes_and_empty_instants_are_null(settings: Settings) -> None:
    (row,) = rows(
        settings,
        a_wire_host(
            KLHST_WKS_LAST_FULLSCAN=wire("datetime", ""),
            KLHST_WKS_LAST_VISIBLE=wire("datetime", None),
            KLHST_WKS_RTP_AV_VERSION=None,
            KLHST_WKS_CTYPE=None,
            KLHST_WKS_FROM_UNASSIGNED=None,
        ),
    )
    for column in ("last_full_scan_at", "last_visible_at", "antivirus_version"):
        assert row[column] is None
    assert (row["computer_type_bits"], row["is_unassigned"]) == (None, False)


def test_numbers_given_as_text_and_unwrapped_values_are_read(settings: Settings) -> None:
    (row,) = rows(
        settings,
        a_wire_host(
            KLHST_WKS_STATUS="29",
            KLHST_WKS_IP_LONG=wire("long", "173278742"),
            KLHST_WKS_VIRUS_COUNT=3,
            KLHST_WKS_LAST_VISIBLE="2022-10-12T00:51:00Z",
        ),
    )
    assert (row["status_bits"], row["ip_number"], row["virus_count"]) == (29, 173278742, 3)
    assert row["last_visible_at"] == datetime(2022, 10, 12, 0, 51, tzinfo=UTC)


@pytest.mark.parametrize(
    ("full_name", "path"),
    [
        ("Managed devices", ""),
        ("Managed devices/", ""),
        ("Thiết bị được quản lý/Xã Mỹ Quý", "Xã Mỹ Quý"),
        ("Managed devices/A/B/C", "A/B/C"),
    ],
)
def test_a_group_is_named_below_the_root_whatever_the_root_is_called(
    settings: Settings, full_name: str, path: str
) -> None:
    (row,) = rows(settings, a_wire_host(grp_full_name=full_name))
    assert row["group_path"] == path


def test_a_group_is_looked_up_by_its_id_when_the_host_does_not_tell(settings: Settings) -> None:
    groups = [{"id": 23, "parentId": 1, "name": "B", "grp_full_name": "Managed devices/A/B"}]
    (row,) = rows(settings, a_wire_host(grp_full_name=None), groups=groups)
    assert row["group_path"] == "A/B"


def test_an_unassigned_device_has_no_group(settings: Settings) -> None:
    (row,) = rows(
        settings,
        a_wire_host(KLHST_WKS_FROM_UNASSIGNED=True, grp_full_name="Unassigned devices"),
    )
    assert (row["is_unassigned"], row["group_path"]) == (True, None)


def test_text_is_stored_composed(settings: Settings) -> None:
    (row,) = rows(
        settings,
        a_wire_host(KLHST_WKS_DN="XA\u0303MY\u0303", grp_full_name="R/Pho\u0300ng"),
    )
    assert (row["display_name"], row["group_path"]) == ("XÃMỸ", "Phòng")


def test_a_name_may_look_like_json_or_hold_a_nul(settings: Settings) -> None:
    found = rows(
        settings,
        a_wire_host(KLHST_WKS_DN="{may"),
        a_wire_host(KLHST_WKS_HOSTNAME="b", KLHST_WKS_DN="A\x00B"),
    )
    assert [row["display_name"] for row in found] == ["{may", "A\x00B"]


def test_one_machine_may_lack_a_name(settings: Settings) -> None:
    found = rows(settings, a_wire_host(), a_wire_host(KLHST_WKS_HOSTNAME="b", KLHST_WKS_DN=None))
    assert [row["display_name"] for row in found] == ["PNV-MAY01", None]


def test_an_empty_server_gives_an_empty_snapshot(settings: Settings) -> None:
    assert rows(settings) == []


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"KLHST_WKS_HOSTNAME": None}, "KLHST_WKS_HOSTNAME"),
        ({"KLHST_WKS_HOSTNAME": ""}, "KLHST_WKS_HOSTNAME"),
        ({"KLHST_WKS_STATUS": None}, "KLHST_WKS_STATUS"),
        ({"KLHST_WKS_STATUS": "hỏng"}, "KLHST_WKS_STATUS"),
        ({"KLHST_WKS_STATUS": {"type": "x"}}, "KLHST_WKS_STATUS"),
        ({"KLHST_WKS_STATUS_MASK": 1 << 40}, "KLHST_WKS_STATUS_MASK"),
        ({"KLHST_WKS_RTP_STATE": [4]}, "KLHST_WKS_RTP_STATE"),
        ({"KLHST_WKS_CREATED": wire("datetime", "12/10/2022")}, "KLHST_WKS_CREATED"),
        ({"KLHST_WKS_LAST_VISIBLE": "{hỏng"}, "KLHST_WKS_LAST_VISIBLE"),
        ({"KLHST_WKS_IP_LONG": wire("long", "nhiều")}, "KLHST_WKS_IP_LONG"),
        ({"KLHST_WKS_FROM_UNASSIGNED": "có"}, "KLHST_WKS_FROM_UNASSIGNED"),
    ],
)
def test_a_field_that_cannot_be_typed_is_named_with_its_row(
    settings: Settings, changed: dict[str, Any], field: str
) -> None:
    load = landed(
        settings,
        [
            a_wire_host(),
            a_wire_host()
            | changed
            | {name: None for name, value in changed.items() if value is None},
        ],
    )
    with pytest.raises(SourceFault) as raised:
        type_hosts(load, settings.places, settings)
    assert raised.value.fault_code is FaultCode.PROTOCOL
    assert f"dòng 2 thiếu hoặc sai kiểu thuộc tính {field}" in raised.value.text
    assert raised.value.remedy
    assert list(settings.places.snapshot.rglob("*.parquet")) == []


def test_names_that_are_gone_altogether_are_told(settings: Settings) -> None:
    load = landed(settings, [a_wire_host(KLHST_WKS_DN=None)] * 2)
    with pytest.raises(SourceFault, match="không dòng nào có thuộc tính KLHST_WKS_DN"):
        type_hosts(load, settings.places, settings)


def test_a_line_that_is_not_json_is_named(settings: Settings) -> None:
    bad = json.dumps(a_wire_host()).replace("PNV-MAY01", "PNV\\ud800X", 1)
    load = landed(settings, [a_wire_host(), bad])
    with pytest.raises(SourceFault, match="không phải JSON hợp lệ ở dòng 2"):
        type_hosts(load, settings.places, settings)


def test_the_snapshot_is_written_once_and_for_the_few(settings: Settings) -> None:
    load = landed(settings, [a_wire_host()])
    path = type_hosts(load, settings.places, settings)
    written = path.stat()
    assert written.st_mode & 0o777 == 0o640
    assert type_hosts(load, settings.places, settings) == path
    assert path.stat().st_mtime_ns == written.st_mtime_ns
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_type_loads_marks_what_cannot_be_typed_and_goes_on(settings: Settings) -> None:
    good = landed(settings, [a_wire_host()])
    bad = landed(settings, [a_wire_host(KLHST_WKS_STATUS="hỏng")], hour=2)
    failed = manifest.changed(good, load_id="c", status=LoadStatus.FAILED, hosts_path=None)
    second, first, third = type_loads([bad, good, failed], settings)
    assert settings.home / str(first.snapshot_path) == first.parquet(settings.places)
    assert first.parquet(settings.places).is_file()
    assert (second.status, second.fault_code) == (LoadStatus.REJECTED, "protocol")
    assert "KLHST_WKS_STATUS" in str(second.fault_text)
    assert third is failed
    assert manifest.read(second.path(settings.places)) == second


@pytest.mark.parametrize(
    "wrong",
    [
        a_wire_host(KLHST_WKS_STATUS="nhiều"),
        a_wire_host(KLHST_WKS_DN=None),  # the only row: nobody has a name
        '{"KLHST_WKS_HOSTNAME": ',
    ],
)
def test_loads_typed_together_become_what_each_of_them_is(
    settings: Settings, wrong: dict[str, Any] | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups of the same number bear another name on every server; one load is not right."""

    def group(text: str) -> list[dict[str, Any]]:
        return [{"id": 23, "parentId": 1, "name": text, "grp_full_name": f"Gốc/{text}"}]

    bare = a_wire_host(grp_full_name=None)
    loads = [
        landed(settings, [bare, a_wire_host(KLHST_WKS_HOSTNAME="m2")], group("Phòng A"), hour=1),
        landed(settings, [wrong], hour=2),
        landed(settings, [bare], group("Phòng B"), hour=3),
        landed(settings, [bare], hour=4),
        landed(settings, [], hour=5),
    ]
    alone = [type_loads([load], settings)[0] for load in loads]

    def typed(some: list[Load]) -> list[list[dict[str, Any]]]:
        files = [one.parquet(settings.places) for one in some if one.snapshot_path]
        return [snapshot_arrow(file).to_pylist() for file in files]

    tables = typed(alone)
    for one in alone:
        one.parquet(settings.places).unlink(missing_ok=True)
    reads = []
    read = wire_rows.read_rows
    monkeypatch.setattr(
        wire_rows, "read_rows", lambda *given: (reads.append(len(given[3])), read(*given))[1]
    )
    together = type_loads(loads, settings)
    assert together == alone
    assert typed(together) == tables
    assert [one.status for one in together].count(LoadStatus.REJECTED) == 1
    assert reads[0] == len(loads)
    assert [[row["group_path"] for row in table] for table in tables] == [
        ["Phòng A", "01. Phòng ban/Phòng Nội vụ"],
        ["Phòng B"],
        [None],
        [],
    ]


def test_rows_that_are_missing_or_damaged_on_our_disk_are_our_fault(settings: Settings) -> None:
    load = landed(settings, [a_wire_host()])
    file = settings.home / str(load.hosts_path)
    content = file.read_bytes()
    for damaged in (b"khong phai zstd" * 9, content[: len(content) // 2], None):
        file.unlink()
        if damaged is not None:
            file.write_bytes(damaged)
        with pytest.raises(SourceFault) as raised:
            type_hosts(load, settings.places, settings)
        assert raised.value.fault_code is FaultCode.INTERNAL
        if damaged is None:
            break
    assert not load.parquet(settings.places).exists()
