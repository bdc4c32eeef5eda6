"""Rows about duties and letters: what is read, and what they must not say."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ksc_ledger.registry import Mistake, Registry, RegistryError, load
from ksc_ledger.rules.deadlines import ObligationKind
from unit.registry.registry_folder import LETTER, UNITS, write_registry

DIRECTIVES = f"""\
directive_code,document_kind,number,issued_year,issued_month,issued_day,issuer_name,unit_code,subject,cited_as,based_on,source_document
cv_1134,Công văn,1134/STTTT-CNTT,2022,10,11,Sở Thông tin và Truyền thông,,về việc đôn đốc,Thực hiện,,{LETTER}
tm_10,Công văn,,2022,10,,UBND huyện Tháp Mười,dtp_872,về việc đôn đốc,,cv_1134,{LETTER}
"""
HEADER = (
    "obligation_code,directive_code,unit_code,applies_to,obligation_kind,wording,"
    "counted_from_date,roll_policy,demand_text,opens_date,source_document\n"
)
REPORT = (
    f"bao_cao,tm_10,dtp_872,children,unit_report,chậm nhất ngày 19/10/2022,,,Báo cáo,,{LETTER}\n"
)
ROLL_UP = (
    f"tong_hop,tm_10,dtp_872_vhtt,self,roll_up,chậm nhất ngày 20/10/2022,,,Tổng hợp,,{LETTER}\n"
)
RECEIPTS = "obligation_code,unit_code,received_at,document,is_accepted,source_document\n"
GOOD = {"directives.csv": DIRECTIVES, "obligations.csv": HEADER + REPORT + ROLL_UP}


def mistakes_of(path: Path, **files: str) -> list[Mistake]:
    named = {f"{name}.csv": text for name, text in files.items()}
    with pytest.raises(RegistryError) as caught:
        load(write_registry(path, {**GOOD, **named}))
    return list(caught.value.mistakes)


def loaded(path: Path, **files: str) -> Registry:
    named = {f"{name}.csv": text for name, text in files.items()}
    return load(write_registry(path, {**GOOD, **named}))


def test_an_obligation_binds_the_units_of_its_opening_day(tmp_path: Path) -> None:
    newcomer = f"dtp_872_x,Xã mới,xa,,,dtp_872,9,2022-10-02,,{LETTER}\n"
    registry = loaded(tmp_path, units=UNITS + newcomer)
    report, roll_up = registry.obligations
    assert report.obligation_kind is ObligationKind.UNIT_REPORT
    assert registry.opens_date(report) == date(2022, 10, 1)
    assert [unit.unit_code for unit in registry.obliged_units(report)] == [
        "dtp_872_pnv",
        "dtp_872_vhtt",
    ]
    assert [unit.unit_code for unit in registry.obliged_units(roll_up)] == ["dtp_872_vhtt"]


def test_a_group_is_no_office_and_those_below_it_stand_in_its_place(tmp_path: Path) -> None:
    units = UNITS.replace("huyen_tp,872,,dtp,1", "nhom,872,,dtp,1")
    duty = REPORT.replace("dtp_872,children", "dtp,children")
    registry = loaded(tmp_path, units=units, obligations=HEADER + duty)
    assert [unit.unit_code for unit in registry.obliged_units(registry.obligations[0])] == [
        "dtp_872_pnv",
        "dtp_872_vhtt",
    ]


def test_below_binds_every_office_at_any_depth(tmp_path: Path) -> None:
    duty = REPORT.replace("dtp_872,children", "dtp,below")
    registry = loaded(tmp_path, obligations=HEADER + duty)
    codes = {unit.unit_code for unit in registry.obliged_units(registry.obligations[0])}
    assert codes == {"dtp_872", "dtp_872_pnv", "dtp_872_vhtt"}


@pytest.mark.parametrize(
    ("obligation", "field", "text"),
    [
        pytest.param(
            REPORT.replace("chậm nhất ngày 19/10/2022", "càng sớm càng tốt"),
            "wording", "Không hiểu cách ghi thời hạn", id="a wording nobody can read",
        ),
        pytest.param(
            REPORT.replace("19/10/2022", "31/02/2022"),
            "wording", "không có thật", id="a day that does not exist",
        ),
        pytest.param(
            REPORT.replace("19/10/2022", "30/9/2022"),
            "wording", "đứng trước ngày", id="a deadline before its document",
        ),
        pytest.param(
            REPORT.replace("chậm nhất ngày 19/10/2022", "trong 05 ngày kể từ ngày nhận được văn bản"),
            "wording", "không nêu rõ ngày bắt đầu", id="a term without a first day",
        ),
        pytest.param(
            REPORT.replace("tm_10", "tm_11"), "directive_code", "tm_11", id="an unknown document"
        ),
        pytest.param(
            REPORT.replace("dtp_872,children", "dtp_827,children"),
            "unit_code", "dtp_827", id="an unknown unit",
        ),
        pytest.param(
            REPORT.replace("dtp_872,children", "dtp_872_pnv,children"),
            "applies_to", "không ràng buộc", id="nobody is bound",
        ),
        pytest.param(REPORT.replace("children", "all"), "applies_to", "children", id="another scope"),
        pytest.param(
            ROLL_UP.replace(",,,Tổng hợp", ",,friday,Tổng hợp"),
            "roll_policy", "next_working_day", id="an unknown roll policy",
        ),
    ],
)  # fmt: skip
def test_what_an_obligation_must_not_say(
    tmp_path: Path, obligation: str, field: str, text: str
) -> None:
    (mistake,) = mistakes_of(tmp_path, obligations=HEADER + obligation)
    assert (mistake.file, mistake.row, mistake.field) == ("dong_thap/obligations.csv", 2, field)
    assert text in f"{mistake.text} {mistake.remedy}"


def test_a_term_may_name_its_first_day_in_a_column(tmp_path: Path) -> None:
    duty = REPORT.replace(
        "chậm nhất ngày 19/10/2022,,",
        "trong 05 ngày làm việc kể từ ngày nhận được văn bản,2022-10-12,",
    )
    assert loaded(tmp_path, obligations=HEADER + duty).obligations[0].counted_from_date == date(
        2022, 10, 12
    )


def test_a_receipt_of_a_unit_that_owes_nothing_is_told(tmp_path: Path) -> None:
    row = f"tong_hop,dtp_872_pnv,2022-10-19T08:00:00+07:00,Báo cáo,1,{LETTER}\n"
    (mistake,) = mistakes_of(tmp_path, receipts=RECEIPTS + row)
    assert (mistake.row, mistake.field) == (2, "unit_code")
    assert "không ràng buộc đơn vị dtp_872_pnv" in mistake.text


def test_a_receipt_without_an_offset_is_told(tmp_path: Path) -> None:
    row = f"tong_hop,dtp_872_vhtt,2022-10-19T08:00:00,Báo cáo,1,{LETTER}\n"
    (mistake,) = mistakes_of(tmp_path, receipts=RECEIPTS + row)
    assert mistake.field == "received_at"


def test_a_refused_document_is_not_told_again_where_it_is_missed(tmp_path: Path) -> None:
    (mistake,) = mistakes_of(tmp_path, directives=DIRECTIVES.replace(",2022,10,,", ",2022,13,,"))
    assert (mistake.row, mistake.field) == (3, "issued_month")


def test_a_document_has_a_real_day(tmp_path: Path) -> None:
    (mistake,) = mistakes_of(tmp_path, directives=DIRECTIVES.replace(",2022,10,11,", ",2022,2,30,"))
    assert (mistake.row, mistake.field) == (2, "issued_day")


def test_a_document_is_not_its_own_ground(tmp_path: Path) -> None:
    wrong = mistakes_of(tmp_path, directives=DIRECTIVES.replace(",,cv_1134,", ",,tm_10,"))
    assert [(one.row, one.field) for one in wrong] == [(3, "based_on")]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("directives", DIRECTIVES + DIRECTIVES.splitlines()[-1] + "\n"),
        ("obligations", HEADER + REPORT + REPORT),
    ],
)
def test_a_code_is_used_once(tmp_path: Path, file: str, text: str) -> None:
    (mistake,) = mistakes_of(tmp_path, **{file: text})
    assert mistake.text.startswith("Trùng với dong_thap/")


def test_a_demand_says_something(tmp_path: Path) -> None:
    text = f"directive_code,list_order,demand_text,source_document\ntm_10,1,,{LETTER}\n"
    (mistake,) = mistakes_of(tmp_path, demands=text)
    assert mistake.field == "demand_text"


def test_lines_of_a_heading_have_no_empty_part(tmp_path: Path) -> None:
    text = (
        "issuer_code,issuer_name,heading,symbol,place,area,verb,signature,valid_from_date,"
        f"valid_to_date,source_document\nubnd,UBND,ỦY BAN||HUYỆN,X,Y,Z,yêu cầu,A,2022-09-01,,{LETTER}\n"
    )
    (mistake,) = mistakes_of(tmp_path, issuers=text)
    assert mistake.field == "heading"
