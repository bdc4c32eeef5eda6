"""What the rehearsal does when, and which letters it asks for: from the committed scenarios."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from ksc_ledger.rehearsal.timeline import Deed, WantedLetter, merged, wanted_letters

SCENARIOS = [Path(__file__).parents[3] / "scenarios" / name for name in ("dong_thap", "kon_tum")]


def test_the_letters_of_the_three_estates_days_are_asked_for() -> None:
    assert wanted_letters(SCENARIOS) == [
        WantedLetter("dong_thap", date(2022, 10, 12), "don_doc", "dtp_872"),
        WantedLetter("dong_thap", date(2023, 10, 13), "phan_bo", "dtp"),
        WantedLetter("kon_tum", date(2024, 1, 8), "don_doc", "ktm_613"),
    ]


def test_the_demo_keeps_within_its_instants() -> None:
    steps = merged(SCENARIOS).steps
    deeds = [step.deed for step in steps]
    assert deeds.count(Deed.COLLECT) <= 10
    assert deeds.count(Deed.WATCH) <= 12
    assert [step.at for step in steps] == sorted(step.at for step in steps)


def test_deadlines_are_looked_at_before_and_after_the_letters_dates() -> None:
    looks = [
        f"{step.at:%Y-%m-%d %H:%M}"
        for step in merged(SCENARIOS).steps
        if step.deed is Deed.DEADLINES
    ]
    assert looks == ["2022-10-14 07:30", "2022-10-18 07:30", "2022-10-21 07:30", "2024-01-10 07:30"]
