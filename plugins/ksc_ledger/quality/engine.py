"""Evaluate a suite with Great Expectations' pandas engine. Only ``gate`` imports this module.

Importing it costs seconds of CPU and some 300 MB: once a process, never at the top of a DAG file.
"""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from ksc_ledger.quality.suites import BrokenExpectation, Rule, Suite


@contextmanager
def _uncollected() -> Iterator[None]:
    """What is made in here stays as long as the process, so the collector need not walk it.

    It would, several times, while Great Expectations is imported and at every suite after that.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()


with _uncollected(), warnings.catch_warnings():
    # It imports a module of the standard library that 3.11 and 3.12 call deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    import great_expectations as gx
    from great_expectations import expectations as gxe
    from great_expectations.compatibility.pydantic import ModelMetaclass, PrivateAttr
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        Expectation,
        MulticolumnMapExpectation,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.validator.validator import Validator

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
    try:
        results = _results(frame.reset_index(drop=True), suite, parameters)  # index = position
    except BrokenExpectation:
        raise
    except Exception as error:
        raise BrokenExpectation(suite.name, "", f"Great Expectations báo lỗi: {error}") from error
    return [_outcome(suite, rule, results.get(rule.code)) for rule in suite.rules]


def rehearse() -> None:
    """Make what the first suite of a process needs, for those that are forked from this one."""
    _context()
    for kind in vars(gxe).values():
        if isinstance(kind, type) and issubclass(kind, Expectation):
            _remembering(kind)


def is_row_wise(suite: Suite, rule: Rule) -> bool:
    """Whether the rule judges each row by itself, so that a union of frames may be judged at once."""
    kwargs = rule.kwargs
    return (
        isinstance(_expectation(suite, rule), _ROW_WISE)
        and rule.type not in _NOT_ROW_WISE
        and kwargs.get("mostly", 1) == 1
    )


def _results(
    frame: pd.DataFrame, suite: Suite, parameters: Mapping[str, Any]
) -> dict[str, ExpectationValidationResult]:
    """What Great Expectations says of each rule, by the rule's code.

    Whether a rule holds is cheap to ask. Which rows are wrong costs three times as much, so that
    is asked of the rules that do not hold and of those that may hold with some wrong rows.
    """
    # A condition copies the rows it selects, whole: so a rule is shown its own columns and no
    # others. Rules of the same columns share what is computed of them.
    batches: dict[str, pd.DataFrame] = {}
    configurations = []
    for rule in suite.rules:
        expectation = _expectation(suite, rule)
        configuration = expectation.configuration
        names = list(rule.columns) if _is_narrow(expectation, rule) else list(frame.columns)
        batch_id = json.dumps(names)
        if batch_id not in batches:
            batches[batch_id] = frame[names]
        configuration.kwargs["batch_id"] = batch_id
        configurations.append(configuration)
    validator = Validator(
        # What it remembers of a metric would outlive the frame it was computed from.
        execution_engine=PandasExecutionEngine(batch_data_dict=batches, caching=False),
        data_context=_context(),
    )
    asked = validator.process_expectations_for_validation(configurations, dict(parameters))
    found = _validated(validator, asked, "BOOLEAN_ONLY")
    told = {rule.code for rule in suite.rules if "mostly" in rule.kwargs}
    told |= {code for code, result in found.items() if not result.success}
    told -= {code for code, result in found.items() if _exception(result.exception_info)}
    # Without index columns COMPLETE lists the positions of the offending rows, cheaply.
    again = [one for one in asked if one.meta["code"] in told]
    return found | (_validated(validator, again, "COMPLETE") if again else {})


def _validated(
    validator: Validator, configurations: list[ExpectationConfiguration], result_format: str
) -> dict[str, ExpectationValidationResult]:
    results = validator.graph_validate(
        configurations=configurations, runtime_configuration={"result_format": result_format}
    )
    return {result.expectation_config.meta["code"]: result for result in results}


def _is_narrow(expectation: Any, rule: Rule) -> bool:
    """Whether the columns that the rule names are all that its verdict can rest on."""
    return isinstance(expectation, _ROW_WISE) and _names_columns(rule.kwargs.get("row_condition"))


def _names_columns(condition: Any) -> bool:
    """Whether every part of a row condition says which column it looks at; none does."""
    if condition is None:
        return True
    if not isinstance(condition, Mapping):
        return False  # a text in pandas' own language
    if condition.get("type") in ("and", "or"):
        return all(_names_columns(one) for one in condition.get("conditions", ()))
    return condition.get("type") in ("comparison", "nullity")


@cache
def _context() -> EphemeralDataContext:
    """The one context of this process: in memory, silent, and telling nobody."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


class _Configuration(ExpectationConfiguration):
    """One that is turned into an expectation of a remembering kind."""

    def _get_expectation_impl(self) -> type[Expectation]:
        return _remembering(super()._get_expectation_impl())


@cache
def _remembering(kind: type[Expectation]) -> type[Expectation]:
    """The same kind of expectation, which makes its configuration once.

    Great Expectations asks an expectation for it at each of its keys, and makes it anew each time:
    a third of what judging a small frame costs.
    """

    def configuration(self: Any) -> ExpectationConfiguration:
        if self._made is None:
            self._made = kind.configuration.fget(self)
            self._made.__class__ = _Configuration
        return self._made

    own = {
        "__module__": __name__,
        "_made": PrivateAttr(None),
        "configuration": property(configuration),
    }
    # Not made as classes are made there: that would put it in the place of the other for everybody.
    made: type[Expectation] = ModelMetaclass.__new__(type(kind), kind.__name__, (kind,), own)
    return made


def _expectation(suite: Suite, rule: Rule) -> Any:
    # By the public class: a suite built from raw JSON silently leaves out a type it does not know.
    kind = getattr(gxe, "".join(part.capitalize() for part in rule.type.split("_")), None)
    if kind is None:
        raise BrokenExpectation(suite.name, rule.code, f"không có loại quy tắc {rule.type!r}")
    severity = "critical" if rule.severity == "fail" else "warning"
    meta = {"code": rule.code, "description": rule.description}
    try:
        return _remembering(kind)(**rule.kwargs, meta=meta, severity=severity)
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
