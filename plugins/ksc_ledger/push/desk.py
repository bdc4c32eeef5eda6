"""The centre's desk: who sends is known before anything is kept, and only what is whole is kept.

A bundle is written beside its place while it comes and gets its name when every file in it has the
length and the SHA-256 that its signed statement gives. What stands in the files is not looked at
here: ``taking`` does that, in a task.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from ksc_ledger.clock import Clock, vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.archive import sync
from ksc_ledger.landing.manifest import path_of
from ksc_ledger.push import keys, signs
from ksc_ledger.push.bundle import HEAD_BYTES, Head, LoadSaid, NotABundle, head_length, read_head
from ksc_ledger.registry import Registry
from ksc_ledger.settings import Places

SUFFIX = ".kscpush"
SKEW_AT_MOST = timedelta(minutes=10)
OBSERVED_AHEAD_AT_MOST = timedelta(minutes=5)
OBSERVED_AGO_AT_MOST = timedelta(days=30)  # as far back as a first look at detections goes
WAITING_AT_MOST = 4  # times the largest bundle; a site that sends more is told to wait
_FILE_MODE = 0o640
_MB = 2**20


class Refused(LedgerError):  # noqa: N818 - named for what happened, as SourceFault
    """A bundle is not taken. ``status`` is HTTP's; below 500 but 409 and 429 it is for good."""

    def __init__(self, status: int, code: str, text: str, remedy: str) -> None:
        super().__init__(code, text, remedy)
        self.status = status


@dataclass(frozen=True, slots=True)
class Receipt:
    """``is_new`` False: the same load was here before, and nothing was kept a second time."""

    load_id: str | None
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """``registry`` is asked at every bundle: a key that was withdrawn opens nothing from then on."""

    places: Places
    registry: Callable[[], Registry]
    clock: Clock
    max_bytes: int
    free_space_mb: int
    real_now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def open(self) -> Arrival:
        """Somebody begins to send."""
        return Arrival(self)

    def admit(self, head: Head) -> None:
        """Raises Refused unless a known site signed the statement, now, and for the first time."""
        said = head.statement
        now = self.clock.now()
        day = vietnamese_date(now)
        registry = self.registry()
        known = registry.push_keys_on(said.server_code, day)
        in_force = {server.server_code for server in registry.servers_on(day)}
        is_signed = any(keys.is_signed_by(key, head.signature, head.signed) for key in known)
        if not is_signed or said.server_code not in in_force:
            # One answer for an unknown server, another server's key and a forged statement.
            raise Refused(
                403,
                "push_not_known",
                "Không nhận: gói không được ký bằng khóa còn hiệu lực của máy chủ nêu trong gói.",
                "Kiểm tra mã máy chủ và tệp khóa; trung tâm khai khóa công khai của nơi gửi trong "
                "push_keys.csv với ngày còn hiệu lực.",
            )
        self._look_at_times(head, now)
        self._look_at_size(head)
        sign = signs.Sign(sent_at=said.sent_at, heard_at=now, knock=said.knock)
        if not signs.note(self.places, said.server_code, sign):
            raise Refused(
                409,
                "push_replayed",
                "Không nhận: gói này, hoặc một gói ký sau nó, đã được gửi trước đó.",
                "Không cần làm gì: lượt gửi sau sẽ ký lại. Nếu lặp lại, đồng hồ của nơi gửi đã bị "
                "chỉnh lùi: bật đồng bộ thời gian (NTP).",
            )

    def is_here(self, load: LoadSaid, server_code: str) -> bool:
        """Whether a load waits to be taken or has been taken."""
        landed = path_of(self.places, server_code, load.observed_at, load.load_id)
        return landed.exists() or self.waiting_path(server_code, load.load_id).exists()

    def waiting_path(self, server_code: str, load_id: str) -> Path:
        return signs.folder(self.places, server_code) / f"{load_id}{SUFFIX}"

    def _look_at_times(self, head: Head, now: datetime) -> None:
        skew = head.statement.sent_at - self.real_now()
        if abs(skew) > SKEW_AT_MOST:
            way = "nhanh" if skew > timedelta(0) else "chậm"
            raise Refused(
                409,
                "push_clock_wrong",
                f"Không nhận: đồng hồ của nơi gửi {way} hơn trung tâm {_minutes(skew)} phút.",
                "Bật đồng bộ thời gian (NTP) tại nơi gửi: timedatectl set-ntp true.",
            )
        load = head.statement.load
        if load is None:
            return
        if load.observed_at > now + OBSERVED_AHEAD_AT_MOST:
            raise Refused(
                422,
                "push_from_the_future",
                "Không nhận: số liệu mang thời điểm chưa tới.",
                "Đồng hồ của nơi gửi đã từng chạy nhanh; bật đồng bộ thời gian (NTP). Lượt thu thập sau "
                "sẽ có thời điểm đúng.",
            )
        if load.observed_at < now - OBSERVED_AGO_AT_MOST:
            raise Refused(
                422,
                "push_too_old",
                f"Không nhận: số liệu cũ hơn {OBSERVED_AGO_AT_MOST.days} ngày.",
                "Không cần làm gì: các lượt mới hơn sẽ được gửi tiếp.",
            )

    def _look_at_size(self, head: Head) -> None:
        if head.length + head.statement.size > self.max_bytes:
            raise Refused(
                413,
                "push_too_big",
                f"Không nhận: gói lớn hơn giới hạn {self.max_bytes // _MB} MB.",
                "Trung tâm tăng KSC_LEDGER_PUSH_MAX_BYTES (và giới hạn của máy chủ ủy quyền ngược), "
                "rồi nơi gửi chạy lại.",
            )
        own = signs.folder(self.places, head.statement.server_code)
        waiting = sum(file.stat().st_size for file in own.glob(f"*{SUFFIX}*"))
        if waiting + head.statement.size > WAITING_AT_MOST * self.max_bytes:
            raise Refused(
                429,
                "push_too_many",
                "Chưa nhận thêm: các gói đã gửi còn chờ trung tâm xử lý.",
                "Trung tâm xem tác vụ collect_endpoints có chạy không; nơi gửi sẽ tự gửi lại sau.",
            )
        home = self.places.home
        if shutil.disk_usage(home if home.exists() else home.parent).free // _MB < max(
            self.free_space_mb, head.statement.size // _MB
        ):
            raise Refused(
                507,
                "push_no_space",
                "Chưa nhận: ổ đĩa của trung tâm sắp đầy.",
                "Trung tâm giải phóng ổ đĩa (xem keep_house); nơi gửi sẽ tự gửi lại sau.",
            )


