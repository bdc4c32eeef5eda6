"""The naming rule: the agreed cases, the order of the codes, and what no name may do to it."""

from __future__ import annotations

import csv
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ksc_ledger.rules.computer_names import (
    DEFAULT_RULE,
    REASON_LABELS,
    NameReason,
    NameVerdict,
    Rule,
    judge,
    next_free,
)

# The 27 units of Tháp Mười: prefix, and the code behind "dtp_872_" (official codes for communes).
PREFIXES = {
    "VPUB": "vpub", "PNV": "pnv", "PTP": "ptp", "TCKH": "tckh", "TNMT": "tnmt", "LDXH": "ldxh",
    "VHTT": "vhtt", "GDDT": "gddt", "TTH": "tth", "NNPT": "nnpt", "KTHT": "ktht", "TTVH": "ttvh",
    "CAH": "cah", "BCHQS": "bchqs", "TTMYAN": "30037", "THANHLOI": "30040", "HUNGTHANH": "30043",
    "TRUONGXUA": "30046", "TANKIEU": "30049", "MYHOA": "30052", "MYQUY": "30055",
    "MYDONG": "30058", "DOCBINHKI": "30061", "MYAN": "30064", "PHUDIEN": "30067",
    "LANGBIEN": "30070", "THANHMY": "30073",
}  # fmt: skip
ALL_PREFIXES = {prefix: frozenset({f"dtp_872_{code}"}) for prefix, code in PREFIXES.items()}
PREFIX_OF = {f"dtp_872_{code}": prefix for prefix, code in PREFIXES.items()}

with (Path(__file__).parent / "hostname_cases.csv").open(encoding="utf-8", newline="") as file:
    CASES = list(csv.DictReader(file))

# What the cases say in their notes: the longer DNS label, the earlier twin, the server.
CONTEXT: dict[str, dict[str, Any]] = {
    "TRUNCATED": {"dns_label": "pvhtt-nguyenvanan"},
    "DUPLICATE_NAME": {"has_name_twin": True},
    "SRV-KSC-TM": {"is_server": True},
}


def verdict(name: str | None, unit_code: str = "dtp_872_vhtt", **facts: Any) -> NameVerdict:
    given_facts: dict[str, Any] = {
        "unit_prefix": PREFIX_OF.get(unit_code),
        "all_prefixes": ALL_PREFIXES,
        "rule": DEFAULT_RULE,
        "dns_label": None,
        "is_server": False,
        "has_name_twin": False,
    }
    return judge(name, unit_code=unit_code, **given_facts | facts)


def codes(name: str | None, unit_code: str = "dtp_872_vhtt", **facts: Any) -> list[str]:
    return [reason.value for reason in verdict(name, unit_code, **facts).reason_codes]


def test_all_agreed_cases_are_here() -> None:
    assert len(CASES) == 29
    assert len(PREFIXES) == 27


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['display_name']}, {case['note']}")
def test_an_agreed_case(case: dict[str, str]) -> None:
    group, expected = case["unit_of_group"], case["expected_reason_code"]
    code = PREFIXES.get(group, group)
    facts = CONTEXT.get(expected, {}) | CONTEXT.get(case["display_name"], {})
    found = verdict(case["display_name"], f"dtp_872_{code}" if code else "dtp_872", **facts)
    assert (found.reason_code or "OK") == expected
    assert found.is_correct is (expected == "OK")
    assert found.is_exempt is (case["display_name"] == "SRV-KSC-TM")


def test_a_server_that_is_none_is_judged() -> None:
    assert verdict("SRV-KSC-TM").reason_code is NameReason.UNKNOWN_UNIT


