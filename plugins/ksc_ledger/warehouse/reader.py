"""Read a published file the way any reader should: read-only, and closed to everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

# A reader has no need of other files, of extensions, or of all the memory of the machine.
READER_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "memory_limit": "512MB",
    "threads": "1",
    "lock_configuration": "true",
}


def query(
    file: Path, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()
) -> list[dict[str, Any]]:
    """Rows of one query as dicts. The link is resolved anew at each call: always one whole version."""
    with duckdb.connect(
        str(file.resolve(strict=True)), read_only=True, config=READER_CONFIG
    ) as con:
        found = con.execute(sql, parameters or None)
        names = [column[0] for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
