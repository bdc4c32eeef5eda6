from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ksc_ledger.quality import frames, suites
from ksc_ledger.quality.gate import ROWS_KEPT, Verdict, judge, judge_by_server
from ksc_ledger.quality.suites import BrokenExpectation, Severity
from unit.quality.landed import ROOT, a_host, a_load, a_table, healthy


def rule(type_: str, code: str = "a.rule", **kwargs: Any) -> dict[str, Any]:
    meta = {"code": code, "description": "Quy tắc thử.", "remedy": "Sửa."}
    return {"type": type_, "kwargs": kwargs, "severity": "critical", "meta": meta}


def suite_of(root: Path, *rules: dict[str, Any]) -> Path:
    (root / "landing").mkdir(parents=True, exist_ok=True)
    content = {
        "name": "landing.things",
        "meta": {"description": "Thử."},
        "expectations": list(rules),
    }
    (root / "landing" / "things.json").write_text(json.dumps(content), "utf-8")
    return root


NOT_NULL = rule("expect_column_values_to_not_be_null", column="name")


def judge_one(root: Path, frame: pd.DataFrame, *rules: dict[str, Any], **more: Any) -> Verdict:
    return judge(frame, "landing.things", root=suite_of(root, *rules), **more)[0]


def test_a_verdict_names_the_rule_and_the_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["a", None, "b", None]})
    assert judge_one(tmp_path, frame, NOT_NULL) == Verdict(
        suite="landing.things",
        expectation="a.rule",
        column="name",
        severity=Severity.FAIL,
        is_success=False,
        unexpected_count=2,
        description="Quy tắc thử.",
        remedy="Sửa.",
        unexpected_rows=(1, 3),
    )


def test_great_expectations_own_classes_stay_what_they_are(tmp_path: Path) -> None:
    """Ours say the same of themselves; nobody else in the process is given them."""
    from ksc_ledger.quality import engine  # first: its import is the one without warnings

    from great_expectations.expectations.registry import get_expectation_impl  # isort: skip

    judge_one(tmp_path, pd.DataFrame({"name": ["a"]}), NOT_NULL)
    own = engine.gxe.ExpectColumnValuesToNotBeNull
    assert get_expectation_impl("expect_column_values_to_not_be_null") is own
    plain = own(column="name", mostly=0.5)
    ours = engine._remembering(own)(column="name", mostly=0.5)
    assert ours.dict() == plain.dict()
    made = ours.configuration
    assert ours.configuration is made
    assert made.to_json_dict() == plain.configuration.to_json_dict()
    back = made.to_domain_obj()
    assert (type(back), type(plain.configuration.to_domain_obj())) == (type(ours), own)
    assert back.dict() == plain.configuration.to_domain_obj().dict()


def test_rows_are_positions_whatever_index_the_frame_has(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["a", None]}, index=[70, 70])
    assert judge_one(tmp_path, frame, NOT_NULL).unexpected_rows == (1,)


def test_verdicts_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    rules = [
        rule("expect_column_values_to_be_in_set", "b.second", column="name", value_set=["a"]),
        rule("expect_column_values_to_not_be_null", "a.first", column="name"),
        rule("expect_table_row_count_to_be_between", "c.third", min_value=2),
    ]
    verdicts = judge(
        pd.DataFrame({"name": ["a"]}), "landing.things", root=suite_of(tmp_path, *rules)
    )
    assert [one.expectation for one in verdicts] == ["b.second", "a.first", "c.third"]
    assert [one.is_success for one in verdicts] == [True, True, False]
    assert (verdicts[2].column, verdicts[2].unexpected_count) == ("", 1)


def test_a_tolerated_row_is_counted_and_not_listed(tmp_path: Path) -> None:
    tolerant = rule("expect_column_values_to_not_be_null", column="name", mostly=0.5)
    verdict = judge_one(tmp_path, pd.DataFrame({"name": ["a", None]}), tolerant)
    assert (verdict.is_success, verdict.unexpected_count) == (True, 1)
    assert verdict.unexpected_rows == ()