@dataclass(slots=True)
class Arrival:
    """One bundle while it comes: ``feed`` in pieces of any size, then ``finish`` or ``abort``."""

    desk: Desk
    head: Head | None = None
    _start: bytearray = field(default_factory=bytearray)
    _file: BinaryIO | None = None
    _beside: Path | None = None
    _left: list[tuple[int, str]] = field(default_factory=list)
    _digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def feed(self, data: bytes) -> None:
        """Raises Refused; nothing of what came is kept then, once ``abort`` was called."""
        if self.head is None:
            self._start += data
            if len(self._start) < HEAD_BYTES:
                return
            try:
                length = head_length(bytes(self._start[:HEAD_BYTES]))
                if len(self._start) < length:
                    return
                head = read_head(bytes(self._start[:length]))
            except NotABundle as error:
                raise _broken(str(error)) from error
            rest = bytes(self._start[length:])
            self._begin(head, bytes(self._start[:length]))
            self._start.clear()
            data = rest
        self._take(data)

    def finish(self) -> Receipt:
        """The whole bundle came. It is on disk when this returns."""
        if self.head is None or self._left:
            raise _broken("bị cắt ngang trên đường")
        load = self.head.statement.load
        if load is None:
            return Receipt(None, is_new=True)
        if self._file is None or self._beside is None:
            return Receipt(load.load_id, is_new=False)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        final = self.desk.waiting_path(self.head.statement.server_code, load.load_id)
        self._beside.replace(final)
        self._beside = None
        sync(final.parent)
        return Receipt(load.load_id, is_new=True)

    def abort(self) -> None:
        """Forget what came of a bundle that did not come whole. Harmless after ``finish``."""
        if self._file is not None:
            self._file.close()
        if self._beside is not None:
            with suppress(OSError):
                self._beside.unlink()
            self._beside = None

    def _begin(self, head: Head, raw: bytes) -> None:
        self.desk.admit(head)
        self.head = head
        said = head.statement
        self._left = [(part.size, part.sha256) for part in said.parts]
        if said.load is None:
            return
        if not self.desk.is_here(said.load, said.server_code):
            final = self.desk.waiting_path(said.server_code, said.load.load_id)
            self._beside = final.with_name(f".{final.name}.{secrets.token_hex(4)}.partial")
            descriptor = os.open(self._beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
            os.fchmod(descriptor, _FILE_MODE)
            self._file = os.fdopen(descriptor, "wb")
            self._file.write(raw)
        self._close_full_parts()

    def _take(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            if not self._left:
                raise _broken("dài hơn phần kê khai")
            size, expected = self._left[0]
            piece = view[:size]
            self._digest.update(piece)
            if self._file is not None:
                self._file.write(piece)
            self._left[0] = (size - len(piece), expected)
            self._close_full_parts()
            view = view[len(piece) :]

    def _close_full_parts(self) -> None:
        while self._left and self._left[0][0] == 0:
            if self._digest.hexdigest() != self._left.pop(0)[1]:
                raise _broken("có tệp khác với phần kê khai đã ký")
            self._digest = hashlib.sha256()


def sweep(
    places: Places, now: datetime, *, half_sent_for: timedelta, refused_for: timedelta
) -> list[Path]:
    """Take away what was begun and never came whole, and refused bundles after their days.

    ``now`` is real time. The paths of what is gone.
    """
    old = [(path, half_sent_for) for path in places.pushed.glob(f"*/.*{SUFFIX}.*.partial")] + [
        (path, refused_for) for path in refused_folder(places).glob(f"*/*{SUFFIX}")
    ]
    gone = []
    for path, longest in old:
        with suppress(FileNotFoundError):
            if now - datetime.fromtimestamp(path.stat().st_mtime, UTC) > longest:
                path.unlink()
                gone.append(path)
    return gone


def refused_folder(places: Places) -> Path:
    """Where bundles lie that were taken and not believed, by server; with machines' names."""
    return places.quarantine / "pushed"


def waiting(places: Places, server_code: str) -> list[Path]:
    """The bundles of a site that wait to be taken, the oldest first."""
    found: Iterable[Path] = signs.folder(places, server_code).glob(f"*{SUFFIX}")
    return sorted(path for path in found if not path.name.startswith("."))


def _broken(what: str) -> Refused:
    return Refused(
        400,
        "push_broken",
        f"Không nhận: gói {what}.",
        "Nơi gửi chạy lại; nếu lặp lại, kiểm tra đường truyền, máy chủ ủy quyền ở giữa và phiên bản "
        "ksc-ledger ở hai nơi.",
    )


def _minutes(skew: timedelta) -> int:
    return round(abs(skew).total_seconds() / 60)
