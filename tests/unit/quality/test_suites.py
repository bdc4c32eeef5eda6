from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.quality.suites import BrokenExpectation, Severity, load_suite, suite_names


def a_rule(**changes: Any) -> dict[str, Any]:
    return {
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": "name"},
        "severity": "warning",
        "meta": {"code": "name.not_null", "description": "Phải có tên."},
        **changes,
    }


def a_suite(*rules: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "name": "landing.things",
        "meta": {"description": "Các vật."},
        "notes": None,
        "expectations": list(rules or [a_rule()]),
        **changes,
    }


def written(root: Path, content: Any, name: str = "landing/things.json") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), "utf-8"
    )
    return root


def test_a_suite_is_read_as_it_was_written(tmp_path: Path) -> None:
    refusing = a_rule(
        severity="critical",
        meta={"code": "name.is_short", "description": "Tên ngắn.", "remedy": "Rút gọn tên."},
        type="expect_column_values_to_match_regex",
        kwargs={
            "column": "name",
            "regex": "^.{1,15}$",
            "row_condition": {
                "type": "and",
                "conditions": [
                    {"type": "nullity", "column": {"name": "unit"}, "is_null": False},
                    {
                        "type": "comparison",
                        "column": {"name": "age"},
                        "operator": ">",
                        "parameter": 3,
                    },
                ],
            },
        },
    )
    suite = load_suite(written(tmp_path, a_suite(a_rule(), refusing)), "landing.things")
    assert suite.description == "Các vật."
    assert [(rule.code, rule.severity) for rule in suite.rules] == [
        ("name.not_null", Severity.WARN),
        ("name.is_short", Severity.FAIL),
    ]
    assert suite.rules[1].columns == ("name", "unit", "age")
    assert suite.rules[1].remedy == "Rút gọn tên."


def test_what_great_expectations_itself_writes_is_read(tmp_path: Path) -> None:
    suite = a_suite(a_rule(id="5f3c", notes=None), id="77a1")
    assert len(load_suite(written(tmp_path, suite), "landing.things").rules) == 1


def test_suites_are_named_after_folder_and_file(tmp_path: Path) -> None:
    written(tmp_path, a_suite())
    written(tmp_path, a_suite(), "marts/others.json")
    assert suite_names(tmp_path) == ["landing.things", "marts.others"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param("{", "không phải JSON", id="not JSON"),
        pytest.param([], "trường name", id="not an object"),
        pytest.param(a_suite(name="landing.other"), "trường name", id="another name"),
        pytest.param(a_suite(meta={}), "meta.description", id="no description"),
        pytest.param(a_suite(expectations=[]), "ít nhất một quy tắc", id="no rule"),
        pytest.param(a_suite("x"), "một đối tượng", id="a rule that is a text"),  # type: ignore[arg-type]
        pytest.param(
            a_suite(a_rule(meta={"description": "a"})), "meta.code", id="a rule without a code"
        ),
        pytest.param(
            a_suite(a_rule(meta={"code": "Tên", "description": "a"})), "meta.code", id="odd code"
        ),
        pytest.param(a_suite(a_rule(), a_rule()), "bị trùng", id="a code twice"),
        pytest.param(a_suite(a_rule(kwargs=None)), "kwargs", id="no kwargs"),
        pytest.param(a_suite(a_rule(type=7)), "type", id="no type"),
        pytest.param(a_suite(a_rule(severity="info")), "severity", id="another severity"),
        pytest.param(
            a_suite(a_rule(meta={"code": "name.x"})), "meta.description", id="rule undescribed"
        ),
        pytest.param(a_suite(a_rule(severity="critical")), "meta.remedy", id="refusal, no remedy"),
        pytest.param(
            a_suite(a_rule(kwargs={"column": "name", "regex": "["})), "chính quy", id="bad regex"
        ),
        pytest.param(
            a_suite(a_rule(kwargs={"column": "name", "regex_list": ["(a)"]})),
            "(?:…)",
            id="capturing group",
        ),
    ],
)
def test_a_mistake_in_a_suite_is_named(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(BrokenExpectation) as raised:
        load_suite(written(tmp_path, content), "landing.things")
    assert said in raised.value.text
    assert "landing.things" in raised.value.text
    assert raised.value.remedy


@pytest.mark.parametrize("name", ["landing.absent", "things", "../secret.things", "landing/things"])
def test_a_suite_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(BrokenExpectation, match="bộ quy tắc"):
        load_suite(tmp_path, name)
