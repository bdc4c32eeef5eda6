"""From what a site sent to a load of ours: everything that can be counted again is counted again.

A signed bundle is believed no more than a server's answer. Rows are parsed as strictly as on the
wire, counted, hashed and written by our own hand; their estate, place and id are the centre's. What
does not agree with its own statement becomes a failed load, and the bundle is kept in quarantine.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from ksc_ledger.clock import VIETNAM, Clock, vietnamese_date
from ksc_ledger.collection import PreviousLoad, last_complete, shape
from ksc_ledger.collection.collect import ZERO_IS_STRANGE_FROM
from ksc_ledger.errors import FaultCode, LedgerError
from ksc_ledger.landing import manifest
from ksc_ledger.landing.archive import Archive
from ksc_ledger.landing.lines import NotLines, lines_of
from ksc_ledger.landing.manifest import ABSENT, Extra, ExtraFault, ExtraKind, Load, LoadStatus
from ksc_ledger.push import keys, signs
from ksc_ledger.push.bundle import (
    GROUPS,
    HEAD_BYTES,
    HOSTS,
    Head,
    LoadSaid,
    NotABundle,
    Part,
    head_length,
    read_head,
)
from ksc_ledger.push.desk import refused_folder, waiting
from ksc_ledger.registry import Registry, Server
from ksc_ledger.settings import Places, Settings
from ksc_ledger.sources import wire
from ksc_ledger.sources.drift import Drift
from ksc_ledger.sources.records import HOST_ID, HOST_KINDS, Group

if TYPE_CHECKING:
    from sqlalchemy import Engine

LEASE_SECONDS = 120  # beyond it a lease is still ours until somebody else takes it
UNPACKED_AT_MOST = 8  # times the largest bundle
REFUSED_KEPT = 10  # bundles of a server in quarantine; the newest
_ROWS_AT_A_TIME = 500


class NotBelieved(ValueError):  # noqa: N818 - it completes the sentence of its message
    """What stands in a bundle is not what its statement says; Vietnamese, without content."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was counted while the rows of a whole load passed by."""

    rows: int
    sha256: str
    drift: dict[str, int]
    hosts_path: str
    groups_path: str
    extras: dict[str, Extra]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taker:
    """Takes what the site of one server sent."""

    settings: Settings
    registry: Registry
    server: Server
    clock: Clock
    fence: int
    record: Callable[[Load], object]

    @property
    def places(self) -> Places:
        return self.settings.places

    def take_all(self) -> list[Load]:
        """The loads that were waiting, the oldest first; a failed one when the site is silent.

        A load that was taken before and not judged since is among them again.
        """
        loads = [self._take(path) for path in waiting(self.places, self.server.server_code)]
        return loads or self._silence()

    def _take(self, path: Path) -> Load:
        try:
            load = self._known(path) or self._landed(path)
        except (NotABundle, NotBelieved, NotLines, wire.NotTheWire, OSError) as error:
            load = self._refused(str(error), path)
            _set_aside(path, self.places)
            return load
        path.unlink()
        return load

    def _known(self, path: Path) -> Load | None:
        """The load of a bundle that was taken by a process that died before it could say so."""
        found = list((self.places.snapshot / self.server.server_code).glob(f"*/{path.stem}.json"))
        return manifest.read(found[0]) if found else None

    def _landed(self, path: Path) -> Load:
        with path.open("rb") as file:
            head = read_head(_head_of(file))
            said = self._admitted(head, path)
            archive = Archive(self.places, self.server.server_code, said.observed_at)
            with archive:
                content = None
                if said.status is LoadStatus.COMPLETE:
                    content = self._content(file, head, said, archive)
            load = self._load(said, content)
        if load.load_id != path.stem:
            raise NotBelieved("có mã lần tải khác với nội dung")
        self.record(load)
        return load

    def _admitted(self, head: Head, path: Path) -> LoadSaid:
        """Once more who signed, for a key may have been withdrawn since; and what can be meant."""
        code = self.server.server_code
        known = self.registry.push_keys_on(code, vietnamese_date(self.clock.now()))
        if head.statement.server_code != code or not any(
            keys.is_signed_by(key, head.signature, head.signed) for key in known
        ):
            raise NotBelieved("không được ký bằng khóa còn hiệu lực của máy chủ này")
        said = head.statement.load
        if said is None:
            raise NotBelieved("không có lần tải nào")
        if said.status is LoadStatus.REJECTED:
            raise NotBelieved("tự nhận là đã bị loại")
        if (said.fault is None) is not (said.status is LoadStatus.COMPLETE):
            raise NotBelieved("có tình trạng và lỗi trái nhau")
        if said.fault is not None and said.fault.code not in set(FaultCode):
            raise NotBelieved("có mã lỗi không được biết")
        wanted = {HOSTS, GROUPS, *said.extras} if said.status is LoadStatus.COMPLETE else set()
        if {part.kind for part in head.statement.parts} != wanted:
            raise NotBelieved("thiếu hoặc thừa tệp")
        if not {*said.extras, *said.extra_faults} <= set(ExtraKind):
            raise NotBelieved("có loại dữ liệu kèm theo không được biết")
        if not {fault.code for fault in said.extra_faults.values()} <= {*FaultCode, ABSENT}:
            raise NotBelieved("có mã lỗi không được biết")
        return said

    def _content(self, file: BinaryIO, head: Head, said: LoadSaid, archive: Archive) -> Content:
        parts = head.statement.parts
        hosts = _Hosts()
        counts: dict[str, int] = {}
        for part in parts:
            look = hosts.look if part.kind == HOSTS else _looks(part.kind)
            counts[part.kind] = self._rows(file, part, archive, look)
        paths = {part.kind: archive.rows_path(part.kind) for part in parts}
        if counts[HOSTS] != said.rows_read_count or counts[HOSTS] != said.rows_expected_count:
            raise NotBelieved(f"kê khai {said.rows_read_count} máy nhưng có {counts[HOSTS]}")
        for kind, extra in said.extras.items():
            if counts[kind] != extra.count:
                raise NotBelieved(f"kê khai {extra.count} dòng {kind} nhưng có {counts[kind]}")
        content = hosts.sha256()
        if content != said.content_sha256:
            raise NotBelieved("có nội dung khác với tổng kiểm đã kê khai")
        return Content(
            rows=counts[HOSTS],
            sha256=content,
            drift=hosts.drift.found(),
            hosts_path=str(paths[HOSTS]),
            groups_path=str(paths[GROUPS]),
            extras={
                kind: Extra(
                    path=str(paths[kind]),
                    count=extra.count,
                    newest_at=_no_later(extra.newest_at, said.observed_at),
                )
                for kind, extra in said.extras.items()
            },
        )

    def _rows(
        self,
        file: BinaryIO,
        part: Part,
        archive: Archive,
        look: Callable[[list[bytes]], object],
    ) -> int:
        """Pass the rows of one file through ``look`` into landing; how many they are."""
        rows = archive.rows(part.kind)
        rows.begin(0)
        most = UNPACKED_AT_MOST * self.settings.push_max_bytes
        segment = _Segment(file, part.size)
        for some in _in_pieces(lines_of(io.BufferedReader(segment), bytes_at_most=most)):
            look(some)
            rows.write(some)
        if segment.digest() != part.sha256:
            raise NotBelieved("có tệp khác với phần kê khai đã ký")
        rows.finish()
        return rows.count

    def _load(self, said: LoadSaid, content: Content | None) -> Load:
        previous = last_complete(self.places, self.server.server_code, said.observed_at)
        fault = None if said.fault is None else (said.fault.code, said.fault.text)
        status = said.status
        told = (said.content_sha256 or "") if fault is None else f"{fault[0]}|{fault[1]}"
        if content is not None and _is_strange_zero(content, previous):
            fault, status = _strange_zero(self.server, previous), LoadStatus.INCOMPLETE
        load = Load(
            load_id=manifest.load_id_of(self.server.server_code, said.observed_at, told),
            estate_code=self.server.estate_code,
            server_code=self.server.server_code,
            as_of_at=said.observed_at,
            observed_at=said.observed_at,
            collected_at=said.collected_at,
            status=status,
            rows_expected_count=said.rows_expected_count,
            rows_read_count=said.rows_read_count,
            content_sha256=said.content_sha256,
            fault_code=None if fault is None else fault[0],
            fault_text=None if fault is None else fault[1],
            product_version=said.product_version,
            clock_skew_seconds=said.clock_skew_seconds,
            fence=self.fence,
            extra_faults={
                kind: ExtraFault(code=one.code, text=one.text)
                for kind, one in said.extra_faults.items()
            },
        )
        if content is None:
            return load
        known = None if previous is None else previous.drift
        return manifest.changed(
            load,
            hosts_path=content.hosts_path,
            groups_path=content.groups_path,
            extras=content.extras if fault is None else {},
            drift=content.drift if content.rows else known,
            verdicts=shape.changes(content.drift, known),
        )

    def _refused(self, why: str, path: Path) -> Load:
        return self._failed(
            FaultCode.PROTOCOL,
            f"Gói số liệu {path.stem} của máy chủ {self.server.server_code} {why}.",
            f"Gói được giữ trong quarantine/pushed/{self.server.server_code}. Kiểm tra phiên bản "
            "ksc-ledger và khóa ở nơi gửi; nếu không giải thích được, coi nơi gửi là đã bị xâm nhập: "
            "kết thúc khóa trong push_keys.csv.",
        )

    def _silence(self) -> list[Load]:
        now = self.clock.now()
        code = self.server.server_code
        sign = signs.read(self.places, code)
        after = timedelta(minutes=self.settings.push_silent_minutes)
        if sign is not None and not signs.is_silent(sign, now=now, silent_after=after):
            return []
        since = (
            "chưa từng gửi gì về"
            if sign is None
            else f"không gửi gì về từ {sign.heard_at.astimezone(VIETNAM):%H:%M %d/%m/%Y}"
        )
        return [
            self._failed(
                FaultCode.UNREACHABLE,
                f"Nơi đặt máy chủ {code} {since}.",
                "Tại nơi đó: xem hẹn giờ chạy ksc-ledger push và lời báo của lần chạy cuối, đường "
                "truyền ra ngoài, và đồng hồ máy.",
            )
        ]

    def _failed(self, code: FaultCode, text: str, remedy: str) -> Load:
        now = self.clock.now()
        said = str(LedgerError(code.value, text, remedy))
        load = Load(
            load_id=manifest.load_id_of(self.server.server_code, now, f"{code.value}|{said}"),
            estate_code=self.server.estate_code,
            server_code=self.server.server_code,
            as_of_at=now,
            observed_at=now,
            collected_at=datetime.now(UTC),
            status=LoadStatus.FAILED,
            fault_code=code.value,
            fault_text=said,
            fence=self.fence,
        )
        self.record(load)
        return load


