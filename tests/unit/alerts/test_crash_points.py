"""The process killed at every named point of watch and delivery."""

from __future__ import annotations

from pathlib import Path

import pytest

from unit.alerts.crashes import Outcome, Send, mark_then_send, ours, play, send_then_mark

DOCS = Path(__file__).parents[3] / "docs" / "alerts.md"
NAMED = {
    "watch:read",
    "watch:decided",
    "watch:begun",
    "watch:links",
    "watch:effects",
    "watch:outbox",
    "watch:committed",
    "mail:claimed",
    "mail:bound",
    "mail:composed",
    "mail:sent",
    "mail:noted",
}


ORDERS = {
    "mark, then send": mark_then_send,
    "send under a fresh Message-ID, then mark": send_then_mark,
    "outbox, Message-ID minted with the decision (ours)": ours,
}


def kills(folder: Path, send: Send, stage: str = "") -> tuple[Outcome, dict[int, Outcome]]:
    """A run that nobody kills, and one for each of its points in a stage."""
    undisturbed = play(folder / "undisturbed", send)
    return undisturbed, {
        number: play(folder / str(number), send, number)
        for number, point in enumerate(undisturbed.points)
        if point.startswith(stage)
    }


def test_no_kill_loses_a_transition_or_sends_more_than_one_copy_of_the_same_mail(
    tmp_path: Path,
) -> None:
    """P6 on the real road: state, outages, intervals and mails are those of an undisturbed run."""
    undisturbed, killed = kills(tmp_path, ours)
    assert set(undisturbed.points) == NAMED
    assert list(undisturbed.statuses.values()) == ["sent", "sent"]
    assert undisturbed.lost == undisturbed.twice == 0
    assert len(killed) == len(undisturbed.points)
    for number, outcome in killed.items():
        point = undisturbed.points[number]
        assert outcome.watch == undisturbed.watch, point
        assert outcome.outages == undisturbed.outages, point
        assert outcome.intervals == undisturbed.intervals, point
        assert outcome.statuses == undisturbed.statuses, point
        assert outcome.lost == 0, point
        assert outcome.twice_after_dedupe == 0, point
        # Only a death between the relay's answer and our note costs a second copy.
        assert outcome.twice == (point == "mail:sent"), point


@pytest.mark.parametrize("order", ORDERS)
def test_the_table_of_the_orders_in_the_docs_is_what_is_measured(
    tmp_path: Path, order: str
) -> None:
    _, killed = kills(tmp_path, ORDERS[order], "mail:")
    lost = sum(one.lost > 0 for one in killed.values())
    twice = sum(one.twice > 0 for one in killed.values())
    after_dedupe = sum(one.twice_after_dedupe > 0 for one in killed.values())
    row = f"| {order} | {len(killed)} | {lost} | {twice} | {after_dedupe} |"
    assert row in DOCS.read_text("utf-8")


@pytest.mark.parametrize("send", [mark_then_send, send_then_mark])
def test_the_other_orders_deliver_well_when_nobody_kills_them(tmp_path: Path, send: Send) -> None:
    outcome = play(tmp_path / "undisturbed", send)
    assert (outcome.lost, outcome.twice) == (0, 0)
