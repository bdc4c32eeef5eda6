"""The link watch: from what was seen to what is true and who must be told, as one pure function.

``advance(watch, tick, policy, now)`` takes the state of one estate's links, the evidence of one
tick and the policy in force, and gives the next state and the effects to be committed with it. It
looks at no clock and touches nothing. The same tick again, a late one, a rebuild or a backfill
gives back the state unchanged and no effect.

NEW, UP, SUSPECT, DOWN and RECOVERING are the states a link moves through; UNKNOWN is how a link is
shown while nothing is known, with its state and counters kept beneath. Flapping, maintenance,
silence, inhibition and acknowledgement lie over the states and only decide who is told and when:
what happened is recorded all the same.

A mail that says "lost" leaves only on a tick whose evidence says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from ksc_ledger.clock import VIETNAM, vietnamese_date
from ksc_ledger.rules.links_evidence import (
    Cause,
    Judgement,
    Role,
    Tick,
    Verdict,
    WatchedServer,
    judge,
)
from ksc_ledger.rules.links_model import (
    Advance,
    DelayUnit,
    Effect,
    Flapping,
    Interval,
    IntervalClosed,
    IntervalOpened,
    LadderStep,
    Limits,
    Link,
    LinkState,
    MuteKind,
    Notice,
    NoticeKind,
    Outage,
    OutageClosed,
    OutageOpened,
    Policy,
    Told,
    Trouble,
    Watch,
    Window,
)

_INCIDENTS = UUID("6f9b3a52-8f0e-5d0a-9c38-6f4f5d6f1c11")


def incident_id_of(subject: str, code: str, number: int | str) -> str:
    """The id of an incident: the same on every machine and after every retry."""
    return str(uuid5(_INCIDENTS, f"{subject}/{code}/{number}"))


def advance(watch: Watch, tick: Tick, policy: Policy, now: datetime) -> Advance:
    """Move the watch of one estate by one tick.

    Counters and durations follow the evidence's instant ``tick.at``; ladders, windows and the
    digest follow ``now``. Evidence older than the time after which a link counts as unknown is
    old news and moves nothing.
    """
    if tick.at > now:
        raise ValueError(f"the tick at {tick.at} lies after now, {now}")
    is_replay = watch.ticked_at is not None and tick.at <= watch.ticked_at
    if tick.is_backfill or is_replay or now - tick.at > policy.limits.unknown_after:
        return Advance(watch=watch, has_moved=False)
    judged = judge(tick, policy.servers, word_max_age=policy.limits.word_max_age)
    links = {link.server_code: link for link in watch.links}
    effects: list[Effect] = []
    for server in _parents_first(policy.servers):
        parent = links.get(server.parent_code) if server.parent_code else None
        step = _Step(policy=policy, server=server, at=tick.at, now=now, parent=parent)
        link = links.get(server.server_code)
        links[server.server_code] = step.run(_started(link, server), judged[server.server_code])
        effects += step.effects
    watched = {server.server_code for server in policy.servers}
    for code in sorted(links.keys() - watched):
        links[code], closing = _retired(links[code], tick.at)
        effects += closing
    moved = replace(
        watch,
        ticked_at=tick.at,
        links=tuple(links[code] for code in sorted(links)),
    )
    is_blind = bool(judged) and all(
        judgement.verdict is Verdict.NO_EVIDENCE for judgement in judged.values()
    )
    for part in (_blindness(moved, is_blind, tick.at, policy, now), _regular(moved, policy, now)):
        moved = replace(moved, **part.changes)
        effects += part.notices
    return Advance(watch=moved, effects=tuple(effects))


def wants_word(watch: Watch, limits: Limits) -> bool:
    """Whether the province should be asked in the next tick though its question is not due.

    Only a fresh word counts against a district. It is wanted while a loss or a recovery waits to
    be confirmed, while a link is down, and as soon as a link that was known gave no evidence: its
    console did not answer, and nobody has said why.
    """
    if watch.ticked_at is None:
        return True
    for link in watch.links:
        silent_for = watch.ticked_at - (link.evidence_at or watch.ticked_at)
        if link.bad_count > 0 or timedelta() < silent_for <= limits.word_max_age:
            return True
    return False


@dataclass(slots=True, kw_only=True)
class _Step:
    """One server's part of a tick."""

    policy: Policy
    server: WatchedServer
    at: datetime
    now: datetime
    parent: Link | None
    effects: list[Effect] = field(default_factory=list)

    def run(self, link: Link, judged: Judgement) -> Link:
        if link.interval is None:
            link = self._show(link, LinkState.NEW, None)
        link = self._note_silence(link, judged)
        has_evidence = judged.verdict is not Verdict.NO_EVIDENCE
        if has_evidence:
            before = link
            link = self._count(link, judged)
            link = self._follow_outage(before, link)
            link = self._count_changes(link, is_lost=judged.verdict is Verdict.LOST)
        link = self._follow_trouble(link, judged)
        if has_evidence:
            link = self._follow_flapping(link)
            if judged.verdict is Verdict.LOST and link.outage is not None:
                link = self._tell(link, link.outage)
            shown, cause = link.state, link.cause
            if link.state is LinkState.UP:
                cause = link.trouble.cause if link.trouble else None
            link = self._show(link, shown, cause)
        elif link.interval is not None and link.interval.is_maintenance != self._is_in_maintenance:
            link = self._show(link, link.interval.state, link.interval.cause)
        return link

    @property
    def _limits(self) -> Limits:
        return self.policy.limits_of(self.server.server_code)

    # What is true

    def _note_silence(self, link: Link, judged: Judgement) -> Link:
        """Show the link as unknown from its last evidence on, once that is long enough ago."""
        interval = link.interval
        if interval is None or interval.state is LinkState.UNKNOWN:
            return link
        known_until = link.evidence_at or interval.started_at
        if self.at - known_until < self._limits.unknown_after:
            return link
        is_back = judged.verdict is not Verdict.NO_EVIDENCE
        cause = Cause.COLLECTOR if is_back else judged.cause
        since = max(interval.started_at, known_until)
        return self._show(link, LinkState.UNKNOWN, cause, since=since)

    def _count(self, link: Link, judged: Judgement) -> Link:
        """Let one piece of evidence move the counters and perhaps the state."""
        limits = self._limits
        link = replace(
            link,
            evidence_at=self.at,
            last_contact_at=judged.last_contact_at or link.last_contact_at,
            settle_left=max(0, link.settle_left - 1),
        )
        if judged.verdict is Verdict.LOST:
            link = replace(link, cause=judged.cause)
            if link.state in (LinkState.DOWN, LinkState.RECOVERING):
                return replace(link, state=LinkState.DOWN, good_count=0, good_since=None)
            count, since = link.bad_count + 1, link.bad_since or self.at
            state = LinkState.NEW if link.state is LinkState.NEW else LinkState.SUSPECT
            if count >= limits.k_down and self.at - since >= limits.t_down:
                state = LinkState.DOWN
            return replace(link, state=state, bad_count=count, bad_since=since)
        if link.state in (LinkState.DOWN, LinkState.RECOVERING):
            count, since = link.good_count + 1, link.good_since or self.at
            if count < limits.k_up or self.at - since < limits.t_up:
                return replace(link, state=LinkState.RECOVERING, good_count=count, good_since=since)
        has_recovered = link.bad_count > 0
        return replace(
            link,
            state=LinkState.UP,
            cause=None,
            bad_count=0,
            bad_since=None,
            good_count=0,
            good_since=None,
            settle_left=limits.settle_ticks if has_recovered else link.settle_left,
        )

    def _follow_outage(self, before: Link, link: Link) -> Link:
        """Open the outage that was just confirmed, or close the one that is over."""
        is_confirmed = link.state is LinkState.DOWN and link.outage is None
        if is_confirmed and link.bad_since is not None and link.cause is not None:
            number = link.outage_seq + 1
            outage = Outage(
                incident_id=incident_id_of("outage", link.server_code, number),
                started_at=link.bad_since,
                confirmed_at=self.at,
                cause=link.cause,
                inhibited_by=self.server.parent_code if self._is_inhibited else None,
                is_in_maintenance=self._is_in_maintenance,
                was_never_connected=before.state is LinkState.NEW,
            )
            self.effects.append(OutageOpened(server_code=link.server_code, outage=outage))
            return replace(
                link, outage=outage, outage_seq=number, outages_at=(*link.outages_at, self.at)
            )
        if link.state is LinkState.UP and link.outage is not None:
            outage = link.outage
            ended_at = before.good_since or self.at
            self.effects.append(
                OutageClosed(
                    incident_id=outage.incident_id,
                    server_code=link.server_code,
                    ended_at=ended_at,
                )
            )
            # Exactly those who were told, whatever lies over the link now: a truth is not left
            # half told.
            for role in dict.fromkeys(told.role for told in outage.told):
                self._notify(
                    NoticeKind.BACK,
                    outage.incident_id,
                    0,
                    role,
                    started_at=outage.started_at.isoformat(),
                    ended_at=ended_at.isoformat(),
                    duration_seconds=int((ended_at - outage.started_at).total_seconds()),
                    cause=outage.cause.value,
                )
            return replace(link, outage=None)
        return link

    def _count_changes(self, link: Link, *, is_lost: bool) -> Link:
        """Remember whether this result differed from the one before it."""
        limits = self._limits
        window = limits.flap_outages_within
        is_change = link.was_lost is not None and is_lost != link.was_lost
        # What a province in trouble says about its districts is not their own unrest.
        changes = link.changes if self._is_inhibited else f"{link.changes}{int(is_change)}"
        return replace(
            link,
            was_lost=is_lost,
            changes=changes[-limits.flap_results :],
            outages_at=tuple(at for at in link.outages_at if self.at - at < window),
        )

    def _follow_trouble(self, link: Link, judged: Judgement) -> Link:
        """Count our own trouble with the console; tell the engineers once it is certain."""
        if not judged.is_trouble_known:
            return link
        if judged.trouble is None:
            return replace(link, trouble=None)
        limits = self._limits
        trouble = link.trouble
        if trouble is None or trouble.cause is not judged.trouble:
            trouble = Trouble(cause=judged.trouble, since=self.at)
        else:
            trouble = replace(trouble, count=trouble.count + 1)
        is_certain = trouble.cause is not Cause.PATH or (
            trouble.count >= limits.k_down and self.at - trouble.since >= limits.t_down
        )
        told_before = dict(link.trouble_told)
        was_told_lately = (
            trouble.cause in told_before
            and self.now - told_before[trouble.cause] < limits.trouble_repeat_after
        )
        if is_certain and not trouble.is_told and not self._is_muted:
            trouble = replace(trouble, is_told=True)
            if not was_told_lately:
                number = link.trouble_seq + 1
                told_before[trouble.cause] = self.now
                link = replace(
                    link, trouble_seq=number, trouble_told=tuple(sorted(told_before.items()))
                )
                self._notify_all(
                    NoticeKind.TROUBLE,
                    incident_id_of("trouble", link.server_code, number),
                    since=trouble.since.isoformat(),
                    cause=trouble.cause.value,
                )
        return replace(link, trouble=trouble)

    def _follow_flapping(self, link: Link) -> Link:
        limits = self._limits
        score = flap_score(link.changes, limits.flap_results)
        breaks = len(link.outages_at)
        if link.flapping is None:
            is_muted = self._is_muted or self._is_inhibited
            if is_muted or not (score > limits.flap_start or breaks >= limits.flap_outages):
                return link
            number = link.flapping_seq + 1
            flapping = Flapping(
                incident_id=incident_id_of("flapping", link.server_code, number), since=self.at
            )
            link = replace(link, flapping=flapping, flapping_seq=number)
            self._notify_all(NoticeKind.FLAPPING, flapping.incident_id, state=link.state.value)
            return link
        has_calmed = score < limits.flap_end and breaks < limits.flap_outages_end
        if not has_calmed or self.at - link.flapping.since < limits.flap_min:
            return link
        self._notify_all(
            NoticeKind.FLAPPING,
            link.flapping.incident_id,
            step=1,
            state=link.state.value,
            since=link.flapping.since.isoformat(),
            ended_at=self.at.isoformat(),
        )
        return replace(link, flapping=None)

    # Who must be told

    @property
    def _is_inhibited(self) -> bool:
        return self.parent is not None and self.parent.is_inhibiting

    @property
    def _is_in_maintenance(self) -> bool:
        return any(
            mute.kind is MuteKind.MAINTENANCE and mute.covers(self.server.server_code, self.at)
            for mute in self.policy.mutes
        )

    @property
    def _is_muted(self) -> bool:
        return any(mute.covers(self.server.server_code, self.now) for mute in self.policy.mutes)

    def _tell(self, link: Link, outage: Outage) -> Link:
        """Send what is due of an outage's ladder and reminders, unless something holds it."""
        is_young = self.at - outage.started_at < self._limits.flap_min
        if self._is_muted or self._is_inhibited or (link.flapping is not None and is_young):
            return link
        since = outage.released_at or self.now
        is_acknowledged = (
            outage.acknowledged_until is not None and self.now < outage.acknowledged_until
        )
        outage = replace(outage, released_at=since)
        outage = self._climb(outage, link, since, is_acknowledged=is_acknowledged)
        if not is_acknowledged:
            outage = self._remind(outage, link)
        return replace(link, outage=outage)

    def _climb(
        self, outage: Outage, link: Link, since: datetime, *, is_acknowledged: bool
    ) -> Outage:
        kind = self._loss_kind
        told = {(one.step, one.role) for one in outage.told}
        for step in self._steps(kind):
            is_escalation = step.after > 0
            if (step.step, step.role) in told or (is_escalation and is_acknowledged):
                continue
            if not self._is_due(step, since):
                continue
            self._notify(
                NoticeKind.ESCALATED if is_escalation else kind,
                outage.incident_id,
                step.step,
                step.role,
                **self._loss_facts(outage, link),
            )
            newly = Told(step=step.step, role=step.role, at=self.now)
            outage = replace(outage, told=(*outage.told, newly))
        return outage

    def _remind(self, outage: Outage, link: Link) -> Outage:
        """Remind every role that was told. Of several reminders missed only the newest goes."""
        windows = {(step.step, step.role): step.window for step in self._steps(self._loss_kind)}
        reminded: list[Told] = []
        for told in outage.told:
            is_open = windows.get(
                (told.step, told.role)
            ) is not Window.WORKING or self.policy.hours.is_open(self.now)
            due = sum(self.now - told.at >= after for after in self._limits.reminders)
            if is_open and due > told.reminders:
                self._notify(
                    NoticeKind.STILL_LOST,
                    outage.incident_id,
                    due,
                    told.role,
                    **self._loss_facts(outage, link),
                )
                told = replace(told, reminders=due)
            reminded.append(told)
        return replace(outage, told=tuple(reminded))

    @property
    def _loss_kind(self) -> NoticeKind:
        is_province = self.server.role is Role.PROVINCE
        return NoticeKind.PROVINCE_DOWN if is_province else NoticeKind.LOST

    def _is_due(self, step: LadderStep, since: datetime) -> bool:
        hours = self.policy.hours
        match step.after_unit:
            case DelayUnit.HOUR:
                due_at = since + timedelta(hours=step.after)
            case DelayUnit.WORKING_HOUR:
                due_at = hours.after_hours(since, timedelta(hours=step.after))
            case DelayUnit.WORKING_DAY:
                due_at = hours.after_days(since, step.after)
        return self.now >= due_at and (step.window is Window.ANY or hours.is_open(self.now))

    def _loss_facts(self, outage: Outage, link: Link) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "started_at": outage.started_at.isoformat(),
            "confirmed_at": outage.confirmed_at.isoformat(),
            "cause": (link.cause or outage.cause).value,
            "last_contact_at": link.last_contact_at.isoformat() if link.last_contact_at else None,
            "was_never_connected": outage.was_never_connected,
            "is_in_maintenance": outage.is_in_maintenance,
            "was_inhibited": outage.inhibited_by is not None,
            "lasted_seconds": int((self.at - outage.started_at).total_seconds()),
        }
        if self.server.role is Role.PROVINCE:
            facts["districts"] = sorted(
                server.place
                for server in self.policy.servers
                if server.parent_code == self.server.server_code
            )
        return facts

    def _steps(self, kind: NoticeKind) -> list[LadderStep]:
        return _steps_of(self.policy, kind)

    def _notify_all(
        self, kind: NoticeKind, incident_id: str, *, step: int = 0, **facts: Any
    ) -> None:
        for role in _roles_of(self.policy, kind):
            self._notify(kind, incident_id, step, role, **facts)

    def _notify(
        self, kind: NoticeKind, incident_id: str, step: int, role: str, **facts: Any
    ) -> None:
        self.effects.append(
            Notice(
                kind=kind,
                incident_id=incident_id,
                step=step,
                role=role,
                unit_code=self.server.unit_code,
                created_at=self.now,
                server_code=self.server.server_code,
                facts={"place": self.server.place, **facts},
            )
        )

    # What is shown

    def _show(
        self, link: Link, state: LinkState, cause: Cause | None, since: datetime | None = None
    ) -> Link:
        interval = Interval(
            started_at=since or self.at,
            state=state,
            cause=cause,
            is_maintenance=self._is_in_maintenance,
        )
        shown = link.interval
        if shown is not None and replace(interval, started_at=shown.started_at) == shown:
            return link
        self.effects.append(IntervalOpened(server_code=link.server_code, interval=interval))
        return replace(link, interval=interval)


