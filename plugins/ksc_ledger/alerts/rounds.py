"""One tick of every estate: side by side, and over in time however many servers are silent.

Looking costs time and little else, so several estates are looked at together; deciding and writing
is done here, one estate after the other. A round has a budget of real time. An estate whose evidence
is not there when it is used up gets a tick without evidence: never a loss, and its turn comes first
in the next round.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ksc_ledger.alerts.watch import run_tick
from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.links import wants_word
from ksc_ledger.rules.links_evidence import ProvinceWord, Tick
from ksc_ledger.rules.links_model import Effect, Policy, Watch
from ksc_ledger.state import leases, links, words
from ksc_ledger.state.leases import Lease, LeaseLost
from ksc_ledger.state.links import LinksMoved
from ksc_ledger.state.outbox import MailIdentity

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = logging.getLogger(__name__)


class Looked(Protocol):
    """What was seen of an estate, and what a province newly said and is to be remembered."""

    @property
    def tick(self) -> Tick: ...

    @property
    def new_words(self) -> Mapping[str, ProvinceWord]: ...


# Called in a thread of its own: the policy, the words remembered, the provinces to be asked.
Look = Callable[[Policy, Mapping[str, ProvinceWord], Sequence[str]], Looked]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """``seconds`` of real time after which no evidence is waited for; a lease lasts longer.

    A thread that is still looking then is left alone: what it looks at has time limits of its own.
    """

    estates_at_a_time: int = 16
    seconds: float = 180.0
    lease_seconds: float = 240.0


@dataclass(slots=True, kw_only=True)
class Round:
    """What a round brought about, by estate.

    ``late``: not seen in time. ``busy``: somebody else was watching it. ``failed``: what went wrong,
    in words for the log; such an estate had a tick without evidence, where that could be written.
    """

    effects: dict[str, tuple[Effect, ...]] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def has_changed(self) -> bool:
        return any(self.effects.values())


def run_round(
    engine: Engine,
    policies: Mapping[str, Policy],
    question_every: Mapping[str, timedelta],
    look: Look,
    identity: MailIdentity,
    now: datetime,
    *,
    owner: str,
    pace: Pace = Pace(),
) -> Round:
    """Move the watch of every estate in ``policies`` by one tick, each committed by itself.

    ``question_every``: how old the word of an estate's province may become before it is asked
    again. ``now`` is on the mode's clock; leases and the budget are real time. Nothing is raised
    for a single estate: it is in ``failed`` and the others go on.
    """
    rounds = _Rounds(
        engine=engine,
        look=look,
        identity=identity,
        now=now,
        owner=owner,
        pace=pace,
        known=words.load(engine),
        ends_at=time.monotonic() + pace.seconds,
    )
    watches = {code: links.load(engine, code).watch for code in policies}
    asks = {
        code: provinces_to_ask(policy, watches[code], rounds.known, now, question_every[code])
        for code, policy in policies.items()
    }
    rounds.run([policies[code] for code in _longest_unseen_first(watches)], asks)
    return rounds.done


def provinces_to_ask(
    policy: Policy,
    watch: Watch,
    known: Mapping[str, ProvinceWord],
    now: datetime,
    every: timedelta,
) -> list[str]:
    """Whom to log in to in this tick: a province whose word is due, or whose word is needed.

    It is needed while a link is not plainly up, because only a fresh word counts against a
    district. An account that was refused is never tried, however much is at stake.
    """
    provinces = [one.server_code for one in policy.servers if one.parent_code is None]
    districts = [one.server_code for one in policy.servers if one.parent_code is not None]
    if not districts:
        return []
    newest = [known[code].read_at for code in districts if code in known]
    is_due = len(newest) < len(districts) or now - min(newest) >= every
    return provinces if is_due or wants_word(watch, policy.limits) else []


def _longest_unseen_first(watches: Mapping[str, Watch]) -> list[str]:
    """So that of more estates than a round has time for every one has its turn."""
    never = datetime.min.replace(tzinfo=UTC)

    def seen_at(code: str) -> datetime:
        return max((link.evidence_at or never for link in watches[code].links), default=never)

    return sorted(watches, key=lambda code: (seen_at(code), code))


@dataclass(slots=True, kw_only=True)
class _Rounds:
    engine: Engine
    look: Look
    identity: MailIdentity
    now: datetime
    owner: str
    pace: Pace
    known: Mapping[str, ProvinceWord]
    ends_at: float
    held: dict[str, Lease] = field(default_factory=dict)
    # A turn begins before the round is over, and its lease is then in ``held``, or not at all.
    turning: Lock = field(default_factory=Lock)
    is_over: bool = False
    done: Round = field(default_factory=Round)

    def run(self, policies: Sequence[Policy], asks: Mapping[str, list[str]]) -> None:
        if not policies:
            return
        pool = ThreadPoolExecutor(
            min(len(policies), self.pace.estates_at_a_time), thread_name_prefix="estate"
        )
        try:
            turns = {
                pool.submit(self._visit, policy, asks[policy.estate_code]): policy
                for policy in policies
            }
            waiting = dict(turns)
            try:
                for turn in as_completed(turns, timeout=self.ends_at - time.monotonic()):
                    self._settle(waiting.pop(turn), turn)
            except TimeoutError:
                pass  # whoever is still waiting is settled below
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        with self.turning:
            self.is_over = True
        for turn, policy in waiting.items():
            if turn.done() and not turn.cancelled():
                self._settle(policy, turn)  # it came while another one was being written
            else:
                self.done.late.append(policy.estate_code)
                self._move(policy, Tick(at=self.now))

    def _visit(self, policy: Policy, ask: Sequence[str]) -> Looked | None:
        """In a thread: look at one estate under its lease. None when somebody else holds it."""
        with self.turning:
            lease = None if self.is_over else self._lease(policy.estate_code)
            if lease is None:
                return None
            self.held[policy.estate_code] = lease
        return self.look(policy, self.known, ask)

    def _settle(self, policy: Policy, turn: Future[Looked | None]) -> None:
        code = policy.estate_code
        try:
            seen = turn.result()
        except Exception as error:
            # Whatever it is, it is ours: the other estates go on, and nobody is called lost.
            log.exception("%s: could not be looked at", code)
            self.done.failed[code] = _said(error)
            self._move(policy, Tick(at=self.now))
            return
        if seen is None:
            self.done.busy.append(code)
            return
        self._move(policy, seen.tick, seen.new_words)

    def _move(
        self,
        policy: Policy,
        tick: Tick,
        new_words: Mapping[str, ProvinceWord] = MappingProxyType({}),
    ) -> None:
        code = policy.estate_code
        lease = self.held.pop(code, None) or self._lease(code)
        if lease is None:
            self.done.busy.append(code)
            return
        try:
            words.remember(self.engine, new_words)
            ticked = run_tick(self.engine, lease, tick, policy, self.identity, self.now)
            self.done.effects[code] = ticked.effects
        except (LeaseLost, LinksMoved) as error:
            log.warning("%s: %s", code, error)
            self.done.busy.append(code)
        except Exception as error:
            log.exception("%s: the tick could not be kept", code)
            self.done.failed[code] = _said(error)
        finally:
            leases.release(self.engine, lease)

    def _lease(self, code: str) -> Lease | None:
        return leases.acquire(
            self.engine,
            f"watch:{code}",
            self.owner,
            self.pace.lease_seconds,
            datetime.now(UTC),
        )


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, LedgerError) else f"{type(error).__name__}: {error}"