def take(
    engine: Engine,
    settings: Settings,
    registry: Registry,
    server: Server,
    *,
    clock: Clock,
    owner: str,
    real_now: datetime,
) -> list[Load]:
    """Take what the site of a server sent, one process at a time; see ``Taker.take_all``.

    Raises LedgerError while another process takes, state.leases.LeaseLost when it was overtaken.
    """
    from ksc_ledger.state import leases

    lease = leases.acquire(engine, f"ksc:{server.server_code}", owner, LEASE_SECONDS, real_now)
    if lease is None:
        raise LedgerError(
            "push_already_taken",
            f"Một lượt khác đang nhận số liệu của máy chủ {server.server_code}.",
            f"Chờ lượt đó xong; nếu nó đã chết, quyền nhận tự hết hạn sau {LEASE_SECONDS} giây.",
        )

    def record(load: Load) -> None:
        with engine.begin() as connection:
            leases.guard(connection, lease)
            manifest.write(load, settings.places)

    taker = Taker(
        settings=settings,
        registry=registry,
        server=server,
        clock=clock,
        fence=lease.token,
        record=record,
    )
    try:
        return taker.take_all()
    finally:
        leases.release(engine, lease)


class _Hosts:
    """The devices' rows as they pass: strict, each id once, counted by shape, hashed."""

    def __init__(self) -> None:
        self.drift = Drift(HOST_KINDS)
        self._digests: dict[str, bytes] = {}

    def look(self, rows: list[bytes]) -> None:
        parsed = [_strict(row) for row in rows]
        for row, value in zip(rows, parsed, strict=True):
            one = value.get(HOST_ID)
            if type(one) is not str or not one:
                raise NotBelieved("có máy không có mã")
            if one in self._digests:
                raise NotBelieved("có một máy hai lần")
            self._digests[one] = hashlib.sha256(row).digest()
        self.drift.unusual(parsed)

    def sha256(self) -> str:
        """As ``sources.sets`` counts it: the same for the same rows in any order."""
        content = hashlib.sha256()
        for one in sorted(self._digests):
            content.update(self._digests[one])
        return content.hexdigest()