def test_rows_are_asked_only_of_the_rules_that_do_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ksc_ledger.quality import engine

    asked: list[tuple[str, list[str]]] = []
    validated = engine._validated

    def listening(validator: Any, configurations: list[Any], result_format: str) -> Any:
        asked.append((result_format, [one.meta["code"] for one in configurations]))
        return validated(validator, configurations, result_format)

    monkeypatch.setattr(engine, "_validated", listening)
    rules = [
        rule("expect_column_values_to_not_be_null", "a.fails", column="name"),
        rule("expect_column_values_to_not_be_null", "a.holds", column="n"),
        rule("expect_column_values_to_not_be_null", "a.tolerates", column="n", mostly=0.5),
    ]
    frame = pd.DataFrame({"name": ["a", None], "n": [1, 2]})
    verdicts = judge(frame, "landing.things", root=suite_of(tmp_path, *rules))
    assert [(one.is_success, one.unexpected_count) for one in verdicts] == [
        (False, 1),
        (True, 0),
        (True, 0),
    ]
    assert [(how, sorted(codes)) for how, codes in asked] == [
        ("BOOLEAN_ONLY", ["a.fails", "a.holds", "a.tolerates"]),
        ("COMPLETE", ["a.fails", "a.tolerates"]),
    ]


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(
            {"type": "comparison", "column": {"name": "n"}, "operator": ">", "parameter": 1},
            id="one column",
        ),
        pytest.param(
            {
                "type": "or",
                "conditions": [
                    {
                        "type": "comparison",
                        "column": {"name": "n"},
                        "operator": "==",
                        "parameter": 2,
                    },
                    {"type": "nullity", "column": {"name": "other"}, "is_null": True},
                ],
            },
            id="several columns",
        ),
        pytest.param(
            {"type": "pass_through", "pass_through_filter": "n > 1 and other.isnull()"},
            id="columns that only pandas knows",
        ),
    ],
)
def test_a_condition_sees_the_columns_it_looks_at(
    tmp_path: Path, condition: dict[str, Any]
) -> None:
    frame = pd.DataFrame({"name": [None, None, "c"], "n": [1, 2, 3], "other": ["x", None, None]})
    conditional = rule(
        "expect_column_values_to_not_be_null", column="name", row_condition=condition
    )
    assert judge_one(tmp_path, frame, conditional).unexpected_rows == (1,)


def test_a_rule_on_the_whole_table_sees_all_its_columns(tmp_path: Path) -> None:
    frame = pd.DataFrame({"name": ["a"], "n": [1]})
    columns = rule("expect_table_column_count_to_equal", value=2)
    named = rule("expect_column_values_to_not_be_null", "a.named", column="name")
    verdicts = judge(frame, "landing.things", root=suite_of(tmp_path, named, columns))
    assert all(one.is_success for one in verdicts)


def test_two_frames_of_one_process_are_judged_apart(tmp_path: Path) -> None:
    assert not judge_one(tmp_path, pd.DataFrame({"name": [None]}), NOT_NULL).is_success
    assert judge_one(tmp_path, pd.DataFrame({"name": ["a"]}), NOT_NULL).is_success


def test_the_frame_of_hosts_holds_what_is_wanted_and_numbers_of_64_bits() -> None:
    landed = [frames.Landed(a_load(server), healthy(2), None) for server in ("dtp_1", "dtp_2")]
    wanted = frames.columns_of(suites.load_suite(ROOT, suites.HOSTS))
    narrow, whole = frames.hosts_frame(landed, wanted), frames.hosts_frame(landed)
    assert set(narrow.columns) <= wanted | {frames.SERVER, frames.REFERENCE}
    assert "dns_name" in set(whole.columns) - set(narrow.columns)
    assert list(narrow[frames.SERVER]) == ["dtp_1", "dtp_1", "dtp_2", "dtp_2"]
    assert not {name for name, kind in narrow.dtypes.items() if kind == "int32"}
    assert [one.is_success for one in judge(narrow, suites.HOSTS, root=ROOT)] == [
        one.is_success for one in judge(whole, suites.HOSTS, root=ROOT)
    ]


def test_the_collector_works_on_after_the_import() -> None:
    import gc

    from ksc_ledger.quality import engine

    assert gc.isenabled()
    with pytest.raises(ImportError), engine._uncollected():
        raise ImportError
    assert gc.isenabled()


def test_a_parameter_is_filled_in(tmp_path: Path) -> None:
    at_most = rule(
        "expect_column_values_to_be_between", column="seats", max_value={"$PARAMETER": "licence"}
    )
    frame = pd.DataFrame({"seats": [330, 331]})
    enough = judge_one(tmp_path, frame, at_most, parameters={"licence": 331})
    short = judge_one(tmp_path, frame, at_most, parameters={"licence": 330})
    assert (enough.is_success, short.unexpected_rows) == (True, (1,))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        pytest.param(
            rule("expect_column_values_to_not_be_null", column="nmae"),
            "không có cột nmae",
            id="misspelt column",
        ),
        pytest.param(
            rule(
                "expect_column_values_to_not_be_null",
                column="name",
                row_condition={"type": "nullity", "column": {"name": "unti"}, "is_null": True},
            ),
            "không có cột unti",
            id="misspelt column in the condition",
        ),
        pytest.param(
            rule("expect_names_to_be_nice"), "expect_names_to_be_nice", id="unknown expectation"
        ),
        pytest.param(
            rule("expect_column_values_to_not_be_null", column="name", mostyl=1),
            "tham số sai",
            id="misspelt argument",
        ),
        pytest.param(
            rule("expect_column_values_to_be_between", column="name", min_value=1),
            "quy tắc",
            id="number compared with text",
        ),
        pytest.param(
            rule(
                "expect_column_values_to_be_in_set",
                column="name",
                value_set={"$PARAMETER": "known"},
            ),
            "known",
            id="parameter not given",
        ),
        pytest.param(
            rule(
                "expect_column_values_to_not_be_null",
                column="name",
                row_condition={"type": "maybe"},
            ),
            "quy tắc",
            id="unknown condition",
        ),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_not_bad_data(
    tmp_path: Path, broken: dict[str, Any], said: str
) -> None:
    with pytest.raises(BrokenExpectation) as raised:
        judge_one(tmp_path, pd.DataFrame({"name": ["a", "b"]}), broken)
    assert said in raised.value.text


