"""A day's figure again: as it is published now, or as a snapshot id says it was printed.

``coverage_as_of`` judges by today's registry, because the published marts do. ``replay`` takes the
loads and the registry version that the id stands for, and refuses when it cannot be the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from ksc_ledger.clock import VIETNAM, end_of_day, start_of_day
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import version
from ksc_ledger.registry.model import Registry
from ksc_ledger.rules.figures import count, share, written_date
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse.engine import Connection, statement
from ksc_ledger.warehouse.marts import RULES_VERSION, Run, build_models, prepare
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.writer import locked_reader

_ID = re.compile(
    r"(?P<newest>\d{8}T\d{6}Z|none)-(?P<unit>[a-z0-9_]{2,32})-(?P<registry>[0-9a-f]{8})"
    r"-(?P<day>\d{8})(?P<open>p?)-[0-9a-f]{12}"
)
_MODELS = ("dim_unit", "dim_unit_server", "fct_server_source_daily", "fct_unit_coverage_daily")


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotId:
    """The parts of a snapshot id. ``newest_at``: the newest load below the figure, or none.

    ``is_provisional``: the day was still open when the figure was made.
    """

    text: str
    newest_at: datetime | None
    unit_code: str
    registry_prefix: str
    day: date
    is_provisional: bool

    @classmethod
    def parse(cls, text: str) -> SnapshotId:
        found = _ID.fullmatch(text.strip())
        if found is None:
            raise LedgerError(
                "snapshot_id_malformed",
                f"{text!r} không phải là mã số liệu.",
                "Chép nguyên mã in cạnh con số trong công văn hoặc trong cột snapshot_id.",
            )
        newest = found["newest"]
        return cls(
            text=text.strip(),
            newest_at=None
            if newest == "none"
            else datetime.strptime(newest, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC),
            unit_code=found["unit"],
            registry_prefix=found["registry"],
            day=date.fromisoformat(found["day"]),
            is_provisional=found["open"] == "p",
        )


class Map(StrEnum):
    """On which map of the organisation a day's figures are asked."""

    OWN = "own"  # as it was on that day
    TODAY = "today"  # as it is on the day of the published file


_MACROS = {Map.OWN: "coverage_as_of", Map.TODAY: "coverage_on_todays_map"}


def coverage_as_of(
    settings: Settings, day: date, unit: str | None = None, on_map: Map = Map.OWN
) -> list[dict[str, Any]]:
    """The published figures of a day, for all units or one, ready for JSON, in the list's order."""
    rows = query(
        settings.places.marts_file,
        f"from marts.{_MACROS[on_map]}(?::date) where ?::varchar is null or unit_code = ?",
        [day, unit, unit],
    )
    if not rows:
        raise LedgerError(
            "no_figure",
            f"Không có số liệu ngày {day:%d/%m/%Y}" + (f" của đơn vị {unit}." if unit else "."),
            "Kiểm tra ngày (từ lần đọc máy chủ đầu tiên trở đi) và mã đơn vị.",
        )
    return [_plain(row) for row in rows]


def replay(settings: Settings, snapshot_id: str) -> dict[str, Any]:
    """The figure that bears this id, computed anew from the history; ready for JSON.

    Equal byte for byte (as JSON) to what was published under the id. Raises LedgerError when that
    is impossible: the registry version is gone, the rules have changed since, the history has.
    """
    wanted = SnapshotId.parse(snapshot_id)
    registries = _registries(settings, wanted)
    with locked_reader(settings) as con:
        for registry in registries:
            for _ in _load_sets(con, wanted):
                row = _figure(con, settings, registry, wanted)
                if row is not None and row["snapshot_id"] == wanted.text:
                    return _plain(row)
    raise LedgerError(
        "snapshot_not_reproducible",
        f"Không dựng lại được số liệu {wanted.text} (quy tắc hiện hành: phiên bản "
        f"{RULES_VERSION}).",
        "Số liệu này thuộc phiên bản chương trình khác, hoặc lịch sử đã được dựng lại với lần tải "
        "đến muộn. Dùng đúng phiên bản chương trình ghi trong bản xuất bản của ngày đó.",
    )


