"""What the operational database knows and the marts show: links, outages, mails, obligations.

It is read whole at each build, as it stands then; nothing is written back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from ksc_ledger.settings import Settings
from ksc_ledger.state import links, obligations, open_state, outbox
from ksc_ledger.warehouse.engine import Connection, temp_table

_INSTANT = pa.timestamp("us", tz="UTC")
_SCHEMAS = {
    "src_link_interval": pa.schema(
        [
            ("server_code", pa.string()),
            ("started_at", _INSTANT),
            ("state", pa.string()),
            ("cause", pa.string()),
            ("ended_at", _INSTANT),
            ("is_maintenance", pa.bool_()),
        ]
    ),
    "src_outage": pa.schema(
        [
            ("incident_id", pa.string()),
            ("server_code", pa.string()),
            ("started_at", _INSTANT),
            ("confirmed_at", _INSTANT),
            ("ended_at", _INSTANT),
            ("duration_seconds", pa.int64()),
            ("cause", pa.string()),
            ("inhibited_by", pa.string()),
            ("is_in_maintenance", pa.bool_()),
            ("notified_at", _INSTANT),
            ("recovered_notified_at", _INSTANT),
        ]
    ),
    "src_mail": pa.schema(
        [
            ("message_id", pa.string()),
            ("mail_kind", pa.string()),
            ("incident_id", pa.string()),
            ("recipient_role", pa.string()),
            ("created_at", _INSTANT),
            ("sent_at", _INSTANT),
            ("status", pa.string()),
        ]
    ),
    "src_obligation_status": pa.schema(
        [
            ("obligation_code", pa.string()),
            ("unit_code", pa.string()),
            ("estate_code", pa.string()),
            ("directive_code", pa.string()),
            ("document_number", pa.string()),
            ("obligation_kind", pa.string()),
            ("wording", pa.string()),
            ("due_at", _INSTANT),
            ("status", pa.string()),
            ("met_at", _INSTANT),
            ("overdue_days", pa.int64()),
            ("evidence", pa.string()),
            ("changed_at", _INSTANT),
        ]
    ),
}


def point_at_operations(con: Connection, settings: Settings) -> None:
    """Make the temporary tables ``src_…`` of ``_SCHEMAS``."""
    engine = open_state(settings.state_url)
    found: dict[str, Sequence[Any]] = {
        "src_link_interval": links.intervals(engine),
        "src_outage": links.outages(engine),
        "src_mail": outbox.mails(engine),
        "src_obligation_status": obligations.statuses(engine),
    }
    engine.dispose()
    for name, rows in found.items():
        schema = _SCHEMAS[name]
        table = pa.Table.from_pylist([asdict(row) for row in rows], schema=schema)
        temp_table(con, name, table)
