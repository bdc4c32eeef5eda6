"""One attempt to read one server whole, and its record.

What a server does wrong becomes a Load with a fault, never an exception: one bad server must
not stop the others. A mistake of ours is recorded the same way and then raised.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from ksc_ledger.clock import Clock
from ksc_ledger.collection import extras, shape
from ksc_ledger.collection.extras import Gathered
from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.landing import manifest
from ksc_ledger.landing.archive import Archive
from ksc_ledger.landing.manifest import ABSENT, ExtraKind, Load, LoadStatus
from ksc_ledger.settings import Places
from ksc_ledger.sources.client import KscClient, ServerInfo
from ksc_ledger.sources.endpoint import Budget, Endpoint

log = logging.getLogger(__name__)

ZERO_IS_STRANGE_FROM = 10
"""A server that had so many devices is not believed when it says that it has none."""


@dataclass(frozen=True, slots=True)
class PreviousLoad:
    """What is known of a server's last complete load."""

    rows_read_count: int
    observed_at: datetime
    drift: Mapping[str, int] | None = None


def last_complete(places: Places, server_code: str, before: datetime) -> PreviousLoad | None:
    """The newest complete load of a server observed before an instant; None if there is none.

    Reads manifests from the newest back to the first complete one, as a rule one file.
    """
    load = next(extras.complete_loads(places, server_code, before), None)
    if load is None:
        return None
    return PreviousLoad(load.rows_read_count, load.observed_at, load.drift)


def collect_server(
    endpoint: Endpoint,
    *,
    estate_code: str,
    places: Places,
    budget: Budget,
    chunk_size: int,
    as_of_at: datetime,
    clock: Clock,
    fence: int = 0,
    previous: PreviousLoad | None = None,
    land: Callable[[Load, Places], object] = manifest.write,
    sleep: Callable[[float], None] = time.sleep,
    kinds: Collection[ExtraKind] = extras.ALL_KINDS,
) -> Load:
    """Read a server, write its raw files, then its manifest through ``land``.

    ``kinds``: what to ask beside the devices, where it is due and the server offers it.
    Never raises on account of the server: the Load says what was wrong (``fault_text`` with its
    remedy, in Vietnamese, without secrets).
    """
    observed_at = clock.now()
    attempt = _Attempt(
        Load(
            load_id="",
            estate_code=estate_code,
            server_code=endpoint.server_code,
            as_of_at=as_of_at,
            observed_at=observed_at,
            collected_at=datetime.now(UTC),
            status=LoadStatus.FAILED,
            fence=fence,
        )
    )
    archive = Archive(places, endpoint.server_code, observed_at)
    try:
        due = extras.plan(places, endpoint.server_code, observed_at, kinds)
        with archive:
            try:
                with KscClient(
                    endpoint, budget, archive, clock.now, chunk_size=chunk_size, sleep=sleep
                ) as client:
                    _read(client, archive, attempt, endpoint, previous)
                    attempt.gathered = extras.gather(client, archive, due, observed_at)
            except SourceFault as fault:
                attempt.fault = fault
    except Exception as error:
        # The exception's own text may hold anything; it goes to the log by being raised.
        attempt.fault = _our_mistake(endpoint, error)
        attempt.take(archive)
        land(attempt.load(), places)
        raise
    attempt.take(archive)
    load = attempt.load()
    land(load, places)
    if load.fault_text:
        log.warning("%s: %s", load.load_id, load.fault_text)
    for kind, missing in load.extra_faults.items():
        level = logging.INFO if missing.code == ABSENT else logging.WARNING
        log.log(level, "%s, %s: %s", load.load_id, kind, missing.text)
    return load


def failed_load(
    endpoint: Endpoint,
    fault: SourceFault,
    *,
    estate_code: str,
    as_of_at: datetime,
    clock: Clock,
    fence: int = 0,
) -> Load:
    """The Load of an attempt that ended before it asked anything. Not written anywhere."""
    attempt = _Attempt(
        Load(
            load_id="",
            estate_code=estate_code,
            server_code=endpoint.server_code,
            as_of_at=as_of_at,
            observed_at=clock.now(),
            collected_at=datetime.now(UTC),
            status=LoadStatus.FAILED,
            fence=fence,
        ),
        fault=fault,
    )
    return attempt.load()


