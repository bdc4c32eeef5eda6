"""What units sent and what was quarantined, as it lies in the home's files: read at each build.

``landing/reports`` and ``landing/verdicts`` are landing, immutable, so a rebuild finds them again.
"""

from __future__ import annotations

from pathlib import Path

from ksc_ledger.settings import Places
from ksc_ledger.warehouse.engine import Connection, quoted

_TABLES = {
    "src_report_row": {
        "receipt_id": "varchar",
        "sender_unit_code": "varchar",
        "unit_code": "varchar",
        "report_date": "date",
        "received_at": "timestamptz",
        "file_sha256": "varchar",
        "installed_count": "bigint",
    },
    "src_report_verdict": {
        "load_id": "varchar",
        "suite": "varchar",
        "expectation": "varchar",
        "severity": "varchar",
        "is_success": "boolean",
        "unexpected_count": "bigint",
        "description": "varchar",
        "judged_at": "timestamptz",
    },
    "src_quarantined": {
        "quarantine_id": "varchar",
        "source": "varchar",
        "reason_code": "varchar",
        "reason_text": "varchar",
        "sample": "varchar",
        "first_seen_at": "timestamptz",
    },
}


def point_at_received(con: Connection, places: Places) -> None:
    """Make the temporary tables of ``_TABLES``; empty ones where nothing was ever received."""
    files = {
        "src_report_row": sorted(places.reports.glob("[!.]*/*/rows.jsonl")),
        "src_report_verdict": sorted(places.verdicts.glob("[!.]*.jsonl")),
        "src_quarantined": sorted(places.quarantine.glob("[!.]*.jsonl")),
    }
    for name, columns in _TABLES.items():
        con.execute(f"create or replace temp table {name} as {_rows(files[name], columns)}")


def _rows(files: list[Path], columns: dict[str, str]) -> str:
    if not files:
        shown = ", ".join(f"null::{kind} as {column}" for column, kind in columns.items())
        return f"select {shown} where false"
    listed = ", ".join(quoted(str(file)) for file in files)
    typed = ", ".join(f"{column}: {quoted(kind)}" for column, kind in columns.items())
    return (
        f"select * from read_json([{listed}], format = 'newline_delimited',"
        f" columns = {{{typed}}}, maximum_object_size = 1048576)"
    )