@dataclass(frozen=True, slots=True)
class _Part:
    """What one concern of the whole estate changes and sends."""

    changes: dict[str, Any]
    notices: tuple[Notice, ...] = ()


def _blindness(watch: Watch, is_blind: bool, at: datetime, policy: Policy, now: datetime) -> _Part:
    """Say once that nothing at all can be seen; the districts hear nothing of it."""
    if not is_blind:
        return _Part({"blind_since": None, "is_blind_told": False})
    since = watch.blind_since or at
    changes: dict[str, Any] = {"blind_since": since}
    if watch.is_blind_told or at - since < policy.limits.unknown_after:
        return _Part(changes)
    changes["is_blind_told"] = True
    last = watch.blind_told_at
    if last is not None and now - last < policy.limits.blind_repeat_after:
        return _Part(changes)
    number = watch.blind_seq + 1
    notices = _estate_notices(
        policy,
        NoticeKind.COLLECTOR_BLIND,
        incident_id_of("blind", policy.estate_code, number),
        now,
        since=since.isoformat(),
        server_count=len(policy.servers),
    )
    return _Part({**changes, "blind_seq": number, "blind_told_at": now}, notices)


def _regular(watch: Watch, policy: Policy, now: datetime) -> _Part:
    """The daily digest, when there is something to say, and the weekly self-test."""
    today = vietnamese_date(now)
    if now.astimezone(VIETNAM).time() < policy.limits.digest_at:
        return _Part({})
    changes: dict[str, Any] = {}
    notices: tuple[Notice, ...] = ()
    if watch.digest_on != today:
        changes["digest_on"] = today
        rows = _digest_rows(watch, policy)
        if rows:
            incident_id = incident_id_of("digest", policy.estate_code, today.isoformat())
            notices += _estate_notices(policy, NoticeKind.DIGEST, incident_id, now, rows=rows)
    monday = today - timedelta(days=today.weekday())
    if watch.self_test_on != monday:
        changes["self_test_on"] = monday
        incident_id = incident_id_of("self-test", policy.estate_code, monday.isoformat())
        notices += _estate_notices(
            policy,
            NoticeKind.SELF_TEST,
            incident_id,
            now,
            watched_count=len(policy.servers),
            up_count=sum(
                link.interval is not None and link.interval.state is LinkState.UP
                for link in watch.links
            ),
        )
    return _Part(changes, notices)


