"""The dashboard as code: ``assets/*.yaml`` in our short form → what Superset imports.

Columns and their Vietnamese labels come from the published file itself, whose comments are the
product's own words; the files here say what is counted, how it is drawn and where it stands. Ids are
made of names, so that an import finds again what an earlier one made.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bi import connection

SCHEMA = "bi"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "ksc-ledger.example")
_VERSION = "1.0.0"
_WIDE = 12  # columns of a row

# Text is shown as text: no HTML of a table cell is ever rendered.
_OF_EVERY_CHART: Mapping[str, Any] = {
    "adhoc_filters": [],
    "row_limit": 10_000,
    "extra_form_data": {},
}
_OF_VIZ: Mapping[str, Mapping[str, Any]] = {
    "big_number_total": {"header_font_size": 0.4, "subtitle_font_size": 0.2},
    "table": {
        "query_mode": "raw",
        "show_cell_bars": False,
        "allow_render_html": False,
        "include_search": True,
        "server_page_length": 10,
        "page_length": 10,
        "table_timestamp_format": "%d/%m/%Y %H:%M",
    },
    "echarts_timeseries_bar": {
        "color_scheme": "supersetColors",
        "legendOrientation": "top",
        "legendType": "scroll",
        "rich_tooltip": True,
        "show_legend": True,
        "truncate_metric": True,
        "y_axis_format": ",d",
    },
    "echarts_timeseries_line": {
        "color_scheme": "supersetColors",
        "legendOrientation": "top",
        "legendType": "scroll",
        "rich_tooltip": True,
        "show_legend": True,
        "truncate_metric": True,
        "tooltipTimeFormat": "%d/%m/%Y",
    },
    "gantt_chart": {
        "color_scheme": "supersetColors",
        "legendOrientation": "top",
        "legendType": "plain",
        "show_legend": True,
        "subcategories": False,
        "tooltipTimeFormat": "%d/%m/%Y %H:%M",
        "x_axis_time_bounds": [None, None],
        "x_axis_time_format": "%d/%m %H:%M",
        "y_axis_title": " ",
        "y_axis_title_margin": 120,
        "zoomable": True,
    },
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a view as the published file describes it; ``label`` is its comment."""

    name: str
    label: str
    type: str

    @property
    def is_time(self) -> bool:
        return self.type in ("DATE", "TIMESTAMP")


@dataclass(frozen=True, slots=True)
class Written:
    """What stands in ``assets/``."""

    datasets: Mapping[str, Any]
    charts: Mapping[str, Any]
    dashboard: Mapping[str, Any]

    @property
    def uuids(self) -> dict[str, set[str]]:
        """Everything that is ours, by kind."""
        return {
            "dataset": {id_of("dataset", name) for name in self.datasets},
            "chart": {id_of("chart", name) for name in self.charts},
            "dashboard": {id_of("dashboard", self.dashboard["slug"])},
            "database": {id_of("database", connection.DATABASE)},
        }


def read(folder: Path) -> Written:
    def one(name: str) -> Mapping[str, Any]:
        content: Mapping[str, Any] = yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))
        return content

    return Written(one("datasets"), one("charts"), one("dashboard"))


def id_of(kind: str, name: str) -> str:
    """The same thing has the same id on every machine."""
    return str(uuid.uuid5(_NAMESPACE, f"{kind}:{name}"))


def for_import(
    written: Written, views: Mapping[str, tuple[Column, ...]], marts_file: Path
) -> dict[str, str]:
    """Superset's files, as text by path. ``views``: the columns of each view of the file."""
    files: dict[str, Any] = {
        "metadata.yaml": {
            "version": _VERSION,
            "type": "assets",
            "timestamp": "2024-01-01T00:00:00+00:00",
        },
        "databases/ksc_ledger.yaml": _database(marts_file),
        f"dashboards/{written.dashboard['slug']}.yaml": _dashboard(written),
    }
    for name, dataset in written.datasets.items():
        files[f"datasets/ksc_ledger/{name}.yaml"] = _dataset(name, dataset, views[name])
    for name, chart in written.charts.items():
        files[f"charts/{name}.yaml"] = _chart(name, chart)
    return {path: yaml.safe_dump(file, allow_unicode=True) for path, file in files.items()}


def _database(marts_file: Path) -> dict[str, Any]:
    return {
        "database_name": connection.DATABASE,
        "uuid": id_of("database", connection.DATABASE),
        "version": _VERSION,
        "sqlalchemy_uri": connection.uri(marts_file),
        "cache_timeout": -1,  # never: the next question sees the next version
        "expose_in_sqllab": True,
        "allow_run_async": False,
        "allow_ctas": False,
        "allow_cvas": False,
        "allow_dml": False,
        "allow_file_upload": False,
        "extra": {
            "allows_virtual_table_explore": True,
            "cost_estimate_enabled": False,
            "metadata_params": {},
            "engine_params": {"connect_args": connection.connect_args()},
        },
    }


