"""A bundle becomes the load that direct collection would have made, or a failed one; nothing else."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from ksc_ledger.clock import FixedClock
from ksc_ledger.landing import manifest
from ksc_ledger.landing.lines import LINE_BYTES_AT_MOST
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.push import bundle as bundles
from ksc_ledger.push import keys
from ksc_ledger.sources.records import Group
from unit.push.a_site import CODE, KEYS, NOW, key_row, packed
from unit.push.conftest import World

Rows = list[bytes]


def rows_of(path: Path) -> Rows:
    with path.open("rb") as packed_file:
        reader = zstandard.ZstdDecompressor().stream_reader(packed_file, read_across_frames=True)
        return reader.read().splitlines()


def forged(
    world: World,
    *,
    hosts: Callable[[Rows], Rows] | bytes | None = None,
    groups: Callable[[Rows], Rows] | bytes | None = None,
    says: Callable[[dict[str, Any]], object] | None = None,
    recount: bool = False,
) -> bytes:
    """What a site whose key was stolen could send: all rightly signed, the content as told.

    ``hosts``, ``groups``: how the rows are changed, or the bytes of the file. ``recount``: the
    statement is made to agree with the changed hosts.
    """
    whole = b"".join(packed(world.site, world.load))
    (length,) = struct.unpack(">I", whole[len(bundles.MAGIC) : bundles.HEAD_BYTES])
    said = json.loads(whole[bundles.HEAD_BYTES : bundles.HEAD_BYTES + length])
    rest = whole[bundles.HEAD_BYTES + length + keys.SIGNATURE_BYTES :]
    files: list[bytes] = []
    for part in said["parts"]:
        content, rest = rest[: part["size"]], rest[part["size"] :]
        change = {"hosts": hosts, "groups": groups}.get(part["kind"])
        if isinstance(change, bytes):
            content = change
        elif change is not None:
            lines = zstandard.ZstdDecompressor().decompressobj().decompress(content).splitlines()
            content = zstandard.compress(b"".join(line + b"\n" for line in change(lines)))
        if recount and part["kind"] == "hosts":
            _recount(said["load"], content)
        part |= {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        files.append(content)
    if says is not None:
        says(said)
    made = msgspec.json.encode(said)
    signature = world.site.key.sign(bundles.DOMAIN + made)
    return b"".join([bundles.MAGIC, struct.pack(">I", len(made)), made, signature, *files])


def _recount(said: dict[str, Any], content: bytes) -> None:
    rows = zstandard.ZstdDecompressor().decompressobj().decompress(content).splitlines()
    digests = {json.loads(row)["KLHST_WKS_HOSTNAME"]: hashlib.sha256(row).digest() for row in rows}
    whole = hashlib.sha256(b"".join(digests[one] for one in sorted(digests))).hexdigest()
    said |= {
        "rows_read_count": len(rows),
        "rows_expected_count": len(rows),
        "content_sha256": whole,
        "load_id": manifest.load_id_of(CODE, NOW, whole),
    }


def taken(world: World, raw: object) -> Load:
    world.house.receive(raw)  # type: ignore[arg-type]
    (load,) = world.house.take()
    assert not world.house.kept()
    return load


def refused(world: World, raw: object) -> str:
    load = taken(world, raw)
    assert (load.status, load.fault_code) == (LoadStatus.FAILED, "protocol")
    assert load.hosts_path is None
    assert manifest.read(load.path(world.house.settings.places)) == load
    quarantined = world.house.settings.places.quarantine / "pushed" / CODE
    assert len(list(quarantined.iterdir())) == 1
    return load.fault_text or ""


def test_the_load_is_what_the_centre_would_have_collected_itself(world: World) -> None:
    load = taken(world, packed(world.site, world.load))
    own = world.load
    assert load == replace(
        own,
        estate_code="dong_thap",
        fence=1,
        raw_path=None,
        hosts_path=load.hosts_path,
        groups_path=load.groups_path,
        extras=load.extras,
    )
    site, centre = world.site.places.home, world.house.settings.places.home
    pairs = [
        (own.hosts_path, load.hosts_path),
        (own.groups_path, load.groups_path),
        *((own.extras[kind].path, load.extras[kind].path) for kind in own.extras),
    ]
    assert len(pairs) == 2 + len(own.extras) > 2
    for there, here in pairs:
        assert rows_of(site / str(there)) == rows_of(centre / str(here))
        assert (centre / str(here)).stat().st_mode & 0o777 == 0o640
    for kind, extra in own.extras.items():
        assert replace(load.extras[kind], path="") == replace(extra, path="")
    assert manifest.read(load.path(world.house.settings.places)) == load


def test_a_fault_of_the_server_comes_over_with_its_remedy(world: World) -> None:
    failed = manifest.changed(
        world.load,
        status=LoadStatus.FAILED,
        fault_code="unreachable",
        fault_text="Không kết nối được. Cách khắc phục: xem mạng.",
        load_id=manifest.load_id_of(
            CODE, NOW, "unreachable|Không kết nối được. Cách khắc phục: xem mạng."
        ),
        extras={},
    )
    load = taken(world, packed(world.site, failed))
    assert load.status is LoadStatus.FAILED
    assert load.fault_text == failed.fault_text
    assert load.hosts_path is None
    assert load.estate_code == "dong_thap"


def test_several_that_waited_come_in_their_order(world: World) -> None:
    for hours in (2, 1):
        at = NOW - timedelta(hours=hours)
        said = f"unreachable|{hours}"
        earlier = manifest.changed(
            world.load,
            status=LoadStatus.FAILED,
            observed_at=at,
            fault_code="unreachable",
            fault_text=str(hours),
            load_id=manifest.load_id_of(CODE, at, said),
            extras={},
        )
        world.house.receive(packed(world.site, earlier, sent_at=NOW - timedelta(minutes=hours)))
    world.house.receive(packed(world.site, world.load))
    loads = world.house.take()
    assert [load.observed_at for load in loads] == [
        NOW - timedelta(hours=2),
        NOW - timedelta(hours=1),
        NOW,
    ]


def test_a_load_that_was_taken_and_not_judged_is_handed_on_again(world: World) -> None:
    raw = b"".join(packed(world.site, world.load))
    first = taken(world, raw)
    # As if the task had died after the manifest and before the bundle was taken away.
    path = world.house.settings.places.pushed / CODE / f"{first.load_id}.kscpush"
    path.write_bytes(raw)
    assert world.house.take() == [first]
    assert not path.exists()


def test_a_key_that_was_withdrawn_meanwhile_is_not_believed(world: World) -> None:
    world.house.receive(packed(world.site, world.load))
    world.house.know(key_row(world.site.key, end="2023-10-19"))
    (load,) = world.house.take()
    assert load.fault_code == "protocol"
    assert "khóa" in (load.fault_text or "")


def test_what_was_changed_on_our_own_disk_is_noticed(world: World) -> None:
    world.house.receive(packed(world.site, world.load))
    (name,) = world.house.kept()
    path = world.house.settings.places.pushed / CODE / name
    raw = bytearray(path.read_bytes())
    raw[-20] ^= 1
    path.write_bytes(raw)
    (load,) = world.house.take()
    assert load.fault_code == "protocol"


def test_a_file_put_in_place_of_another_is_noticed_however_right_it_looks(world: World) -> None:
    groups = [
        zstandard.compress(msgspec.json.encode(Group(id=1, name=name)) + b"\n")
        for name in ("Phòng A", "Phòng B")
    ]
    assert len(groups[0]) == len(groups[1])
    world.house.receive(forged(world, groups=groups[0]))
    (name,) = world.house.kept()
    path = world.house.settings.places.pushed / CODE / name
    raw = path.read_bytes()
    assert raw.count(groups[0]) == 1
    path.write_bytes(raw.replace(groups[0], groups[1]))
    (load,) = world.house.take()
    assert "khác với phần kê khai đã ký" in (load.fault_text or "")


def test_rows_that_agree_with_their_statement_are_data_whoever_sent_them(world: World) -> None:
    fewer = forged(world, hosts=lambda rows: rows[:-1], recount=True)
    load = taken(world, fewer)
    assert load.status is LoadStatus.COMPLETE
    assert load.rows_read_count == world.load.rows_read_count - 1


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda rows: rows[:-1], "kê khai 12 máy nhưng có 11"),
        (lambda rows: [*rows[:-1], rows[0]], "một máy hai lần"),
        (lambda rows: [*rows[:-1], rows[-1].replace(b"TM-PC", b"TM-PD")], "tổng kiểm"),
        (lambda rows: [*rows[:-1], b"{"], "không phải JSON"),
        (lambda rows: [*rows[:-1], b"[]"], "không phải một đối tượng"),
        (lambda rows: [*rows[:-1], b'{"KLHST_WKS_HOSTNAME":""}'], "không có mã"),
        (lambda rows: [*rows[:-1], b'{"KLHST_WKS_HOSTNAME":7}'], "không có mã"),
        (
            lambda rows: [*rows[:-1], b'{"KLHST_WKS_HOSTNAME":"a","KLHST_WKS_HOSTNAME":"b"}'],
            "trùng tên",
        ),
        (lambda rows: [*rows[:-1], b'{"KLHST_WKS_HOSTNAME": "a"}'], "một cách duy nhất"),
        (lambda rows: [*rows[:-1], b'{"KLHST_WKS_HOSTNAME":"\\ud800"}'], "một cách duy nhất"),
        (lambda rows: [*rows[:-1], b""], "thân trống"),
        # Deeper than any interpreter goes: 1,000 levels on 3.11, 10,000 from 3.12 on.
        (lambda rows: [*rows[:-1], b'{"a":' * 20_000 + b"1" + b"}" * 20_000], "lồng quá sâu"),
        (lambda rows: [*rows, b"x" * (LINE_BYTES_AT_MOST + 300_000)], "dài hơn"),
    ],
)
def test_rows_that_do_not_agree_are_not_believed(
    world: World, change: Callable[[Rows], Rows], word: str
) -> None:
    assert word in refused(world, forged(world, hosts=change))


@pytest.mark.parametrize(
    "change",
    [
        lambda rows: [*rows, b'{"id":1}'],
        lambda rows: [*rows, b'{"id":1,"name":"x","unitCode":"dtp"}'],
        lambda rows: [*rows, b'{"id":"1","name":"x"}'],
        lambda rows: [*rows, b"null"],
    ],
)
def test_a_group_is_what_we_write_and_nothing_else(
    world: World, change: Callable[[Rows], Rows]
) -> None:
    assert "nhóm sai cấu trúc" in refused(world, forged(world, groups=change))


@pytest.mark.parametrize(
    "content",
    [b"", b"no zstd at all", zstandard.compress(b"{}\n")[:-3], zstandard.compress(b"{}")],
    ids=["empty", "other", "cut", "no end of line"],
)
def test_a_file_that_is_none_of_ours_is_not_believed(world: World, content: bytes) -> None:
    assert refused(world, forged(world, hosts=content))


def test_a_small_file_that_unpacks_without_end_is_left_in_time(world: World) -> None:
    world.house.settings = replace(world.house.settings, push_max_bytes=1 << 20)
    group = msgspec.json.encode(Group(id=1, name="x" * 1000)) + b"\n"
    groups = zstandard.compress(group * 10_000)
    assert len(groups) < 10_000
    assert "lớn hơn" in refused(world, forged(world, groups=groups))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda said: said["load"].update(status="rejected"), "bị loại"),
        (lambda said: said["load"].update(status="failed"), "trái nhau"),
        (
            lambda said: said["load"].update(fault={"code": "unreachable", "text": "x"}),
            "trái nhau",
        ),
        (
            lambda said: said["load"].update(
                status="failed", fault={"code": "nonsense", "text": "x"}
            ),
            "mã lỗi",
        ),
        (lambda said: said["load"]["extras"].pop("licences"), "thiếu hoặc thừa tệp"),
        (lambda said: said["load"]["extras"]["licences"].update(count=99), "kê khai 99 dòng"),
        (
            lambda said: said["load"]["extra_faults"].update(x={"code": "absent", "text": "x"}),
            "kèm theo",
        ),
        (lambda said: said["load"].update(load_id=f"{CODE}-20231020T020000Z-0000000000"), "mã lần"),
        (lambda said: said["load"].update(observed_at="2023-10-20T01:00:00Z"), "mã lần"),
    ],
)
def test_a_statement_that_contradicts_itself_is_not_believed(
    world: World, change: Callable[[dict[str, Any]], object], word: str
) -> None:
    assert word in refused(world, forged(world, says=change))


def test_what_a_site_says_it_has_read_up_to_is_never_later_than_its_reading(world: World) -> None:
    def later(said: dict[str, Any]) -> None:
        said["load"]["extras"]["detections"]["newest_at"] = "2030-01-01T00:00:00Z"

    load = taken(world, forged(world, says=later))
    assert load.extras["detections"].newest_at == NOW


def test_all_devices_gone_at_once_is_asked_about_and_not_counted(world: World) -> None:
    taken(world, packed(world.site, world.load))
    at = NOW + timedelta(hours=1)
    content = hashlib.sha256().hexdigest()

    def none_left(said: dict[str, Any]) -> None:
        said["sent_at"] = at.isoformat()
        said["load"] |= {
            "rows_read_count": 0,
            "rows_expected_count": 0,
            "content_sha256": content,
            "observed_at": at.isoformat(),
            "load_id": manifest.load_id_of(CODE, at, content),
        }

    world.house.clock = FixedClock(at)
    world.house.real_now = lambda: at
    load = taken(world, forged(world, hosts=lambda _: [], says=none_left))
    assert (load.status, load.fault_code) == (LoadStatus.INCOMPLETE, "suspicious")
    assert load.extras == {}


@pytest.mark.parametrize(("minutes", "is_silent"), [(20, False), (21, True)])
def test_a_site_that_says_nothing_for_too_long_does_not_answer(
    world: World, minutes: int, is_silent: bool
) -> None:
    world.house.receive(packed(world.site, None))
    world.house.clock = FixedClock(NOW + timedelta(minutes=minutes))
    loads = world.house.take()
    assert [load.fault_code for load in loads] == (["unreachable"] if is_silent else [])
    if is_silent:
        assert "09:00 20/10/2023" in (loads[0].fault_text or "")


def test_a_site_that_never_said_anything_does_not_answer(world: World) -> None:
    (load,) = world.house.take()
    assert load.fault_code == "unreachable"
    assert "chưa từng gửi" in (load.fault_text or "")


def test_only_the_newest_few_refused_bundles_are_kept(world: World) -> None:
    folder = world.house.settings.places.quarantine / "pushed" / CODE
    folder.mkdir(parents=True)
    for number in range(12):
        (folder / f"{number}.kscpush").write_bytes(b"x")
    taken(world, forged(world, hosts=b"x"))
    assert len(list(folder.iterdir())) == 10


def test_the_registry_of_these_tests_has_the_header_of_the_real_one() -> None:
    from ksc_ledger.registry.sheets import Reading

    assert set(KEYS.strip().split(",")) == set(Reading().push_keys.columns)