def test_case_does_not_count() -> None:
    assert verdict("vhtt-annv").is_correct
    assert verdict("Vhtt-AnNV", unit_prefix="vhtt").is_correct


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param(None, ["EMPTY"], id="no name at all"),
        pytest.param("", ["EMPTY"], id="an empty name"),
        pytest.param("~~10281", ["EMPTY"], id="nothing but the suffix"),
        pytest.param("  ", ["EMPTY", "WHITESPACE"], id="blanks"),
        pytest.param("\u200b", ["EMPTY", "INVISIBLE", "NON_ASCII"], id="a zero-width blank"),
        pytest.param("VHTT-AN\u200bNV", ["INVISIBLE", "NON_ASCII"], id="one inside"),
        pytest.param("VHTT-AN\x00NV", ["INVISIBLE"], id="a NUL"),
        pytest.param("\u202eVHTT-ANNV", ["INVISIBLE", "NON_ASCII"], id="bidi override"),
        pytest.param("VHTT-ANNV ", ["WHITESPACE"], id="a trailing blank"),
        pytest.param("VHTT-ANNV\n", ["WHITESPACE"], id="a line end"),
        pytest.param("VHTT\u00a0ANNV", ["WHITESPACE", "NON_ASCII"], id="a no-break blank"),
        pytest.param("ＶＨＴＴ-ANNV", ["NON_ASCII", "UNKNOWN_UNIT"], id="full width"),
        pytest.param("VHTT-АNNV", ["NON_ASCII"], id="a Cyrillic letter"),
        pytest.param("VHTT–ANNV", ["NON_ASCII"], id="an en dash"),
        pytest.param("DESKTOP-F7AEJ30", ["OS_DEFAULT", "UNKNOWN_UNIT"], id="Windows 10"),
        pytest.param("desktop-f7aej30", ["OS_DEFAULT", "UNKNOWN_UNIT"], id="in lower case"),
        pytest.param("DESKTOP-F7AEJ3", ["UNKNOWN_UNIT"], id="six signs: not Windows 10"),
        pytest.param("LAPTOP-9QK2LM0AX", ["TOO_LONG", "UNKNOWN_UNIT"], id="nine: not a laptop"),
        pytest.param("DESKTOP-01", ["GENERIC", "UNKNOWN_UNIT"], id="a generic word and a number"),
        pytest.param("HP-5CG1234", ["VENDOR_DEFAULT", "UNKNOWN_UNIT"], id="a serial number"),
        pytest.param("DELL01", ["VENDOR_DEFAULT", "NO_UNIT_PREFIX"], id="a maker and a number"),
        pytest.param("PC-DELL", ["VENDOR_DEFAULT", "UNKNOWN_UNIT"], id="a maker at the end"),
        pytest.param("HP-KETOAN", ["UNKNOWN_UNIT"], id="a maker and a word somebody chose"),
        pytest.param("mayphuong", ["NO_UNIT_PREFIX"], id="the name in the letter's footnote"),
        pytest.param("123-45", ["NUMERIC_ONLY", "UNKNOWN_UNIT"], id="numbers with a dash"),
        pytest.param("VHTT-ABCDEFGHIJ", [], id="15 characters"),
        pytest.param("VHTT-ABCDEFGHIJK", ["TOO_LONG"], id="16 characters"),
        pytest.param("VHTT-", ["BAD_SEPARATOR"], id="nothing behind the dash"),
        pytest.param("VHTT--ANNV", ["BAD_SEPARATOR"], id="two dashes"),
        pytest.param("VHTT-A-B", [], id="two parts"),
        pytest.param("VHTT-A-B-C", ["BAD_SEPARATOR"], id="three parts"),
        pytest.param("VHTT", ["NO_UNIT_PREFIX"], id="the prefix alone"),
        pytest.param("TNMT_BINHTV", ["BAD_SEPARATOR", "WRONG_UNIT"], id="two mistakes"),
        pytest.param(
            "=cmd|' /C calc'!A0",
            ["WHITESPACE", "TOO_LONG", "BAD_SEPARATOR"],
            id="a formula",
        ),
        pytest.param("<b>{{7*7}}", ["BAD_SEPARATOR"], id="markup"),
        pytest.param("VHTT-PC", [], id="a generic part behind the right prefix"),
        pytest.param("VHTT-01", [], id="a number behind the right prefix"),
    ],
)
def test_every_reason_that_applies_is_listed_in_order(
    name: str | None, expected: list[str]
) -> None:
    assert codes(name) == expected


@pytest.mark.parametrize(
    ("name", "dns_label", "is_cut"),
    [
        pytest.param("VHTT-NGUYENVANA", "vhtt-nguyenvanan", True, id="the label goes on"),
        pytest.param("VHTT-NGUYENVANA", "vhtt-nguyenvanan.tm.example", True, id="a whole name"),
        pytest.param("VHTT-NGUYENVANA", "vhtt-nguyenvana", False, id="the label is the same"),
        pytest.param("VHTT-NGUYENVANA", "vhtt-nguyenvana.tm.example", False, id="in a domain"),
        pytest.param("VHTT-NGUYENVANA", "vhtt-tranthibinhan", False, id="another label"),
        pytest.param("VHTT-NGUYENVANA", None, False, id="no label"),
        pytest.param("VHTT-NGUYENVAN", "vhtt-nguyenvana", False, id="14 characters"),
    ],
)
def test_the_dns_label_serves_to_see_a_cut_name(
    name: str, dns_label: str | None, is_cut: bool
) -> None:
    assert (codes(name, dns_label=dns_label) == ["TRUNCATED"]) is is_cut


