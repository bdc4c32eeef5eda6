from __future__ import annotations

from datetime import date

import pytest

from corpus.cases import directory
from ksc_ledger.intake.units import How, alias_rows

DAY = date(2023, 10, 20)
INDEX = directory().index
EVERYTHING = INDEX.subtree("dtp", DAY) | INDEX.subtree("ktm_613", date(2024, 1, 8))
DISTRICT = INDEX.subtree("dtp_872", DAY)


@pytest.mark.parametrize(
    ("text", "unit_code"),
    [
        ("Xã Mỹ Quý", "dtp_872_30055"),
        ("XÃ MỸ QUÝ", "dtp_872_30055"),
        ("  Xã  Mỹ Quý ", "dtp_872_30055"),
        ("UBND xã Mỹ Quý", "dtp_872_30055"),
        ("Uỷ ban nhân dân xã Mỹ Quý", "dtp_872_30055"),
        ("ỦY BAN NHÂN DÂN XÃ MỸ QUÝ", "dtp_872_30055"),
        ("X. Mỹ Quý", "dtp_872_30055"),
        ("TT. Mỹ An", "dtp_872_30037"),
        ("TT Mỹ An", "dtp_872_30037"),
        ("Xã Mỹ An", "dtp_872_30064"),
        ("TP. Cao Lãnh", "dtp_866"),
        ("H. Cao Lãnh", "dtp_873"),
        ("UBND huyện Tháp Mười", "dtp_872"),
        ("Sở Nông nghiệp và Phát triển nông thôn", "dtp_snnptnt"),
        ("Sở Lao động – Thương binh và Xã hội", "dtp_sldtbxh"),
        ("dtp_872_pnv", "dtp_872_pnv"),
        ("Văn phòng HĐND và UBND huyện", "dtp_872_vpub"),
    ],
)
def test_a_name_in_any_spelling_of_its_own_is_exact(text: str, unit_code: str) -> None:
    match = INDEX.match(text, DAY, EVERYTHING)
    assert (match.how, match.unit_code) == (How.EXACT, unit_code)


def test_a_town_is_never_the_district_of_its_name() -> None:
    for text, unit_code in (
        ("Huyện Cao Lãnh", "dtp_873"),
        ("Thành phố Cao Lãnh", "dtp_866"),
        ("Huyện Hồng Ngự", "dtp_870"),
        ("Thành phố Hồng Ngự", "dtp_868"),
    ):
        assert INDEX.match(text, DAY, EVERYTHING).unit_code == unit_code
    without_the_town = EVERYTHING - {"dtp_866"}
    match = INDEX.match("Thành phố Cao Lãnh", DAY, without_the_town)
    assert (match.how, match.unit_code) == (How.ELSEWHERE, None)
    match = INDEX.match("Thành phố Cao Lảnh", DAY, without_the_town)
    assert (match.how, match.candidates) == (How.UNKNOWN, ())


def test_a_name_without_its_kind_is_offered_as_both() -> None:
    match = INDEX.match("Cao Lãnh", DAY, EVERYTHING)
    assert match.how is How.UNKNOWN
    assert [one.unit_code for one in match.candidates] == ["dtp_866", "dtp_873"]


def test_an_alias_counts_in_its_time_only() -> None:
    match = INDEX.match("Phòng VHTT", DAY, EVERYTHING)
    assert (match.how, match.unit_code) == (How.ALIAS, "dtp_872_vhtt")
    assert INDEX.match("Phòng VHTT", date(2022, 8, 31), EVERYTHING).unit_code is None


def test_an_alias_of_a_unit_outside_the_scope_does_not_count() -> None:
    assert INDEX.match("Sở Nông nghiệp và PTNT", DAY, DISTRICT).unit_code is None


@pytest.mark.parametrize(
    ("text", "proposed"),
    [
        ("Xã Dốc Binh Kiều", ["dtp_872_30061"]),
        ("Xa My Quy", ["dtp_872_30055"]),
        ("Phòng Tư Phap", ["dtp_872_ptp"]),
        ("Xã Thành Mỹ", ["dtp_872_30073"]),
        ("Trường Mầm non Hoa Sen", []),
        ("NA", []),
    ],
)
def test_likeness_is_only_ever_proposed(text: str, proposed: list[str]) -> None:
    match = INDEX.match(text, DAY, DISTRICT)
    assert (match.how, match.unit_code) == (How.UNKNOWN, None)
    assert [one.unit_code for one in match.candidates] == proposed


def test_one_name_of_two_units_is_ambiguous_where_both_may_be_meant() -> None:
    day = date(2024, 1, 8)
    both = INDEX.subtree("dtp_872", day) | INDEX.subtree("ktm_613", day)
    match = INDEX.match("Phòng Nội vụ", day, both)
    assert match.how is How.AMBIGUOUS
    assert {one.unit_code for one in match.candidates} == {"dtp_872_pnv", "ktm_613_pnv"}
    assert INDEX.match("Phòng Nội vụ", day, DISTRICT).unit_code == "dtp_872_pnv"


@pytest.mark.parametrize(
    ("day", "how"),
    [(date(2025, 6, 30), How.EXACT), (date(2025, 7, 1), How.NOT_IN_FORCE)],
)
def test_a_unit_ends_with_its_last_day(day: date, how: How) -> None:
    assert INDEX.match("Xã Mỹ Quý", day, INDEX.subtree("dtp", day)).how is how


def test_a_unit_of_somebody_else_is_elsewhere() -> None:
    assert INDEX.match("Văn phòng UBND Tỉnh", DAY, DISTRICT).how is How.ELSEWHERE


def test_the_subtree_is_that_of_the_day() -> None:
    assert "dtp_872_30055" in INDEX.subtree("dtp", date(2025, 6, 30))
    assert "dtp_872_30055" not in INDEX.subtree("dtp", date(2025, 7, 1))
    assert INDEX.subtree("dtp_872_pnv", DAY) == {"dtp_872_pnv"}


@pytest.mark.parametrize("text", ["", "   ", "\u200b", "x" * 201])
def test_what_is_no_name_matches_nothing(text: str) -> None:
    match = INDEX.match(text, DAY, EVERYTHING)
    assert (match.how, match.candidates) == (How.UNKNOWN, ())


def test_a_proposal_is_written_as_the_registry_wants_it() -> None:
    match = INDEX.match("Xã Dốc Binh Kiều", DAY, DISTRICT)
    assert list(alias_rows("Xã Dốc Binh Kiều", match, DAY, "biên nhận x")) == [
        {
            "alias": "Xã Dốc Binh Kiều",
            "unit_code": "dtp_872_30061",
            "valid_from_date": "2023-10-20",
            "valid_to_date": "",
            "source_document": "Đề xuất (giống 100% «Xã Đốc Binh Kiều»): biên nhận x",
        }
    ]


def test_only_an_unknown_name_is_proposed_as_an_alias() -> None:
    match = INDEX.match("Văn phòng UBND Tỉnh", DAY, DISTRICT)
    assert list(alias_rows("Văn phòng UBND Tỉnh", match, DAY, "x")) == []
