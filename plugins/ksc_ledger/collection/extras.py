"""What else a server is asked once its devices are read whole: keys, detections, hardware, programs.

Nothing here can spoil the load of the devices: a fault is written down beside the kind it befell.
What was read before, and up to where, is told by the manifests alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.landing import manifest
from ksc_ledger.landing.archive import Archive, RowFile
from ksc_ledger.landing.manifest import ABSENT, Extra, ExtraFault, ExtraKind, Load, LoadStatus
from ksc_ledger.settings import Places
from ksc_ledger.sources.client import KscClient
from ksc_ledger.sources.faults import CallFault, NotOffered, Trouble

log = logging.getLogger(__name__)

ALL_KINDS = tuple(ExtraKind)
OVERLAP = timedelta(hours=24)
"""So much is read again: a server's clock is set back, or two events of one second are parted."""
FIRST_LOOK = timedelta(days=30)
_DAILY = frozenset({ExtraKind.HARDWARE, ExtraKind.PRODUCTS})
_LOOK_BACK_LOADS = 100  # of complete loads without detections; then it is a first look again
_LAST_WORDS = frozenset({FaultCode.CREDENTIALS, FaultCode.SECOND_FACTOR, FaultCode.CERTIFICATE})


@dataclass(frozen=True, slots=True)
class Plan:
    """What is due now. ``newest_at``: up to where detections were read before."""

    kinds: tuple[ExtraKind, ...]
    newest_at: datetime | None
    since: datetime


@dataclass(slots=True)
class Gathered:
    """What came of it, by kind."""

    extras: dict[str, Extra] = field(default_factory=dict)
    faults: dict[str, ExtraFault] = field(default_factory=dict)


def complete_loads(places: Places, server_code: str, before: datetime) -> Iterator[Load]:
    """The complete loads of a server observed before an instant, the newest first.

    Reads manifests one by one, as far as somebody wants to know.
    """
    stop = f"{server_code}-{before.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    months = sorted((places.snapshot / server_code).glob("*/"), reverse=True)
    for month in months:
        for name in sorted((path.stem for path in month.glob("*.json")), reverse=True):
            if name >= stop:
                continue
            load = manifest.read(month / f"{name}.json")
            if load.status is LoadStatus.COMPLETE:
                yield load


def plan(
    places: Places, server_code: str, observed_at: datetime, wanted: Collection[ExtraKind]
) -> Plan:
    """What of ``wanted`` is due at an instant, from the manifests of the loads before it."""
    today = vietnamese_date(observed_at)
    done_today: set[str] = set()
    newest_at: datetime | None = None
    looked_at: datetime | None = None
    for seen, load in enumerate(complete_loads(places, server_code, observed_at), 1):
        is_today = vietnamese_date(load.observed_at) == today
        if is_today:
            done_today |= load.extras.keys()
        if looked_at is None and ExtraKind.DETECTIONS in load.extras:
            newest_at = load.extras[ExtraKind.DETECTIONS].newest_at
            looked_at = load.observed_at
        is_old_enough = not is_today or done_today >= _DAILY
        if is_old_enough and (looked_at is not None or seen >= _LOOK_BACK_LOADS):
            break
    since = observed_at - FIRST_LOOK if newest_at is None else newest_at - OVERLAP
    if newest_at is None and looked_at is not None:
        # Nothing was ever there when it was looked last, which may be longer ago than a first look.
        since = min(since, looked_at - OVERLAP)
    due = tuple(
        kind
        for kind in ALL_KINDS
        if kind in wanted
        and not (kind in _DAILY and kind in done_today)
        and not (kind is ExtraKind.LICENCE_HOSTS and ExtraKind.LICENCES not in wanted)
    )
    return Plan(due, newest_at, since)


def gather(client: KscClient, archive: Archive, due: Plan, observed_at: datetime) -> Gathered:
    """Ask for everything that is due, one kind after the other.

    Whatever goes wrong, a mistake of ours too, becomes a fault of its kind and is not raised. When
    nothing more is to be had from the server, the rest has the same fault and is not asked.
    """
    gathered = Gathered()
    asking = _Asking(client, archive, due, observed_at, gathered)
    last_word: ExtraFault | None = None
    for kind in due.kinds:
        if last_word is not None:
            gathered.faults[kind] = last_word
            continue
        try:
            _QUESTIONS[kind](asking)
        except NotOffered as fault:
            gathered.faults[kind] = ExtraFault(code=ABSENT, text=str(fault))
        except SourceFault as fault:
            gathered.faults[kind] = ExtraFault(code=fault.fault_code.value, text=str(fault))
            if _is_last_word(fault):
                last_word = gathered.faults[kind]
        except Exception as error:
            log.exception("Lỗi của hệ thống khi hỏi %s", kind.value)
            gathered.faults[kind] = _our_mistake(kind, error)
    return gathered


