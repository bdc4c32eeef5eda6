"""Difficulties and responsible posts: what a row may say, and when a difficulty is open."""

from __future__ import annotations

from datetime import date

import pytest
from pydantic import ValidationError

from ksc_ledger.registry import Difficulty, Matter, ResponsiblePost

ROW = {
    "estate_code": "dong_thap",
    "difficulty_id": "2022-1",
    "unit_code": "dtp_872_30052",
    "raised_date": "2022-10-18",
    "difficulty_text": "Ba máy tính hỏng ổ cứng",
    "owner_post": "Trưởng phòng Văn hóa và Thông tin",
    "answer_text": "",
    "answered_date": "",
    "source_document": "Báo cáo của xã",
}
ANSWER = {"answer_text": "Đã thay", "answered_date": "2022-10-20"}


@pytest.mark.parametrize(
    ("cells", "day", "is_open"),
    [
        ({}, "2022-10-17", False),
        ({}, "2022-10-18", True),
        ({}, "2026-01-01", True),
        (ANSWER, "2022-10-19", True),
        (ANSWER, "2022-10-20", False),
    ],
)
def test_a_difficulty_is_open_from_its_day_until_it_is_answered(
    cells: dict[str, str], day: str, *, is_open: bool
) -> None:
    row = Difficulty.model_validate(ROW | cells)
    assert row.is_open_on(date.fromisoformat(day)) is is_open


@pytest.mark.parametrize(
    "cells",
    [
        {"answer_text": "Đã thay"},
        {"answered_date": "2022-10-20"},
        {"answer_text": "Đã thay", "answered_date": "2022-10-17"},
        {"difficulty_text": ""},
        {"owner_post": ""},
        {"source_document": ""},
    ],
)
def test_half_a_row_is_refused(cells: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Difficulty.model_validate(ROW | cells)


def test_a_post_answers_for_a_known_matter_only() -> None:
    cells = {
        "estate_code": "dong_thap",
        "unit_code": "dtp_872",
        "matter": "installation",
        "post_title": "Chủ tịch Ủy ban nhân dân huyện",
        "valid_from_date": "2022-09-01",
        "valid_to_date": "",
        "source_document": "Công văn",
    }
    assert ResponsiblePost.model_validate(cells).matter is Matter.INSTALLATION
    with pytest.raises(ValidationError):
        ResponsiblePost.model_validate(cells | {"matter": "everything"})
