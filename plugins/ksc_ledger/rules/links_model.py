"""What the link watch knows, what is in force for it, and what it may bring about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any

from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.links_evidence import Cause, WatchedServer
from ksc_ledger.rules.links_hours import OfficeHours


class LinkState(StrEnum):
    NEW = "new"
    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"
    RECOVERING = "recovering"
    UNKNOWN = "unknown"  # shown only; never the state beneath


class NoticeKind(StrEnum):
    LOST = "lost"
    ESCALATED = "escalated"
    STILL_LOST = "still_lost"
    BACK = "back"
    PROVINCE_DOWN = "province_down"
    FLAPPING = "flapping"  # step 0: it began, step 1: it ended
    COLLECTOR_BLIND = "collector_blind"
    TROUBLE = "trouble"
    DIGEST = "digest"
    SELF_TEST = "self_test"


class DelayUnit(StrEnum):
    HOUR = "hour"
    WORKING_HOUR = "working_hour"
    WORKING_DAY = "working_day"


class Window(StrEnum):
    ANY = "any"
    WORKING = "working"


# A silence of a quarter of a year is no silence any more but a server that nobody watches.
LONGEST_SILENCE = timedelta(days=92)


class MuteKind(StrEnum):
    MAINTENANCE = "maintenance"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderStep:
    """Who is told about what, and how long after the first notice could go out.

    A step with ``after`` 0 is a first contact; a later one is an escalation, which an
    acknowledgement holds back.
    """

    kind: NoticeKind
    step: int
    role: str
    after: int = 0
    after_unit: DelayUnit = DelayUnit.HOUR
    window: Window = Window.ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """A planned window or a silence of one server: from ``from_at`` until before ``to_at``."""

    kind: MuteKind
    server_code: str
    from_at: datetime
    to_at: datetime

    def covers(self, server_code: str, at: datetime) -> bool:
        return self.server_code == server_code and self.from_at <= at < self.to_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The watch's thresholds; a registry row may change each."""

    k_down: int = 3
    t_down: timedelta = timedelta(minutes=15)
    k_up: int = 2
    t_up: timedelta = timedelta(minutes=10)
    unknown_after: timedelta = timedelta(minutes=15)
    settle_ticks: int = 2
    word_max_age: timedelta = timedelta(minutes=35)
    reminders: tuple[timedelta, ...] = (
        timedelta(hours=4),
        timedelta(hours=12),
        timedelta(hours=24),
    )
    # Weighted share of changes among the newest results, as Icinga counts it.
    flap_results: int = 20
    flap_start: float = 0.30
    flap_end: float = 0.25
    # A link that breaks slowly but often flaps as well, until it breaks seldom.
    flap_outages: int = 6
    flap_outages_end: int = 3
    flap_outages_within: timedelta = timedelta(hours=24)
    # How long flapping lasts at least, and how long it may hold the notice of an outage.
    flap_min: timedelta = timedelta(hours=2)
    blind_repeat_after: timedelta = timedelta(hours=4)
    trouble_repeat_after: timedelta = timedelta(hours=24)
    digest_at: time = time(8, 0)

    def __post_init__(self) -> None:
        zero = timedelta()
        reminders = (zero, *self.reminders)
        holds = (
            (self.k_down >= 1, "k_down"),
            (self.k_up >= 1, "k_up"),
            (self.t_down >= zero, "t_down"),
            (self.t_up >= zero, "t_up"),
            (self.unknown_after > zero, "unknown_after"),
            (self.settle_ticks >= 0, "settle_ticks"),
            (self.word_max_age >= zero, "word_max_age"),
            (all(low < high for low, high in pairwise(reminders)), "reminders"),
            (self.flap_results >= 2, "flap_results"),
            (0 < self.flap_end <= self.flap_start < 1, "flap_start, flap_end"),
            (1 <= self.flap_outages_end <= self.flap_outages, "flap_outages, flap_outages_end"),
            (self.flap_outages_within > zero, "flap_outages_within"),
            (self.flap_min >= zero, "flap_min"),
            (self.blind_repeat_after >= zero, "blind_repeat_after"),
            (self.trouble_repeat_after >= zero, "trouble_repeat_after"),
        )
        wrong = ", ".join(name for is_held, name in holds if not is_held)
        if wrong:
            raise LedgerError(
                "link_limits_wrong",
                f"Ngưỡng theo dõi kết nối không hợp lệ: {wrong}.",
                "Số lần xác nhận phải từ 1 trở lên, khoảng thời gian không âm, các mốc nhắc lại "
                "tăng dần, ngưỡng hết chập chờn không lớn hơn ngưỡng bắt đầu.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is in force for one estate. ``unit_code`` and ``place`` are the estate's own.

    ``server_limits``: of servers that are judged otherwise than the estate's others.
    """

    estate_code: str
    unit_code: str
    place: str
    servers: tuple[WatchedServer, ...]
    ladder: tuple[LadderStep, ...]
    hours: OfficeHours
    mutes: tuple[Mute, ...] = ()
    limits: Limits = field(default_factory=Limits)
    server_limits: Mapping[str, Limits] = field(default_factory=dict)

    def limits_of(self, server_code: str) -> Limits:
        return self.server_limits.get(server_code, self.limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A role that was told about an outage, and how many reminders it has had."""

    step: int
    role: str
    at: datetime
    reminders: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A confirmed loss.

    ``started_at`` is the first evidence of loss. ``released_at`` is when its first notice was
    free to go; the delays of the ladder count from there.
    """

    incident_id: str
    started_at: datetime
    confirmed_at: datetime
    cause: Cause
    inhibited_by: str | None = None
    is_in_maintenance: bool = False
    was_never_connected: bool = False
    released_at: datetime | None = None
    told: tuple[Told, ...] = ()
    acknowledged_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flapping:
    incident_id: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Trouble between us and a console; ``count`` is the ticks that saw it in a row."""

    cause: Cause
    since: datetime
    count: int = 1
    is_told: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """How a link is shown from ``started_at`` on, until the next interval."""

    started_at: datetime
    state: LinkState
    cause: Cause | None = None
    is_maintenance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One server's link.

    ``changes`` holds a 1 for each of the newest results that differed from the one before it,
    oldest first. The sequence numbers only ever grow, also over a retirement.
    """

    server_code: str
    state: LinkState = LinkState.NEW
    bad_count: int = 0
    bad_since: datetime | None = None
    good_count: int = 0
    good_since: datetime | None = None
    evidence_at: datetime | None = None
    last_contact_at: datetime | None = None
    cause: Cause | None = None
    was_lost: bool | None = None
    changes: str = ""
    settle_left: int = 0
    outage: Outage | None = None
    outage_seq: int = 0
    outages_at: tuple[datetime, ...] = ()
    flapping: Flapping | None = None
    flapping_seq: int = 0
    trouble: Trouble | None = None
    trouble_seq: int = 0
    trouble_told: tuple[tuple[Cause, datetime], ...] = ()
    interval: Interval | None = None
    is_retired: bool = False

    @property
    def is_inhibiting(self) -> bool:
        """Whether children hold their notices: already on suspicion, and until it has settled."""
        return (
            self.bad_count > 0
            or self.settle_left > 0
            or self.state in (LinkState.DOWN, LinkState.RECOVERING)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """The state of one estate's link watch; ``links`` are sorted by server."""

    estate_code: str
    ticked_at: datetime | None = None
    links: tuple[Link, ...] = ()
    blind_since: datetime | None = None
    blind_seq: int = 0
    is_blind_told: bool = False
    blind_told_at: datetime | None = None
    digest_on: date | None = None
    self_test_on: date | None = None

    def link(self, server_code: str) -> Link | None:
        return next((link for link in self.links if link.server_code == server_code), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageOpened:
    server_code: str
    outage: Outage


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageClosed:
    """``is_retired``: the server left the registry; nobody may be told that it is back."""

    incident_id: str
    server_code: str
    ended_at: datetime
    is_retired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalOpened:
    """Ends the interval before it; one that began at the same instant is replaced."""

    server_code: str
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalClosed:
    server_code: str
    ended_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One mail to one role, unique by (incident_id, kind, step, role).

    ``facts`` are JSON values for the template, instants in ISO 8601.
    """

    kind: NoticeKind
    incident_id: str
    step: int
    role: str
    unit_code: str
    created_at: datetime
    server_code: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


Effect = OutageOpened | OutageClosed | IntervalOpened | IntervalClosed | Notice


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance:
    """``has_moved`` is false when the tick was a replay, a backfill or too old to count."""

    watch: Watch
    effects: tuple[Effect, ...] = ()
    has_moved: bool = True