@dataclass(slots=True)
class _Asking:
    client: KscClient
    archive: Archive
    due: Plan
    observed_at: datetime
    gathered: Gathered
    serials: list[str] | None = None

    def keep(self, kind: ExtraKind, rows: RowFile, newest_at: datetime | None = None) -> None:
        rows.finish()
        path = self.archive.rows_path(kind)
        if path is None:
            raise ValueError(f"the rows of {kind} are not where they were put")
        self.gathered.extras[kind] = Extra(path=path, count=rows.count, newest_at=newest_at)


def _licences(asking: _Asking) -> None:
    rows = asking.archive.rows(ExtraKind.LICENCES)
    asking.serials = asking.client.licence_keys(rows)
    asking.keep(ExtraKind.LICENCES, rows)


def _licence_hosts(asking: _Asking) -> None:
    if asking.serials is None:
        # Without the keys nobody can be asked about; that fault says why.
        asking.gathered.faults[ExtraKind.LICENCE_HOSTS] = asking.gathered.faults[ExtraKind.LICENCES]
        return
    rows = asking.archive.rows(ExtraKind.LICENCE_HOSTS)
    asking.client.licence_hosts(asking.serials, rows)
    asking.keep(ExtraKind.LICENCE_HOSTS, rows)


def _detections(asking: _Asking) -> None:
    rows = asking.archive.rows(ExtraKind.DETECTIONS)
    read = asking.client.detections(asking.due.since, rows)
    known = [at for at in (asking.due.newest_at, read.newest_registered_at) if at is not None]
    # A clock that was wrong once must not make us skip what is registered until it is right.
    newest_at = min(max(known), asking.observed_at) if known else None
    asking.keep(ExtraKind.DETECTIONS, rows, newest_at)


def _hardware(asking: _Asking) -> None:
    rows = asking.archive.rows(ExtraKind.HARDWARE)
    asking.client.hardware(rows)
    asking.keep(ExtraKind.HARDWARE, rows)


def _products(asking: _Asking) -> None:
    rows = asking.archive.rows(ExtraKind.PRODUCTS)
    host_ids = asking.client.incompatible_hosts()
    read = asking.client.installed_products(host_ids, rows)
    asking.keep(ExtraKind.PRODUCTS, rows)
    if read.refused:
        asking.gathered.faults[ExtraKind.PRODUCTS] = ExtraFault(
            code=FaultCode.INCOMPLETE.value,
            text=f"Máy chủ không cho xem phần mềm của {read.refused} trong {len(host_ids)} máy có "
            "phần mềm không tương thích. Cách khắc phục: không cần làm gì nếu các máy đó vừa bị "
            "xóa khỏi KSC; lượt ngày mai sẽ hỏi lại.",
        )


_QUESTIONS: dict[ExtraKind, Callable[[_Asking], None]] = {
    ExtraKind.LICENCES: _licences,
    ExtraKind.LICENCE_HOSTS: _licence_hosts,
    ExtraKind.DETECTIONS: _detections,
    ExtraKind.HARDWARE: _hardware,
    ExtraKind.PRODUCTS: _products,
}


def _is_last_word(fault: SourceFault) -> bool:
    """Whether there is no use in asking for the next kind.

    A single answer that took too long is no reason: the next question may be easier.
    """
    if fault.fault_code is not FaultCode.UNREACHABLE:
        return fault.fault_code in _LAST_WORDS
    return not (
        isinstance(fault, CallFault) and fault.trouble is Trouble.TIMEOUT and fault.was_sent
    )


def _our_mistake(kind: ExtraKind, error: Exception) -> ExtraFault:
    return ExtraFault(
        code=FaultCode.INTERNAL.value,
        text=f"Lỗi của hệ thống ({type(error).__name__}) khi hỏi {kind.value}. Cách khắc phục: xem "
        "nhật ký của tác vụ thu thập và báo bộ phận kỹ thuật.",
    )