def _dataset(name: str, dataset: Mapping[str, Any], columns: tuple[Column, ...]) -> dict[str, Any]:
    return {
        "table_name": name,
        "schema": SCHEMA,
        "catalog": None,
        "sql": None,
        "main_dttm_col": dataset.get("time"),
        "description": dataset["says"],
        "uuid": id_of("dataset", name),
        "database_uuid": id_of("database", connection.DATABASE),
        "version": _VERSION,
        "offset": 0,
        "cache_timeout": None,
        "normalize_columns": False,
        "always_filter_main_dttm": False,
        "columns": [
            {
                "column_name": column.name,
                "verbose_name": column.label,
                "type": column.type,
                "is_dttm": column.is_time,
                "is_active": True,
                "groupby": True,
                "filterable": True,
            }
            for column in columns
        ],
        "metrics": [
            {
                "metric_name": metric,
                "verbose_name": said["label"],
                "expression": said["sql"],
                "d3format": said.get("format", ",d"),
            }
            for metric, said in dataset.get("metrics", {}).items()
        ],
    }


def _chart(name: str, chart: Mapping[str, Any]) -> dict[str, Any]:
    viz = chart["viz"]
    params = {
        **_OF_EVERY_CHART,
        **_OF_VIZ[viz],
        **chart["params"],
        "viz_type": viz,
    }
    if where := chart.get("where"):
        params["adhoc_filters"] = [
            {"clause": "WHERE", "expressionType": "SQL", "sqlExpression": where}
        ]
    return {
        "slice_name": chart["title"],
        "uuid": id_of("chart", name),
        "dataset_uuid": id_of("dataset", chart["dataset"]),
        "viz_type": viz,
        "version": _VERSION,
        "cache_timeout": -1,
        "params": params,
        "query_context": None,
        "description": chart.get("says"),
    }


def _dashboard(written: Written) -> dict[str, Any]:
    dashboard = written.dashboard
    slug = dashboard["slug"]
    rows = [f"ROW-{number}" for number, _ in enumerate(dashboard["rows"], 1)]
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": rows, "parents": ["ROOT_ID"]},
        "HEADER_ID": {
            "type": "HEADER",
            "id": "HEADER_ID",
            "meta": {"text": dashboard["title"]},
        },
    }
    numbers = {name: number for number, name in enumerate(written.charts, 1)}
    for row, content in zip(rows, dashboard["rows"], strict=True):
        names = content["charts"]
        position[row] = {
            "type": "ROW",
            "id": row,
            "children": [f"CHART-{name}" for name in names],
            "parents": ["ROOT_ID", "GRID_ID"],
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
        }
        for name in names:
            position[f"CHART-{name}"] = {
                "type": "CHART",
                "id": f"CHART-{name}",
                "children": [],
                "parents": ["ROOT_ID", "GRID_ID", row],
                "meta": {
                    "uuid": id_of("chart", name),
                    "chartId": numbers[name],
                    "sliceName": written.charts[name]["title"],
                    "width": _WIDE // len(names),
                    "height": content["height"],
                },
            }
    return {
        "dashboard_title": dashboard["title"],
        "slug": slug,
        "uuid": id_of("dashboard", slug),
        "version": _VERSION,
        "published": True,  # else a viewer does not see it
        "css": "",
        "description": dashboard["says"],
        "position": position,
        "metadata": {
            "native_filter_configuration": [_filter(one) for one in dashboard["filters"]],
            "refresh_frequency": dashboard["refresh_seconds"],
            "timed_refresh_immune_slices": [],
            "expanded_slices": {},
            "color_scheme": "supersetColors",
            "label_colors": _colours(written),
            "shared_label_colors": [],
            "cross_filters_enabled": True,
            "default_filters": "{}",
            "chart_configuration": {},
            "global_chart_configuration": {
                "scope": {"rootPath": ["ROOT_ID"], "excluded": []},
                "chartsInScope": [],
            },
        },
    }


def _colours(written: Written) -> dict[str, str]:
    """By the word that is shown; a metric's bars ask by the metric's name instead."""
    colours: Mapping[str, str] = written.dashboard["colours"]
    by_name = {
        name: colours[said["label"]]
        for dataset in written.datasets.values()
        for name, said in dataset.get("metrics", {}).items()
        if said["label"] in colours
    }
    return {**colours, **by_name}


def _filter(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"NATIVE_FILTER-{said['column']}",
        "name": said["title"],
        "filterType": "filter_select",
        "type": "NATIVE_FILTER",
        "targets": [
            {
                "datasetUuid": id_of("dataset", said["dataset"]),
                "column": {"name": said["column"]},
            }
        ],
        "controlValues": {
            "multiSelect": True,
            "enableEmptyFilter": False,
            "defaultToFirstItem": False,
            "inverseSelection": False,
            "searchAllOptions": False,
        },
        "defaultDataMask": {"extraFormData": {}, "filterState": {}},
        "cascadeParentIds": [f"NATIVE_FILTER-{name}" for name in said.get("below", [])],
        "scope": {"rootPath": ["ROOT_ID"], "excluded": []},
        "description": "",
    }