@dataclass(slots=True)
class _Attempt:
    """What is known so far; becomes the Load whatever happens next."""

    begun: Load
    fault: SourceFault | None = None
    info: ServerInfo | None = None
    expected: int | None = None
    read: int = 0
    content_sha256: str | None = None
    raw_path: str | None = None
    hosts_path: str | None = None
    groups_path: str | None = None
    gathered: Gathered = field(default_factory=Gathered)
    drift: Mapping[str, int] | None = None
    verdicts: tuple[dict[str, Any], ...] = ()

    def take(self, archive: Archive) -> None:
        """Note what the archive holds."""
        hosts = archive.rows("hosts")
        self.expected = hosts.expected
        self.read = hosts.count
        self.raw_path = archive.raw_path
        self.hosts_path = archive.rows_path("hosts")
        self.groups_path = archive.rows_path("groups")

    def load(self) -> Load:
        fault, info = self.fault, self.info
        gathered = self.gathered if fault is None else Gathered()
        if fault is None:
            content = self.content_sha256 or ""
        else:
            content = f"{fault.fault_code.value}|{fault}"
        return manifest.changed(
            self.begun,
            load_id=manifest.load_id_of(self.begun.server_code, self.begun.observed_at, content),
            status=self._status(),
            rows_expected_count=self.expected,
            rows_read_count=self.read,
            content_sha256=self.content_sha256,
            fault_code=None if fault is None else fault.fault_code.value,
            fault_text=None if fault is None else str(fault),
            product_version=None if info is None else info.product_version,
            clock_skew_seconds=None if info is None else info.clock_skew_seconds,
            raw_path=self.raw_path,
            hosts_path=self.hosts_path,
            groups_path=self.groups_path,
            extras=gathered.extras,
            extra_faults=gathered.faults,
            drift=self.drift,
            verdicts=self.verdicts,
        )

    def _status(self) -> LoadStatus:
        if self.fault is None:
            return LoadStatus.COMPLETE
        code = self.fault.fault_code
        is_partial = self.read > 0 or code in (FaultCode.INCOMPLETE, FaultCode.SUSPICIOUS)
        if is_partial and code is not FaultCode.INTERNAL:
            return LoadStatus.INCOMPLETE
        return LoadStatus.FAILED


def _read(
    client: KscClient,
    archive: Archive,
    attempt: _Attempt,
    endpoint: Endpoint,
    previous: PreviousLoad | None,
) -> None:
    attempt.info = client.server_info()
    groups = client.groups()
    sink = archive.rows("groups")
    sink.begin(len(groups))
    sink.write([msgspec.json.encode(group) for group in groups])
    hosts = archive.rows("hosts")
    found = client.hosts(hosts)
    is_strange = previous is not None and previous.rows_read_count >= ZERO_IS_STRANGE_FROM
    if is_strange and found.read == 0:
        found = client.hosts(hosts)  # it may have been starting up: ask once more before judging
    sink.finish()
    hosts.finish()
    attempt.content_sha256 = found.content_sha256
    known = None if previous is None else previous.drift
    # Without a row there is no shape; what was usual before still is.
    attempt.drift = found.drift if found.read else known
    attempt.verdicts = shape.changes(found.drift, known)
    if is_strange and previous is not None and found.read == 0:
        raise _strange_zero(endpoint, previous)


def _strange_zero(endpoint: Endpoint, previous: PreviousLoad) -> SourceFault:
    return SourceFault(
        FaultCode.SUSPICIOUS,
        f"Máy chủ {endpoint.label} hai lần báo không có máy nào, trong khi lần đủ gần nhất có "
        f"{previous.rows_read_count} máy.",
        "Hệ thống giữ số liệu cũ. Kiểm tra cơ sở dữ liệu và quyền xem nhóm của tài khoản thu thập "
        "trên KSC; nếu máy chủ đã thôi dùng thì ghi ngày kết thúc vào danh mục máy chủ.",
    )


def _our_mistake(endpoint: Endpoint, error: Exception) -> SourceFault:
    return SourceFault(
        FaultCode.INTERNAL,
        f"Lỗi của hệ thống ({type(error).__name__}) khi thu thập máy chủ {endpoint.label}.",
        "Xem nhật ký của tác vụ thu thập và báo bộ phận kỹ thuật.",
    )