def _digest_rows(watch: Watch, policy: Policy) -> list[dict[str, Any]]:
    """One row a server that is not simply connected: the outages first, the longest first."""
    places = {server.server_code: server.place for server in policy.servers}
    rows: list[dict[str, Any]] = []
    for link in watch.links:
        if link.is_retired or link.interval is None:
            continue
        shown, since, cause = link.interval.state, link.interval.started_at, link.interval.cause
        if link.outage is not None:
            since, cause = link.outage.started_at, link.outage.cause
        is_quiet = shown in (LinkState.UP, LinkState.NEW, LinkState.SUSPECT)
        if link.outage is None and is_quiet and not link.flapping and not link.trouble:
            continue
        rows.append(
            {
                "place": places[link.server_code],
                "state": shown.value,
                "since": since.astimezone(UTC).isoformat(),
                "cause": cause.value if cause else None,
                "is_lost": link.outage is not None,
                "is_flapping": link.flapping is not None,
            }
        )
    return sorted(rows, key=lambda row: (not row["is_lost"], row["since"], row["place"]))


def flap_score(changes: str, results: int) -> float:
    """The share of changes among the newest ``results`` results, newer ones weighing more."""
    first = results - len(changes)
    weights = (
        0.8 + 0.4 * (first + place) / results
        for place, change in enumerate(changes)
        if change == "1"
    )
    return sum(weights) / results


