"""One tick of the link watch: read, decide, commit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from ksc_ledger.rules.links import advance
from ksc_ledger.rules.links_evidence import Tick
from ksc_ledger.rules.links_model import Effect, Policy
from ksc_ledger.state import links
from ksc_ledger.state.leases import Lease
from ksc_ledger.state.links import Reached, nothing
from ksc_ledger.state.outbox import MailIdentity

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """What a tick brought about. ``has_moved`` is false for a replay, a backfill, old news."""

    has_moved: bool
    effects: tuple[Effect, ...] = ()
    message_ids: tuple[str, ...] = ()


def run_tick(
    engine: Engine,
    lease: Lease,
    tick: Tick,
    policy: Policy,
    identity: MailIdentity,
    now: datetime,
    *,
    reached: Reached = nothing,
) -> Ticked:
    """Move the watch of the policy's estate by one tick and commit everything that follows.

    Silences made by operators join those of the policy. ``now`` is on the mode's clock. Raise
    LeaseLost or LinksMoved, with nothing written, when somebody else was faster.
    """
    kept = links.load(engine, policy.estate_code)
    reached("watch:read")
    silences = links.silences(engine, now)
    in_force = replace(policy, mutes=(*policy.mutes, *silences))
    moved = advance(kept.watch, tick, in_force, now)
    reached("watch:decided")
    message_ids = links.commit(engine, lease, kept, moved, identity, reached=reached)
    return Ticked(has_moved=moved.has_moved, effects=moved.effects, message_ids=tuple(message_ids))