def test_a_frame_without_the_columns_of_its_suite_is_a_broken_rule_too() -> None:
    frame = frames.hosts_frame([frames.Landed(a_load(), healthy(1), None)])
    with pytest.raises(BrokenExpectation, match="status_bits"):
        judge(frame.drop(columns="status_bits"), suites.HOSTS, root=ROOT)


def three_servers() -> tuple[pd.DataFrame, list[str]]:
    """dtp_1 with two bad rows, dtp_2 healthy, dtp_3 without any device."""
    landed = [
        frames.Landed(
            a_load("dtp_1", rows=3),
            a_table([a_host(1), a_host(2, status_bits=-1), a_host(3, status_bits=-5)]),
            None,
        ),
        frames.Landed(a_load("dtp_2", rows=2), healthy(2), None),
        frames.Landed(a_load("dtp_3", rows=0), a_table([]), None),
    ]
    return frames.hosts_frame(landed), [one.load.server_code for one in landed]


def test_each_server_answers_for_its_own_rows_only() -> None:
    frame, servers = three_servers()
    verdicts = judge_by_server(frame, suites.HOSTS, root=ROOT, servers=servers)
    found = {
        server: {one.expectation: one for one in verdicts[server]}["status_bits.not_negative"]
        for server in servers
    }
    assert [found[server].is_success for server in servers] == [False, True, True]
    assert found["dtp_1"].unexpected_count == 2
    assert found["dtp_1"].unexpected_rows == (1, 2)
    assert {len(verdicts[server]) for server in servers} == {24}


def test_one_device_on_two_servers_is_no_duplicate_within_a_server() -> None:
    landed = [frames.Landed(a_load(server), healthy(1), None) for server in ("dtp_1", "dtp_2")]
    verdicts = judge_by_server(
        frames.hosts_frame(landed), suites.HOSTS, root=ROOT, servers=["dtp_1", "dtp_2"]
    )
    assert all(one.is_success for found in verdicts.values() for one in found)


def test_many_bad_rows_are_all_counted_and_some_listed() -> None:
    hosts = [a_host(number, status_id=7) for number in range(ROWS_KEPT + 1)]
    frame = frames.hosts_frame([frames.Landed(a_load("dtp_1"), a_table(hosts), None)])
    found = judge_by_server(frame, suites.HOSTS, root=ROOT, servers=["dtp_1"])["dtp_1"]
    [verdict] = [one for one in found if not one.is_success]
    assert verdict.unexpected_count == ROWS_KEPT + 1
    assert verdict.unexpected_rows == tuple(range(ROWS_KEPT))


@pytest.mark.parametrize(
    "bound_to_others",
    [
        pytest.param(rule("expect_column_values_to_be_unique", column="name"), id="unique"),
        pytest.param(rule("expect_table_row_count_to_be_between", min_value=1), id="whole table"),
        pytest.param(
            rule("expect_column_values_to_not_be_null", column="name", mostly=0.9), id="mostly"
        ),
        pytest.param(rule("expect_column_mean_to_be_between", column="n", min_value=0), id="mean"),
    ],
)
def test_a_rule_that_needs_other_rows_is_refused_for_many_servers(
    tmp_path: Path, bound_to_others: dict[str, Any]
) -> None:
    frame = pd.DataFrame({"server_code": ["a", "b"], "name": ["x", "x"], "n": [1, 2]})
    root = suite_of(tmp_path, bound_to_others)
    with pytest.raises(BrokenExpectation, match="từng dòng"):
        judge_by_server(frame, "landing.things", root=root, servers=["a", "b"])


def test_asking_for_the_gate_loads_no_heavy_library() -> None:
    asked = (
        "import sys, ksc_ledger.quality.gate, ksc_ledger.quality.quarantine;"
        "sys.exit(bool({'great_expectations', 'pandas', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", asked], check=False).returncode == 0


def test_great_expectations_is_told_to_be_silent() -> None:
    from ksc_ledger.quality import engine

    context = engine._context()
    assert context.config.analytics_enabled is False
    assert context.variables.progress_bars["globally"] is False
    assert engine._context() is context
