"""The dashboard's files hold together before Superset ever sees them."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import yaml
from bi import assets, places

from ksc_ledger.settings import REPOSITORY
from ksc_ledger.warehouse.twins import view_twins

VIEWS = view_twins(REPOSITORY / "sql")
WRITTEN = assets.read(places.ASSETS)
MARTS = Path("/srv/ksc/marts/ksc_ledger.duckdb")
SHOWN = {
    name: tuple(assets.Column(one.name, one.vi, "VARCHAR") for one in twin.columns)
    for name, twin in VIEWS.items()
}
# Where a chart's parameters name columns or metrics.
NAMES = ("metric", "x_axis", "start_time", "end_time", "y_axis", "series", "x_axis_sort")
LISTS = ("all_columns", "groupby", "metrics", "tooltip_columns")


def imported() -> dict[str, Any]:
    files = assets.for_import(WRITTEN, SHOWN, MARTS)
    return {path: yaml.safe_load(text) for path, text in files.items()}


def named(chart: dict[str, Any]) -> set[str]:
    params = chart["params"]
    found = {params[name] for name in NAMES if name in params}
    found |= {one for name in LISTS for one in params.get(name, ())}
    found |= {json.loads(one)[0] for one in params.get("order_by_cols", ())}
    return found


def test_there_is_what_the_ops_team_asks_for() -> None:
    assert len(WRITTEN.charts) >= 8
    assert {chart["viz"] for chart in WRITTEN.charts.values()} >= {"gantt_chart", "table"}


@pytest.mark.parametrize("name", WRITTEN.charts)
def test_a_chart_names_only_what_its_view_has(name: str) -> None:
    chart = WRITTEN.charts[name]
    dataset = WRITTEN.datasets[chart["dataset"]]
    has = {column.name for column in VIEWS[chart["dataset"]].columns}
    has |= set(dataset.get("metrics", ()))
    assert named(chart) <= has
    if where := chart.get("where"):
        words = set(re.findall(r"\b[a-z_]+\b", re.sub(r"'[^']*'", "", where)))
        assert words - {"in", "and", "or", "not"} <= has


@pytest.mark.parametrize("name", WRITTEN.datasets)
def test_a_metric_names_only_columns_of_its_view(name: str) -> None:
    has = {column.name for column in VIEWS[name].columns}
    known = {"sum", "min", "max", "count", "nullif", "filter", "where", "and", "distinct"}
    for metric in WRITTEN.datasets[name].get("metrics", {}).values():
        words = set(re.findall(r"\b[a-z_]+\b", re.sub(r"'[^']*'", "", metric["sql"])))
        assert words - known <= has, metric
    assert WRITTEN.datasets[name]["time"] in has


def test_every_chart_stands_on_the_dashboard_once_in_rows_of_twelve() -> None:
    rows = [row["charts"] for row in WRITTEN.dashboard["rows"]]
    assert sorted(name for row in rows for name in row) == sorted(WRITTEN.charts)
    assert all(12 % len(row) == 0 for row in rows)
    position = imported()["dashboards/tinh-hinh-ksc.yaml"]["position"]
    charts = [one for one in position.values() if isinstance(one, dict) and one["type"] == "CHART"]
    numbers = [one["meta"]["chartId"] for one in charts]
    assert len(set(numbers)) == len(numbers) == len(WRITTEN.charts)


def test_filters_reach_every_dataset_but_those_without_a_place() -> None:
    columns = {one["column"] for one in WRITTEN.dashboard["filters"]}
    assert columns == {"estate_name", "main_unit_name"}
    without = {
        name
        for name in WRITTEN.datasets
        if not columns <= {column.name for column in VIEWS[name].columns}
    }
    assert without == {"licence", "version"}  # a key is an estate's; a version is everybody's


def test_ids_are_made_of_names_and_never_change() -> None:
    found = [one for kind in WRITTEN.uuids.values() for one in kind]
    assert len(set(found)) == len(found)
    assert assets.id_of("chart", "link") == "2b49ad70-0ba9-5455-bef4-555777444e33"


def test_the_connection_is_locked_and_nothing_may_be_written() -> None:
    database = imported()["databases/ksc_ledger.yaml"]
    assert database["sqlalchemy_uri"] == f"duckdb:///{MARTS}"
    connect = database["extra"]["engine_params"]["connect_args"]
    assert connect["read_only"] is True
    assert connect["config"]["enable_external_access"] is False
    assert connect["config"]["lock_configuration"] is True
    assert not any(value for name, value in database.items() if name.startswith("allow_"))
    assert database["cache_timeout"] == -1


def test_the_options_are_those_that_the_page_for_bi_people_names() -> None:
    page = (REPOSITORY / "docs" / "bi.md").read_text("utf-8")
    for option in imported()["databases/ksc_ledger.yaml"]["extra"]["engine_params"]["connect_args"][
        "config"
    ]:
        assert f'"{option}"' in page, option


def test_no_table_renders_html() -> None:
    for path, file in imported().items():
        if path.startswith("charts/") and file["viz_type"] == "table":
            assert file["params"]["allow_render_html"] is False


def test_labels_come_from_the_file_and_days_and_times_are_known_as_such() -> None:
    shown = {"version": (assets.Column("published_local", "Xuất bản lúc", "TIMESTAMP"),)}
    file = assets.for_import(WRITTEN, SHOWN | shown, MARTS)["datasets/ksc_ledger/version.yaml"]
    (column,) = yaml.safe_load(file)["columns"]
    assert (column["verbose_name"], column["is_dttm"]) == ("Xuất bản lúc", True)


def test_colours_are_of_words_that_are_shown() -> None:
    text = (REPOSITORY / "sql" / "published" / "bi" / "word.sql").read_text("utf-8")
    words = set(re.findall(r"\('[a-z_]+', '[a-z_]+', '([^']+)'", text))
    labels = {
        metric["label"]
        for dataset in WRITTEN.datasets.values()
        for metric in dataset.get("metrics", {}).values()
    }
    assert set(WRITTEN.dashboard["colours"]) <= words | labels
    links = set(re.findall(r"\('link_state', '[a-z]+', '([^']+)'", text))
    assert links <= set(WRITTEN.dashboard["colours"])


def test_the_reasons_are_drawn_in_the_order_and_words_of_the_file() -> None:
    text = (REPOSITORY / "sql" / "published" / "bi" / "word.sql").read_text("utf-8")
    reasons = dict(re.findall(r"\('gap_reason', '([a-z_]+)', '([^']+)'", text))
    drawn = WRITTEN.charts["gap_reason"]["params"]["metrics"]
    metrics = WRITTEN.datasets["coverage_gap"]["metrics"]
    assert [(name, metrics[name]["label"]) for name in drawn] == list(reasons.items())


def test_all_that_is_read_is_composed() -> None:
    for path in places.ASSETS.glob("*.yaml"):
        assert unicodedata.is_normalized("NFC", path.read_text("utf-8")), path
