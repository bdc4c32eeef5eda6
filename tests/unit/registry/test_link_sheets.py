"""Silences and limits of the link watch: what is read, and what a row must not say."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from ksc_ledger.registry import Mistake, RegistryError, load
from ksc_ledger.rules.links_model import Limits
from unit.registry.registry_folder import LETTER, SERVERS, UNITS, write_registry

SILENCES = "server_code,from_at,to_at,owner,reason,source_document\n"
SILENCE = (
    "dtp_872,2024-01-20T08:00:00+07:00,2024-01-22T08:00:00+07:00,Phòng VHTT,Chuyển trụ sở,"
    f"{LETTER}\n"
)
LIMITS = (
    "server_code,loss_count,loss_minutes,return_count,return_minutes,reminder_hours,"
    "valid_from_date,valid_to_date,source_document\n"
)
LIMIT = f"dtp_872,6,30,2,10,8 24,2024-01-01,,{LETTER}\n"


def mistake_of(path: Path, file: str, text: str) -> Mistake:
    with pytest.raises(RegistryError) as caught:
        load(write_registry(path, {file: text}))
    (mistake,) = caught.value.mistakes
    assert mistake.file == f"dong_thap/{file}"
    assert mistake.remedy
    return mistake


def test_a_silence_says_who_which_server_from_when_until_when_why_and_by_which_document(
    tmp_path: Path,
) -> None:
    (silence,) = load(write_registry(tmp_path, {"silences.csv": SILENCES + SILENCE})).silences
    assert (silence.owner, silence.server_code) == ("Phòng VHTT", "dtp_872")
    assert silence.to_at - silence.from_at == timedelta(days=2)
    assert silence.reason == "Chuyển trụ sở"
    assert silence.source_document == LETTER.strip('"')


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("dtp_872,", "dtp_873,", "server_code"),
        ("dtp_872,", ",", "server_code"),
        ("2024-01-22T08:00:00+07:00", "", "to_at"),
        ("2024-01-22T08:00:00+07:00", "2024-01-20T08:00:00+07:00", "to_at"),
        ("2024-01-22T08:00:00+07:00", "2024-04-21T08:00:01+07:00", "to_at"),
        ("2024-01-20T08:00:00+07:00", "2024-01-20T08:00:00", "from_at"),
        ("Phòng VHTT", "", "owner"),
        ("Phòng VHTT", "a@huyen.example", "owner"),
        ("Chuyển trụ sở", "", "reason"),
        (LETTER, "", "source_document"),
    ],
)
def test_a_silence_without_one_of_these_or_without_a_near_end_is_refused(
    tmp_path: Path, old: str, new: str, field: str
) -> None:
    mistake = mistake_of(tmp_path, "silences.csv", SILENCES + SILENCE.replace(old, new))
    assert (mistake.row, mistake.field) == (2, field)


def test_a_silence_of_ninety_two_days_is_the_longest(tmp_path: Path) -> None:
    row = SILENCE.replace("2024-01-22T08:00:00+07:00", "2024-04-21T08:00:00+07:00")
    assert load(write_registry(tmp_path, {"silences.csv": SILENCES + row})).silences


def test_limits_are_read_as_the_rule_has_them(tmp_path: Path) -> None:
    (row,) = load(write_registry(tmp_path, {"link_limits.csv": LIMITS + LIMIT})).link_limits
    usual = Limits()
    assert row.server_code == "dtp_872"
    assert row.limits == Limits(
        k_down=6,
        t_down=timedelta(minutes=30),
        k_up=2,
        t_up=timedelta(minutes=10),
        reminders=(timedelta(hours=8), timedelta(hours=24)),
    )
    assert row.limits.unknown_after == usual.unknown_after


def test_a_row_without_a_server_is_the_estates_and_reminders_may_be_left_out(
    tmp_path: Path,
) -> None:
    header = LIMITS.replace("reminder_hours,", "")
    row = f",4,20,3,15,2024-01-01,,{LETTER}\n"
    (found,) = load(write_registry(tmp_path, {"link_limits.csv": header + row})).link_limits
    assert found.server_code is None
    assert found.limits.reminders == Limits().reminders


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("dtp_872,6", "dtp_873,6", "server_code"),
        (",6,30,", ",0,30,", "loss_count"),
        (",6,30,", ",100,30,", "loss_count"),
        (",6,30,", ",6,-1,", "loss_minutes"),
        (",6,30,", ",6,1441,", "loss_minutes"),
        (",2,10,", ",0,10,", "return_count"),
        (",2,10,", ",2,mười,", "return_minutes"),
        ("8 24", "24 8", "reminder_hours"),
        ("8 24", "8 8", "reminder_hours"),
        ("8 24", "0", "reminder_hours"),
        (LETTER, "", "source_document"),
    ],
)
def test_limits_that_confirm_nothing_or_run_backwards_are_refused(
    tmp_path: Path, old: str, new: str, field: str
) -> None:
    mistake = mistake_of(tmp_path, "link_limits.csv", LIMITS + LIMIT.replace(old, new))
    assert (mistake.row, mistake.field) == (2, field)


def test_two_rows_of_one_server_on_one_day_contradict_each_other(tmp_path: Path) -> None:
    mistake = mistake_of(tmp_path, "link_limits.csv", LIMITS + LIMIT + LIMIT)
    assert (mistake.row, mistake.field) == (3, "server_code")


def test_a_row_about_a_server_of_another_estate_would_mean_nothing_and_is_refused(
    tmp_path: Path,
) -> None:
    """Maintenance, silence and limits alike."""
    other = {
        "estate.yml": "estate_code: kon_tum\nestate_name: Tỉnh Kon Tum\n",
        "units.csv": UNITS.replace("dtp", "ktm"),
        "servers.csv": SERVERS.replace("dtp", "ktm"),
        "maintenance.csv": "server_code,from_at,to_at,reason,source_document\n"
        f"dtp_872,2024-01-20T08:00:00+07:00,2024-01-20T12:00:00+07:00,Nâng cấp,{LETTER}\n",
        "silences.csv": SILENCES + SILENCE,
        "link_limits.csv": LIMITS + LIMIT,
    }
    nothing = dict.fromkeys(
        (
            "server_groups.csv",
            "unit_aliases.csv",
            "allocations.csv",
            "naming_rules.csv",
            "calendar.csv",
        )
    )
    write_registry(tmp_path)
    with pytest.raises(RegistryError) as caught:
        load(write_registry(tmp_path, {**nothing, **other}, estate="kon_tum"))
    assert sorted(mistake.file for mistake in caught.value.mistakes) == [
        "kon_tum/link_limits.csv",
        "kon_tum/maintenance.csv",
        "kon_tum/silences.csv",
    ]
