"""How Superset opens the published file: read-only, and nothing else of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DATABASE = "KSC Ledger"

# Without the last two whoever may write SQL could read every file that this process can read, and
# could turn the rest off again. One and the same for all connections: DuckDB refuses a second,
# differing configuration of one file in one process.
CONFIG: dict[str, Any] = {
    "threads": 2,
    "memory_limit": "512MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_access": False,
    "lock_configuration": True,
}


def uri(marts_file: Path) -> str:
    return f"duckdb:///{marts_file}"


def connect_args(custom_user_agent: str | None = None) -> dict[str, Any]:
    """For ``duckdb.connect``; the user agent is what Superset adds by itself."""
    named = {"custom_user_agent": custom_user_agent} if custom_user_agent else {}
    return {"read_only": True, "config": CONFIG | named}