def _estate_notices(
    policy: Policy, kind: NoticeKind, incident_id: str, now: datetime, **facts: Any
) -> tuple[Notice, ...]:
    return tuple(
        Notice(
            kind=kind,
            incident_id=incident_id,
            step=0,
            role=role,
            unit_code=policy.unit_code,
            created_at=now,
            facts={"place": policy.place, **facts},
        )
        for role in _roles_of(policy, kind)
    )


def _steps_of(policy: Policy, kind: NoticeKind) -> list[LadderStep]:
    steps = (step for step in policy.ladder if step.kind is kind)
    return sorted(steps, key=lambda step: (step.step, step.role))


def _roles_of(policy: Policy, kind: NoticeKind) -> list[str]:
    return sorted({step.role for step in policy.ladder if step.kind is kind})


def _parents_first(servers: Iterable[WatchedServer]) -> list[WatchedServer]:
    return sorted(servers, key=lambda one: (one.parent_code is not None, one.server_code))


def _started(link: Link | None, server: WatchedServer) -> Link:
    """The link as the tick finds it; one that comes back from retirement begins anew."""
    if link is None:
        return Link(server_code=server.server_code)
    if not link.is_retired:
        return link
    return replace(link, is_retired=False)


def _retired(link: Link, at: datetime) -> tuple[Link, list[Effect]]:
    """End everything about a server that left the registry, without calling it back."""
    if link.is_retired:
        return link, []
    effects: list[Effect] = []
    if link.outage is not None:
        effects.append(
            OutageClosed(
                incident_id=link.outage.incident_id,
                server_code=link.server_code,
                ended_at=at,
                is_retired=True,
            )
        )
    effects.append(IntervalClosed(server_code=link.server_code, ended_at=at))
    ended = Link(
        server_code=link.server_code,
        outage_seq=link.outage_seq,
        flapping_seq=link.flapping_seq,
        trouble_seq=link.trouble_seq,
        is_retired=True,
    )
    return ended, effects
