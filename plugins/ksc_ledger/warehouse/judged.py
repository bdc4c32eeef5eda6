"""The marts before they are published: put to a judge, who is given tables and gives verdicts.

The judge is the quality room, which this one does not know. A refusing verdict undoes the build,
so that nothing refused is ever published; every verdict of a build that passed stands in
fct_data_quality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ksc_ledger.errors import LedgerError
from ksc_ledger.warehouse.engine import Connection, given, one, statement

# Relations by name -> verdicts as ``quality.gate.Verdict.to_json`` writes them, and a remedy.
Judge = Callable[[Mapping[str, pa.Table]], Sequence[Mapping[str, Any]]]

_SCHEMA = pa.schema(
    [
        ("load_id", pa.string()),
        ("suite", pa.string()),
        ("expectation", pa.string()),
        ("severity", pa.string()),
        ("is_success", pa.bool_()),
        ("unexpected_count", pa.int64()),
        ("description", pa.string()),
    ]
)
_KEPT = [name for name in _SCHEMA.names if name != "load_id"]


def judge_marts(con: Connection, sql: Path, as_of_at: datetime, judge: Judge) -> None:
    """Put the relations of ``sql/judged`` to the judge and keep its verdicts in the marts.

    Raises LedgerError naming every rule that refuses; the caller's transaction is then rolled back.
    """
    (loads_count,) = one(con, "select count(*) from src_complete_load")
    if not loads_count:
        return  # nothing has landed yet: there is nothing to say of figures
    tables = {
        path.stem: con.execute(statement(sql, f"judged/{path.stem}")).to_arrow_table()
        for path in sorted((sql / "judged").glob("*.sql"))
    }
    verdicts = judge(tables)
    refusing = [
        verdict
        for verdict in verdicts
        if verdict["severity"] == "fail" and not verdict["is_success"]
    ]
    if refusing:
        raise _refusal(refusing)
    build_id = f"marts-{as_of_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    rows = [
        {**{name: verdict[name] for name in _KEPT}, "load_id": build_id} for verdict in verdicts
    ]
    with given(con, pa.Table.from_pylist(rows, _SCHEMA)):
        con.execute("insert into marts.fct_data_quality by name select * from given")


def _refusal(refusing: Sequence[Mapping[str, Any]]) -> LedgerError:
    said = "; ".join(
        f"{verdict['description'].rstrip('.')} ({verdict['unexpected_count']} dòng sai)"
        for verdict in refusing
    )
    remedies = " ".join(dict.fromkeys(str(verdict["remedy"]) for verdict in refusing))
    return LedgerError(
        "marts_refused",
        f"Số liệu dựng ra không qua kiểm tra nên không được xuất bản: {said}.",
        f"{remedies} Bản đã xuất bản trước vẫn được phục vụ.",
    )
