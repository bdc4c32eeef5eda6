"""A suite of expectations as one SQL statement: the floor of the gate.

Understands the kinds of rules that the product's suites use, and refuses any other one: a rule
left out would make the floor cheaper than it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ksc_ledger.quality.suites import Rule, Suite

# The columns that quality.frames makes beside the landed ones, in SQL.
DERIVED_HOSTS = """
    (coalesce(status_bits, 0) & 4) <> 0 as has_agent_bit,
    (coalesce(status_bits, 0) & 8) <> 0 as has_alive_bit,
    (coalesce(status_bits, 0) & 16) <> 0 as has_protection_bit,
    agent_version is not null as has_agent_version,
    antivirus_version is not null as has_antivirus_version,
    (epoch_us(last_visible_at) - epoch_us(reference_at)) / 1e6 as last_visible_ahead_seconds,
    (epoch_us(last_connected_at) - epoch_us(reference_at)) / 1e6 as last_connected_ahead_seconds,
    (epoch_us(bases_at) - epoch_us(reference_at)) / 1e6 as bases_ahead_seconds,
    (epoch_us(last_full_scan_at) - epoch_us(reference_at)) / 1e6 as last_full_scan_ahead_seconds,
    (epoch_us(created_at) - epoch_us(reference_at)) / 1e6 as created_ahead_seconds
"""

_OPERATORS = {"==": "=", "!=": "<>", ">": ">", "<": "<", ">=": ">=", "<=": "<="}


class NotTranslated(ValueError):  # noqa: N818 - it completes the sentence of its message
    """A rule of a kind that this module does not know."""


def statement(suite: Suite, relation: str) -> str:
    """One query: a row a ``server_code``, a column a rule with the number of rows that break it."""
    counts = [
        f'count(*) filter ({_broken(rule)}) as "{rule.code}"'
        for rule in suite.rules
        if not _is_unique(rule)
    ]
    twins = [rule for rule in suite.rules if _is_unique(rule)]
    sql = f"with judged as ({relation})"
    joins = ""
    columns = ["r.*"]
    for number, rule in enumerate(twins):
        keys = ", ".join(rule.kwargs["column_list"])
        missing = " and ".join(f"{key} is not null" for key in rule.kwargs["column_list"])
        sql += (
            f", twin_{number} as (select server_code, sum(n) filter (n > 1) as n from (select"
            f" {keys}, count(*) as n from judged where {missing} group by {keys})"
            " group by server_code)"
        )
        joins += f" left join twin_{number} using (server_code)"
        columns.append(f'coalesce(twin_{number}.n, 0)::bigint as "{rule.code}"')
    sql += f", r as (select server_code, {', '.join(counts)} from judged group by server_code)"
    return f"{sql} select {', '.join(columns)} from r{joins}"


def _is_unique(rule: Rule) -> bool:
    return rule.type == "expect_compound_columns_to_be_unique"


def _broken(rule: Rule) -> str:
    """The condition under which a row breaks a rule. A missing value breaks only not_be_null."""
    kwargs = rule.kwargs
    known = {"column", "column_A", "column_B", "row_condition", "ignore_row_if"}
    match rule.type:
        case "expect_column_values_to_not_be_null":
            known_here, wrong = known, f"{kwargs['column']} is null"
        case "expect_column_values_to_be_between":
            known_here = known | {"min_value", "max_value"}
            bounds = [
                f"{kwargs['column']} {sign} {_literal(kwargs[name])}"
                for name, sign in (("min_value", "<"), ("max_value", ">"))
                if kwargs.get(name) is not None
            ]
            wrong = f"({' or '.join(bounds)})"
        case "expect_column_values_to_be_in_set":
            known_here = known | {"value_set"}
            values = ", ".join(_literal(one) for one in kwargs["value_set"])
            wrong = f"{kwargs['column']} not in ({values})"
        case "expect_column_values_to_match_regex":
            known_here = known | {"regex"}
            wrong = f"not regexp_matches({kwargs['column']}, {_literal(kwargs['regex'])})"
        case "expect_column_pair_values_to_be_equal":
            known_here = known
            wrong = f"{kwargs['column_A']} <> {kwargs['column_B']}"
        case _:
            raise NotTranslated(f"{rule.code}: {rule.type}")
    if more := set(kwargs) - known_here:
        raise NotTranslated(f"{rule.code}: {', '.join(sorted(more))}")
    condition = kwargs.get("row_condition")
    return wrong if condition is None else f"{wrong} and {_condition(rule, condition)}"


def _condition(rule: Rule, condition: Mapping[str, Any]) -> str:
    match condition["type"]:
        case "comparison":
            name = condition["column"]["name"]
            operator = _OPERATORS[condition["operator"]]
            return f"{name} {operator} {_literal(condition['parameter'])}"
        case "nullity":
            is_null = "is null" if condition["is_null"] else "is not null"
            return f"{condition['column']['name']} {is_null}"
        case "and":
            return " and ".join(_condition(rule, one) for one in condition["conditions"])
    raise NotTranslated(f"{rule.code}: {condition['type']}")


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return "'" + str(value).replace("'", "''") + "'"
