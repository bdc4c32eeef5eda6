"""Evaluate a suite with Great Expectations' pandas engine. Only ``gate`` imports this module.

Importing it costs seconds of CPU and some 300 MB: once a process, never at the top of a DAG file.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from ksc_ledger.quality.suites import BrokenExpectation, Rule, Suite

with warnings.catch_warnings():
    # It imports a module of the standard library that 3.11 and 3.12 call deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    import great_expectations as gx
    from great_expectations import expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

_ROW_WISE = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
# They judge a row by the others of its column.
_NOT_ROW_WISE = {
    "expect_column_values_to_be_unique",
    "expect_column_values_to_be_increasing",
    "expect_column_values_to_be_decreasing",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rule. ``positions`` of the offending rows, only where it did not hold."""

    rule: Rule
    is_success: bool
    unexpected_count: int
    positions: tuple[int, ...]


def run(frame: pd.DataFrame, suite: Suite, parameters: Mapping[str, Any]) -> list[Outcome]:
    """Judge a frame by every rule of a suite, in the suite's order.

    ``parameters`` stand for ``{"$PARAMETER": …}`` in the rules. Raise BrokenExpectation for a
    rule that cannot be evaluated: bad data never looks like a bad rule, nor the reverse.
    """
    for rule in suite.rules:
        missing = [name for name in rule.columns if name not in frame.columns]
        if missing:
            raise BrokenExpectation(suite.name, rule.code, f"không có cột {', '.join(missing)}")
    built = gx.ExpectationSuite(
        name=suite.name, expectations=[_expectation(suite, rule) for rule in suite.rules]
    )
    batch = _batches().get_batch(
        batch_parameters={"dataframe": frame.reset_index(drop=True)}  # positions, whatever it had
    )
    try:
        # Without index columns COMPLETE lists the positions of the offending rows, cheaply.
        validation = batch.validate(
            built, result_format="COMPLETE", expectation_parameters=dict(parameters)
        )
    except Exception as error:
        raise BrokenExpectation(suite.name, "", f"Great Expectations báo lỗi: {error}") from error
    results = {result.expectation_config.meta["code"]: result for result in validation.results}
    return [_outcome(suite, rule, results.get(rule.code)) for rule in suite.rules]


def is_row_wise(suite: Suite, rule: Rule) -> bool:
    """Whether the rule judges each row by itself, so that a union of frames may be judged at once."""
    kwargs = rule.kwargs
    return (
        isinstance(_expectation(suite, rule), _ROW_WISE)
        and rule.type not in _NOT_ROW_WISE
        and kwargs.get("mostly", 1) == 1
    )


@cache
def _batches() -> Any:
    """The one context of this process: in memory, silent, and telling nobody."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


def _expectation(suite: Suite, rule: Rule) -> Any:
    # By the public class: a suite built from raw JSON silently leaves out a type it does not know.
    kind = getattr(gxe, "".join(part.capitalize() for part in rule.type.split("_")), None)
    if kind is None:
        raise BrokenExpectation(suite.name, rule.code, f"không có loại quy tắc {rule.type!r}")
    severity = "critical" if rule.severity == "fail" else "warning"
    meta = {"code": rule.code, "description": rule.description}
    try:
        return kind(**rule.kwargs, meta=meta, severity=severity)
    except (TypeError, ValueError) as error:
        raise BrokenExpectation(suite.name, rule.code, f"tham số sai: {error}") from error


def _outcome(suite: Suite, rule: Rule, result: Any) -> Outcome:
    if result is None:
        raise BrokenExpectation(suite.name, rule.code, "Great Expectations không trả kết quả")
    message = _exception(result.exception_info)
    if message:
        raise BrokenExpectation(suite.name, rule.code, message)
    is_success = bool(result.success)
    found = result.result
    # A rule on the table as a whole lists no rows: it is one finding.
    count = int(found.get("unexpected_count", 0 if is_success else 1))
    positions = () if is_success else found.get("unexpected_index_list") or ()
    return Outcome(rule, is_success, count, tuple(sorted({int(one) for one in positions})))


def _exception(info: Mapping[str, Any]) -> str:
    """The message of an evaluation that failed, '' if none did.

    The information is either one record, or one per metric under the metric's id.
    """
    records = [info] if "raised_exception" in info else list(info.values())
    for record in records:
        if isinstance(record, Mapping) and record.get("raised_exception"):
            return str(record.get("exception_message") or "không rõ nguyên nhân")
    return ""
