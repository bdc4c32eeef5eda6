"""Suites of expectations: JSON files in Great Expectations' own form, read and checked.

``expectations/<folder>/<name>.json`` is the suite ``<folder>.<name>``, named after the relation
it guards. expectations/README.md explains the file for those who write rules.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ksc_ledger.errors import LedgerError

# The suites that the product itself runs.
HOSTS = "landing.ksc_hosts"
LOADS = "landing.ksc_loads"
EXTRAS = "landing.ksc_extras"
COVERAGE = "marts.fct_unit_coverage_daily"
REPORTS = "reports.unit_reports"

SUITE_NAME = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")
RULE_CODE = re.compile(r"[a-z0-9_]+\.[a-z0-9_]+")


class BrokenExpectation(LedgerError):  # noqa: N818 - the rule is broken, not the data
    """A rule that cannot be evaluated. It says nothing about the data, which stays unjudged."""

    def __init__(self, suite: str, rule: str, reason: str) -> None:
        where = f"quy tắc «{rule}» của bộ «{suite}»" if rule else f"bộ quy tắc «{suite}»"
        super().__init__(
            "expectation_broken",
            f"Không dùng được {where}: {reason}",
            "Sửa tệp trong thư mục expectations/ (cách viết: expectations/README.md) rồi chạy lại; "
            "số liệu đang chờ không bị loại.",
        )
        self.suite = suite
        self.rule = rule


class Severity(StrEnum):
    FAIL = "fail"  # the whole load, or the version to be published, is refused
    WARN = "warn"  # figures go on; somebody looks


# Great Expectations' words on the left.
_SEVERITIES = {"critical": Severity.FAIL, "warning": Severity.WARN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One expectation. ``description`` says in Vietnamese what must hold, ``remedy`` what to do."""

    code: str
    type: str
    kwargs: Mapping[str, Any]
    severity: Severity
    description: str
    remedy: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns the rule judges, then those its row condition looks at."""
        judged = [self.kwargs.get(key) for key in ("column", "column_A", "column_B")]
        judged += self.kwargs.get("column_list", ())
        found = [name for name in judged if isinstance(name, str)]
        return tuple(dict.fromkeys([*found, *_columns_of(self.kwargs.get("row_condition"))]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """``rules`` in the file's order; their codes are unique in the suite."""

    name: str
    description: str
    rules: tuple[Rule, ...]


def suite_names(root: Path) -> list[str]:
    """Every suite below ``root``."""
    return sorted(f"{path.parent.name}.{path.stem}" for path in root.glob("*/*.json"))


def load_suite(root: Path, name: str) -> Suite:
    """Read one suite; raise BrokenExpectation that says what is wrong in the file."""
    if not SUITE_NAME.fullmatch(name):
        raise BrokenExpectation(name, "", "tên bộ phải có dạng «thư_mục.tên»")
    folder, stem = name.split(".")
    try:
        raw = json.loads((root / folder / f"{stem}.json").read_text("utf-8"))
    except OSError as error:
        raise BrokenExpectation(name, "", f"không đọc được tệp ({error.strerror})") from error
    except ValueError as error:
        raise BrokenExpectation(name, "", f"tệp không phải JSON ({error})") from error
    if not isinstance(raw, dict) or raw.get("name") != name:
        raise BrokenExpectation(name, "", f"trường name phải là {name!r}")
    description = _text(raw.get("meta"), "description")
    if not description:
        raise BrokenExpectation(name, "", "thiếu meta.description")
    expectations = raw.get("expectations")
    if not isinstance(expectations, list) or not expectations:
        raise BrokenExpectation(name, "", "expectations phải là danh sách có ít nhất một quy tắc")
    rules = tuple(_rule(name, number, item) for number, item in enumerate(expectations, start=1))
    codes = [rule.code for rule in rules]
    for code in codes:
        if codes.count(code) > 1:
            raise BrokenExpectation(name, code, "meta.code bị trùng")
    return Suite(name=name, description=description, rules=rules)


def _rule(suite: str, number: int, raw: Any) -> Rule:
    place = f"số {number}"
    if not isinstance(raw, dict):
        raise BrokenExpectation(suite, place, "mỗi quy tắc phải là một đối tượng")
    code = _text(raw.get("meta"), "code")
    if not RULE_CODE.fullmatch(code):
        raise BrokenExpectation(suite, place, "meta.code phải có dạng «cột_hoặc_bảng.quy_tắc»")
    kwargs = raw.get("kwargs")
    if not isinstance(raw.get("type"), str) or not isinstance(kwargs, dict):
        raise BrokenExpectation(suite, code, "thiếu type hoặc kwargs")
    severity = _SEVERITIES.get(raw.get("severity", ""))
    if severity is None:
        raise BrokenExpectation(suite, code, "severity phải là critical hoặc warning")
    description = _text(raw["meta"], "description")
    remedy = _text(raw["meta"], "remedy")
    if not description:
        raise BrokenExpectation(suite, code, "thiếu meta.description")
    if severity is Severity.FAIL and not remedy:
        raise BrokenExpectation(suite, code, "quy tắc critical phải có meta.remedy")
    for regex in (kwargs.get("regex"), *kwargs.get("regex_list", ())):
        if isinstance(regex, str):
            _check_regex(suite, code, regex)
    return Rule(
        code=code,
        type=raw["type"],
        kwargs=kwargs,
        severity=severity,
        description=description,
        remedy=remedy,
    )


def _check_regex(suite: str, code: str, regex: str) -> None:
    """Great Expectations meets a bad pattern only when there is a value to match it with."""
    try:
        groups = re.compile(regex).groups
    except re.error as error:
        raise BrokenExpectation(suite, code, f"biểu thức chính quy sai ({error})") from error
    if groups:  # pandas warns of them
        raise BrokenExpectation(suite, code, "trong biểu thức chính quy, viết (?:…) thay cho (…)")


def _text(raw: Any, key: str) -> str:
    value = raw.get(key, "") if isinstance(raw, dict) else ""
    return value if isinstance(value, str) else ""


def _columns_of(condition: Any) -> Iterator[str]:
    """The columns that a row condition (nested JSON) names."""
    if not isinstance(condition, dict):
        return
    column = condition.get("column")
    if isinstance(column, dict) and isinstance(column.get("name"), str):
        yield column["name"]
    for inner in condition.get("conditions", ()):
        yield from _columns_of(inner)