def as_text(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows as lines for a terminal, numbers as officials write them."""
    return [line for row in rows for line in _lines(row)]


def _lines(row: Mapping[str, Any]) -> list[str]:
    day = written_date(date.fromisoformat(row["snapshot_date"]))
    state = "tạm tính" if row["is_provisional"] else "đã chốt"
    seen = ", ".join(_source(source) for source in row["sources"] or ()) or "chưa đọc được"
    ratio = "chưa có"
    if row["installed_count"] is not None:
        ratio = share(row["installed_count"], row["allocated_count"]) or ratio
    counts = (
        f"phân bổ {_number(row['allocated_count'])}",
        f"đã cài {_number(row['installed_count'])} ({ratio})",
        f"đúng tên {_number(row['correctly_named_count'])}",
        f"chưa cài {_number(row['gap_count'])}",
        f"vượt {_number(row['over_count'])}",
    )
    read = f"{row['servers_observed_count']}/{row['servers_expected_count']}"
    return [
        f"{row['unit_name']} ({row['unit_code']}), ngày {day}, {state}:",
        f"  {', '.join(counts)}",
        f"  máy chủ đọc đủ trong ngày {read}; nguồn: {seen}",
        f"  mã số liệu {_id_of(row)}",
    ]


def _id_of(row: Mapping[str, Any]) -> str:
    if "snapshot_id" in row:
        return str(row["snapshot_id"])
    # On today's map a figure is put together; these are the printed ones it comes from.
    return "ghép từ: " + (", ".join(row["snapshot_ids"] or ()) or "không có đơn vị nào trực tiếp")


def _number(value: int | None) -> str:
    return "chưa có" if value is None else count(value)


def _source(source: Mapping[str, Any]) -> str:
    at = datetime.fromisoformat(source["observed_at"]).astimezone(VIETNAM)
    said = f"{source['server_code']} lúc {at:%H:%M %d/%m/%Y}"
    if not source["is_of_that_day"]:
        said += f" (cũ {count(round(source['age_hours']))} giờ)"
    return said if source["has_passed_gate"] else f"{said} (có cảnh báo chất lượng)"


def _registries(settings: Settings, wanted: SnapshotId) -> list[Registry]:
    folder = settings.places.registry_versions
    names = sorted(path.name for path in folder.glob(f"{wanted.registry_prefix}*"))
    if not names:
        raise LedgerError(
            "registry_version_missing",
            f"Không còn phiên bản danh mục {wanted.registry_prefix} trong kho lưu.",
            "Khôi phục thư mục state/registry từ bản sao lưu.",
        )
    return [version(settings, name) for name in names]


def _load_sets(con: Connection, wanted: SnapshotId) -> Iterator[None]:
    """Fill temp table chosen_load with the loads the figure may rest on, the likeliest set first.

    Normally these are the last applied ones up to the id's instant. A load that was read in time
    but gated later was not there yet when the figure was made, so the sets without the latest
    gated ones follow.
    """
    newest = wanted.newest_at or end_of_day(wanted.day)  # none: other units' loads make the days
    thresholds: list[datetime | None] = [None]
    for threshold in thresholds:
        con.execute(
            """
            create or replace temp table chosen_load as
            select * from wh.hist.load_log
            where
                is_applied
                and observed_at < $newest::timestamptz + interval 1 second
                and ($threshold::timestamptz is null or gated_at < $threshold::timestamptz)
            qualify row_number() over (
                partition by server_code order by observed_at desc, collected_at desc, load_id desc
            ) = 1
            """,
            {"newest": newest, "threshold": threshold},
        )
        if threshold is None:
            rows = con.execute(
                "select distinct gated_at from chosen_load order by gated_at desc"
            ).fetchall()
            thresholds.extend(gated_at for (gated_at,) in rows)
        yield


def _figure(
    con: Connection, settings: Settings, registry: Registry, wanted: SnapshotId
) -> dict[str, Any] | None:
    """The row of the wanted unit and day from the chosen loads, None when there is none."""
    day = wanted.day
    run = Run(
        as_of_at=start_of_day(day) if wanted.is_provisional else end_of_day(day),
        cutoff_at=end_of_day(day),
        registry_sha256=registry.sha256,
    )
    prepare(con, settings.sql, run)
    con.execute(statement(settings.sql, "history/src_of_loads"))
    con.execute("create schema if not exists marts")
    build_models(con, settings.sql, registry, only=_MODELS)
    con.execute(statement(settings.sql, "published/macros"))
    cursor = con.execute(
        "from marts.coverage_as_of($day::date) where unit_code = $unit",
        {"day": day, "unit": wanted.unit_code},
    )
    names = [column[0] for column in cursor.description or ()]
    row = cursor.fetchone()
    return None if row is None else dict(zip(names, row, strict=True))


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Days and instants as ISO text, so that two equal figures are equal as JSON text too."""
    return {name: _plain_value(value) for name, value in row.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return _plain(value)
    if isinstance(value, list):
        return [_plain_value(one) for one in value]
    return value