def _looks(kind: str) -> Callable[[list[bytes]], object]:
    return _look_at_groups if kind == GROUPS else _look_at_rows


def _look_at_rows(rows: list[bytes]) -> None:
    for row in rows:
        _strict(row)


def _look_at_groups(rows: list[bytes]) -> None:
    for row in rows:
        try:
            is_same = msgspec.json.encode(msgspec.json.decode(row, type=Group)) == row
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise NotBelieved("có nhóm sai cấu trúc") from error
        if not is_same:
            raise NotBelieved("có nhóm sai cấu trúc")


def _strict(row: bytes) -> dict[str, Any]:
    """One row as on the wire; written in the one way in which we write rows."""
    parsed = wire.parse(row)
    if parsed.compact != row:
        raise NotBelieved("có dòng không viết theo một cách duy nhất")
    return parsed.value


def _in_pieces(rows: Iterator[bytes]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    for row in rows:
        some.append(row)
        if len(some) == _ROWS_AT_A_TIME:
            yield some
            some = []
    if some:
        yield some


class _Segment(io.RawIOBase):
    """The next ``size`` bytes of a file, hashed as they are read."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__()
        self._file = file
        self._left = size
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._file.read(min(len(buffer), self._left))
        buffer[: len(piece)] = piece
        self._left -= len(piece)
        self._digest.update(piece)
        return len(piece)

    def digest(self) -> str:
        """Of the whole segment, also of what nobody asked for."""
        while self._left and (piece := self._file.read(min(1 << 20, self._left))):
            self._left -= len(piece)
            self._digest.update(piece)
        return self._digest.hexdigest()


def _head_of(file: BinaryIO) -> bytes:
    start = file.read(HEAD_BYTES)
    return start + file.read(head_length(start) - HEAD_BYTES)


def _no_later(instant: datetime | None, than: datetime) -> datetime | None:
    return None if instant is None else min(instant, than)


def _is_strange_zero(content: Content, previous: PreviousLoad | None) -> bool:
    return (
        content.rows == 0
        and previous is not None
        and previous.rows_read_count >= ZERO_IS_STRANGE_FROM
    )


def _strange_zero(server: Server, previous: PreviousLoad | None) -> tuple[str, str]:
    before = 0 if previous is None else previous.rows_read_count
    said = LedgerError(
        FaultCode.SUSPICIOUS.value,
        f"Máy chủ {server.server_code} gửi về là không có máy nào, trong khi lần đủ gần nhất có "
        f"{before} máy.",
        "Hệ thống giữ số liệu cũ. Kiểm tra cơ sở dữ liệu của KSC tại nơi gửi và quyền xem nhóm của tài "
        "khoản thu thập.",
    )
    return FaultCode.SUSPICIOUS.value, str(said)


def _set_aside(path: Path, places: Places) -> None:
    """Keep a refused bundle for whoever looks into it, the newest few of a server.

    Its days begin now, however long it waited.
    """
    folder = refused_folder(places) / path.parent.name
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    path.touch()
    path.replace(folder / path.name)
    for old in sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)[:-REFUSED_KEPT]:
        old.unlink()