def test_a_prefix_of_several_other_units_is_ambiguous() -> None:
    shared = ALL_PREFIXES | {"UB": frozenset({"dtp_872_30055", "dtp_872_30058"})}
    assert codes("UB-01", all_prefixes=shared) == ["AMBIGUOUS_UNIT", "WRONG_UNIT"]
    assert codes("UB-01", "dtp_872_30055", all_prefixes=shared) == []


def test_a_unit_without_a_prefix_has_no_right_name() -> None:
    assert codes("VHTT-ANNV", "dtp_872") == ["WRONG_UNIT"]
    assert codes("TM-ANNV", "dtp_872") == ["UNKNOWN_UNIT"]
    assert verdict("TM-ANNV", "dtp_872").suggested_name is None


def test_the_later_twin_is_told_as_a_copy_not_as_a_move() -> None:
    assert codes("VHTT-ANNV", "dtp_872_30061", has_name_twin=True) == ["DUPLICATE_NAME"]
    assert codes("VHTT-ANNV", "dtp_872_30061") == ["WRONG_UNIT"]
    assert codes("VHTT-ANNV", has_name_twin=True) == ["DUPLICATE_NAME"]
    assert codes("PC01", has_name_twin=True) == ["GENERIC", "NO_UNIT_PREFIX", "DUPLICATE_NAME"]


def test_the_rule_is_configuration() -> None:
    rule = Rule(
        "r", separator="_", max_length=12, allowed_part="[A-Z]{2,4}", min_parts=2, max_parts=3
    )
    assert codes("VHTT_AN_NV", rule=rule) == []
    assert codes("VHTT_ANNV", rule=rule) == ["BAD_SEPARATOR"]
    assert codes("VHTT-AN-NV", rule=rule) == ["BAD_SEPARATOR"]
    assert codes("VHTT_AN_N1", rule=rule) == ["BAD_SEPARATOR"]
    assert codes("VHTT_ANH_VAN", rule=rule) == []
    assert codes("VHTT_ANH_VANG", rule=rule) == ["TOO_LONG"]
    assert verdict("VHTT_ANNV", rule=replace(rule, min_parts=1)).is_correct
    assert verdict("VHTT", rule=replace(rule, min_parts=0)).is_correct
    assert codes("TNMT", rule=replace(rule, min_parts=0)) == ["NO_UNIT_PREFIX"]


def test_a_rule_that_is_changed_in_anything_is_another_version() -> None:
    versions = {
        DEFAULT_RULE.version,
        replace(DEFAULT_RULE, rule_code="other").version,
        replace(DEFAULT_RULE, separator="_").version,
        replace(DEFAULT_RULE, max_length=14).version,
        replace(DEFAULT_RULE, allowed_part="[A-Z]+").version,
        replace(DEFAULT_RULE, min_parts=0).version,
        replace(DEFAULT_RULE, max_parts=3).version,
    }
    assert len(versions) == 7
    assert replace(DEFAULT_RULE).version == DEFAULT_RULE.version


@pytest.mark.parametrize(
    ("name", "unit_code", "suggested"),
    [
        ("VHTT_ANNV", "dtp_872_vhtt", "VHTT-ANNV"),
        ("VHTT ANNV", "dtp_872_vhtt", "VHTT-ANNV"),
        ("TNMT-BINHTV", "dtp_872_vhtt", "VHTT-BINHTV"),
        ("PVHTT-NGUYENVANAN", "dtp_872_vhtt", "VHTT-NGUYENVANA"),
        ("DESKTOP-F7AEJ30~~10281", "dtp_872_vhtt", "VHTT-F7AEJ30"),
        ("DESKTOP-F7AEJ30", "dtp_872_30046", "TRUONGXUA-F7AEJ"),
        ("XÃMỸĐÔNG-01", "dtp_872_30058", "MYDONG-01"),
        ("Đặng-Đỗ", "dtp_872_30058", "MYDONG-DO"),
        ("mayphuong", "dtp_872_30058", "MYDONG-PHUONG"),
        ("MAY1", "dtp_872_vhtt", "VHTT-01"),
        ("ADMIN", "dtp_872_vhtt", "VHTT-01"),
        ("-VHTT", "dtp_872_vhtt", "VHTT-01"),
        ("VHTT-A-B-C", "dtp_872_vhtt", "VHTT-B-C"),
        ("日本", "dtp_872_vhtt", "VHTT-01"),
        ("", "dtp_872_vhtt", "VHTT-01"),
    ],
)
def test_a_wrong_name_gets_a_proposal(name: str, unit_code: str, suggested: str) -> None:
    assert verdict(name, unit_code).suggested_name == suggested


def test_a_twin_gets_a_name_that_is_not_its_own() -> None:
    assert verdict("VHTT-ANNV", has_name_twin=True).suggested_name == "VHTT-ANNV2"
    assert (
        verdict("VHTT-ANNV", "dtp_872_30061", has_name_twin=True).suggested_name == "DOCBINHKI-ANNV"
    )


