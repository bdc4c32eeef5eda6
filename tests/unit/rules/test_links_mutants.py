"""Seeded mistakes in the link watch; the properties of ``test_links_machine`` must find each one.

The mutants, by what they get wrong:

 1. no_evidence_is_loss: a district nobody has a word about counts as lost
 2. k_down_off_by_one: one bad piece of evidence fewer confirms a loss
 3. t_down_ignored: three bad pieces of evidence confirm, however close together
 4. outage_starts_when_confirmed: not at its first bad evidence
 5. back_at_first_good_evidence: no confirmation of the recovery
 6. outage_ends_when_confirmed: the time of confirming the recovery counts as lost
 7. back_to_everybody: the return is mailed to roles that never heard of the loss
 8. back_to_the_first_only: the return is kept from roles told later
 9. no_inhibition: districts mail while their province is down
10. inhibited_only_when_down: a district slips out while its province is only suspected
11. no_settling: districts mail in the tick in which the province comes back
12. inhibited_counts_as_told: held notices are taken for sent (an outage nobody hears of)
13. told_only_when_confirmed: a held notice is never looked at again
14. replay_moves: the same tick a second time moves counters
15. backfill_moves: a backfill moves the watch
16. recovering_loses_its_outage: a relapse opens a second incident
17. reminders_repeat: a reminder goes at every tick once it is due
18. escalation_at_once: the ladder's delays are ignored
19. mutes_ignored: maintenance and silences do not hold mails
20. flapping_holds_for_ever: an outage inside flapping is never told
21. order_matters: a district before its province sees the province of the tick before
22. incidents_share_ids: the incident's id does not tell servers apart
23. certificate_is_loss: our own trouble with a console is called a loss
24. canary_ignored: our own blindness is taken for everybody's loss
25. acknowledgement_ignored: reminders go on after somebody took the outage on
26. unknown_counts_from_the_tick: silence is shown from when it was noticed, not from when it began
27. server_limits_ignored: a server with limits of its own is judged by the estate's
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import pytest
from hypothesis import Phase

from ksc_ledger.rules import links, links_evidence
from unit.rules.test_links_machine import AdvanceFunction, run


@dataclass(frozen=True)
class Mutant:
    name: str
    old: str
    new: str
    is_about_evidence: bool = False


MUTANTS = (
    Mutant(
        "no_evidence_is_loss",
        "verdict=Verdict.NO_EVIDENCE,\n        cause=cause,\n        trouble=trouble,",
        "verdict=Verdict.LOST,\n        cause=cause,\n        trouble=trouble,",
        is_about_evidence=True,
    ),
    Mutant(
        "k_down_off_by_one", "if count >= limits.k_down and", "if count >= limits.k_down - 1 and"
    ),
    Mutant("t_down_ignored", " and self.at - since >= limits.t_down", ""),
    Mutant("outage_starts_when_confirmed", "started_at=link.bad_since,", "started_at=self.at,"),
    Mutant(
        "back_at_first_good_evidence",
        "if count < limits.k_up or self.at - since < limits.t_up:",
        "if False:",
    ),
    Mutant(
        "outage_ends_when_confirmed",
        "ended_at = before.good_since or self.at",
        "ended_at = self.at",
    ),
    Mutant(
        "back_to_everybody",
        "dict.fromkeys(told.role for told in outage.told)",
        "dict.fromkeys(step.role for step in self._steps(self._loss_kind))",
    ),
    Mutant(
        "back_to_the_first_only",
        "told.role for told in outage.told)",
        "told.role for told in outage.told[:1])",
    ),
    Mutant(
        "no_inhibition",
        "return self.parent is not None and self.parent.is_inhibiting",
        "return False",
    ),
    Mutant(
        "inhibited_only_when_down",
        "self.parent.is_inhibiting",
        "(self.parent.state is LinkState.DOWN or self.parent.settle_left > 0)",
    ),
    Mutant("no_settling", "self.parent.is_inhibiting", "self.parent.bad_count > 0"),
    Mutant(
        "inhibited_counts_as_told",
        "            return link\n        since = outage.released_at",
        "            told = Told(step=1, role='ops_team', at=self.now)\n"
        "            return replace(link, outage=replace(outage, told=(told,)))\n"
        "        since = outage.released_at",
    ),
    Mutant(
        "told_only_when_confirmed",
        "if judged.verdict is Verdict.LOST and link.outage is not None:",
        "if before.outage is None and link.outage is not None:",
    ),
    Mutant("replay_moves", "tick.at <= watch.ticked_at", "tick.at < watch.ticked_at"),
    Mutant("backfill_moves", "if tick.is_backfill or is_replay", "if is_replay"),
    Mutant(
        "recovering_loses_its_outage",
        "return replace(link, state=LinkState.DOWN, good_count=0, good_since=None)",
        "return replace(link, state=LinkState.DOWN, good_count=0, good_since=None, outage=None)",
    ),
    Mutant("reminders_repeat", "due > told.reminders", "due > 0"),
    Mutant("escalation_at_once", "return self.now >= due_at and (", "return ("),
    Mutant(
        "mutes_ignored",
        "if self._is_muted or self._is_inhibited or (",
        "if self._is_inhibited or (",
    ),
    Mutant("flapping_holds_for_ever", "(link.flapping is not None and is_young)", "link.flapping"),
    Mutant(
        "order_matters",
        "return sorted(servers, key=lambda one: (one.parent_code is not None, one.server_code))",
        "return list(servers)",
    ),
    Mutant(
        "incidents_share_ids",
        'incident_id_of("outage", link.server_code, number)',
        'incident_id_of("outage", "", number)',
    ),
    Mutant(
        "certificate_is_loss",
        "Verdict.DEGRADED if trouble else Verdict.OK",
        "Verdict.LOST if trouble else Verdict.OK",
        is_about_evidence=True,
    ),
    Mutant(
        "canary_ignored",
        "return not tick.is_way_out_open",
        "return False",
        is_about_evidence=True,
    ),
    Mutant(
        "acknowledgement_ignored",
        "if not is_acknowledged:\n            outage = self._remind",
        "if True:\n            outage = self._remind",
    ),
    Mutant(
        "unknown_counts_from_the_tick",
        "if self.at - known_until < self._limits.unknown_after:",
        "if self.at - known_until < 2 * self._limits.unknown_after:",
    ),
    Mutant(
        "server_limits_ignored",
        "return self.policy.limits_of(self.server.server_code)",
        "return self.policy.limits",
    ),
)
# A fixed sample for the fast suite; `make test-long` takes all of them.
SAMPLE = (
    "no_evidence_is_loss",
    "no_inhibition",
    "inhibited_counts_as_told",
    "replay_moves",
    "back_to_everybody",
)


@contextmanager
def mutated(mutant: Mutant) -> Iterator[AdvanceFunction]:
    """The watch with one mistake in its source."""
    source = inspect.getsource(links_evidence if mutant.is_about_evidence else links)
    assert source.count(mutant.old) == 1, f"{mutant.name}: the line to change has moved"
    source = source.replace(mutant.old, mutant.new)
    twin = ModuleType(links.__name__)
    if mutant.is_about_evidence:
        # Only the functions are taken over: the enums must stay the ones everybody compares with.
        evidence = ModuleType(links_evidence.__name__)
        evidence.__dict__.update(vars(links_evidence))
        functions = source[source.index("_UNREACHABLE = ") :]
        exec(compile(functions, "mutant", "exec"), evidence.__dict__)  # noqa: S102
        twin.__dict__.update(vars(links))
        exec(compile(inspect.getsource(links), "links", "exec"), twin.__dict__)  # noqa: S102
        twin.__dict__["judge"] = evidence.__dict__["judge"]
    else:
        exec(compile(source, "mutant", "exec"), twin.__dict__)  # noqa: S102
    yield twin.__dict__["advance"]


def is_killed(mutant: Mutant, *, examples: int) -> bool:
    with mutated(mutant) as advance:
        try:
            run(
                advance,
                examples=examples,
                steps=30,
                phases=[Phase.generate],
                derandomize=True,
                report_multiple_bugs=False,
            )
        except AssertionError:
            return True
    return False


def test_there_are_at_least_twelve_and_the_list_is_told_in_the_docstring() -> None:
    assert len(MUTANTS) >= 12
    for mutant in MUTANTS:
        assert f" {mutant.name}:" in str(__doc__)


@pytest.mark.parametrize(
    "mutant", [one for one in MUTANTS if one.name in SAMPLE], ids=lambda one: one.name
)
def test_the_properties_find_a_seeded_mistake(mutant: Mutant) -> None:
    assert is_killed(mutant, examples=60)


@pytest.mark.long
@pytest.mark.parametrize(
    "mutant", [one for one in MUTANTS if one.name not in SAMPLE], ids=lambda one: one.name
)
def test_the_properties_find_every_seeded_mistake(mutant: Mutant) -> None:
    assert is_killed(mutant, examples=400)