def test_a_right_name_gets_no_proposal() -> None:
    assert verdict("VHTT-ANNV").suggested_name is None


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        pytest.param(set(), "VHTT-01", id="nobody has it"),
        pytest.param({"VHTT-01"}, "VHTT-012", id="one has it"),
        pytest.param({"VHTT-01", "VHTT-012"}, "VHTT-013", id="two have it"),
    ],
)
def test_a_proposal_can_be_made_unique(taken: set[str], expected: str) -> None:
    assert next_free("VHTT-01", taken, DEFAULT_RULE) == expected


def test_a_proposal_of_full_length_gives_way_to_its_number() -> None:
    assert next_free("VHTT-NGUYENVANA", {"VHTT-NGUYENVANA"}, DEFAULT_RULE) == "VHTT-NGUYENVAN2"


def test_where_the_rule_leaves_no_room_no_number_is_made_up() -> None:
    letters = replace(DEFAULT_RULE, allowed_part="[A-Z]+")
    assert next_free("VHTT-ANNV", {"VHTT-ANNV"}, letters) is None
    short = replace(DEFAULT_RULE, max_length=6)
    taken = {"VHTT-A", *(f"VHTT-{n}" for n in range(10))}
    assert next_free("VHTT-A", taken, short) is None


def test_every_code_has_a_vietnamese_label() -> None:
    assert set(REASON_LABELS) == set(NameReason)
    assert len(set(REASON_LABELS.values())) == len(NameReason)


NAMES = st.one_of(
    st.text(max_size=24),
    st.text("VHTNM-_ .~01ĐăÐ\u200b\u00a0А", max_size=18),
    st.from_regex(r"(VHTT|TNMT|UBND|PC)[-_ ][A-Z0-9]{0,6}(-[A-Z0-9]{1,5}){0,2}", fullmatch=True),
)


@given(NAMES, st.booleans())
@example("VHTT-ANNV", False)
def test_a_name_is_right_exactly_when_no_reason_applies(name: str, has_name_twin: bool) -> None:
    """Held against the default rule as one expression, written down apart from the code."""
    found = verdict(name, has_name_twin=has_name_twin)
    judged = re.sub(r"~~?[0-9]+\Z", "", name)
    is_right = (
        re.fullmatch(r"(?i:VHTT)(-[A-Za-z0-9]+){1,2}", judged) is not None
        and len(judged) <= 15
        and not has_name_twin
    )
    assert found.is_correct is is_right
    assert (found.reason_codes == ()) is is_right
    assert found.reason_code == (found.reason_codes[0] if found.reason_codes else None)
    order = list(NameReason)
    assert list(found.reason_codes) == sorted(set(found.reason_codes), key=order.index)


@given(NAMES, st.sampled_from(sorted(PREFIX_OF)), st.booleans())
def test_a_proposal_is_always_a_right_name(name: str, unit_code: str, has_name_twin: bool) -> None:
    found = verdict(name, unit_code, has_name_twin=has_name_twin)
    if found.reason_codes:
        assert found.suggested_name is not None
        assert verdict(found.suggested_name, unit_code).is_correct
        if has_name_twin:
            assert found.suggested_name != name.upper()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("A-" * 50_000, id="dashes"),
        pytest.param("VHTT-" + "A" * 50_000 + "!", id="one long part"),
        pytest.param("~1" * 50_000, id="suffixes"),
        pytest.param("1" * 50_000 + "~", id="digits"),
        pytest.param("\u200b" * 50_000, id="invisible"),
        pytest.param("VHTT" + " " * 50_000 + "A", id="blanks"),
        pytest.param("DESKTOP-" * 10_000, id="defaults"),
    ],
)
def test_a_hostile_name_is_judged_in_linear_time(name: str) -> None:
    """Twice the name may take about twice the time; a square of it would take four times."""

    def seconds(text: str) -> float:
        best = 1.0
        for _ in range(3):
            start = time.process_time()
            verdict(text, dns_label=text + "x")
            best = min(best, time.process_time() - start)
        return best

    assert seconds(name + name) < 3 * seconds(name) + 0.05


def test_twenty_thousand_names_are_judged_within_a_second() -> None:
    right = [f"VHTT-ANNV{number}" for number in range(700)]
    wrong = ["DESKTOP-F7AEJ30~~10281", "mayphuong", "XÃMỸĐÔNG-01", "TNMT-BINHTV", "PC01"] * 60
    taken = []
    for _ in range(3):
        start = time.process_time()
        for name in right + wrong:
            verdict(name)
        taken.append(time.process_time() - start)
    assert min(taken) < len(right + wrong) / 20_000
