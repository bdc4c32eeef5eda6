"""Frames for the suites: what was landed, with the columns that rules need beside it.

A rule in a JSON file can compare a column with a number or with another column, no more. What
else a rule needs is made here as a column: distances from the instant of reading, single bits
of the status, the counts of a load. expectations/README.md lists these columns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from ksc_ledger.landing.manifest import Load
from ksc_ledger.quality.suites import COVERAGE, HOSTS, Suite

SERVER = "server_code"
REFERENCE = "reference_at"

# KLHST_WKS_STATUS
AGENT_BIT = 0x04
ALIVE_BIT = 0x08
PROTECTION_BIT = 0x10

_INSTANTS = (
    "last_visible_at",
    "last_connected_at",
    "bases_at",
    "last_full_scan_at",
    "created_at",
)

_DERIVED_FROM = (*_INSTANTS, "status_bits", "agent_version", "antivirus_version")

# A server's clock that is further ahead is the one its instants are compared with: three hours
# are one mistake of the server, not one of each of its devices.
OWN_CLOCK_SKEW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Landed:
    """A load to be judged: its typed rows, and the rows of the server's last good load before."""

    load: Load
    table: pa.Table
    previous_rows_count: int | None


def hosts_frame(landed: Sequence[Landed], wanted: Collection[str] | None = None) -> pd.DataFrame:
    """Every row of several loads of different servers, with server_code and reference_at.

    ``wanted`` are the only columns of the loads that are needed; without it all of them are.
    """
    tables = []
    for one in landed:
        count = one.table.num_rows
        names = [name for name in one.table.column_names if wanted is None or name in wanted]
        codes = pa.DictionaryArray.from_arrays(
            pa.repeat(pa.scalar(0, pa.int32()), count), [one.load.server_code]
        )
        reference = pa.scalar(reference_of(one.load), pa.timestamp("us", "UTC"))
        tables.append(
            one.table.select(names)
            .append_column(SERVER, codes)
            .append_column(REFERENCE, pa.repeat(reference, count))
        )
    frame: pd.DataFrame = pa.concat_tables(tables, promote_options="default").to_pandas()
    # Great Expectations compares a column of 64 bits as a whole, and a narrower one value by value.
    narrow = [name for name, kind in frame.dtypes.items() if kind == "int32"]
    return frame.astype(dict.fromkeys(narrow, "int64"))


def columns_of(suite: Suite) -> set[str]:
    """The columns of the landed rows that a suite over them needs, its derived ones' included."""
    return {"endpoint_id", *_DERIVED_FROM, *(name for rule in suite.rules for name in rule.columns)}


def loads_frame(landed: Sequence[Landed]) -> pd.DataFrame:
    """One row a load: what its manifest and its rows say of it as a whole."""
    rows = []
    for one in landed:
        before, now = one.previous_rows_count, one.table.num_rows
        rows.append(
            {
                SERVER: one.load.server_code,
                "rows_expected_count": one.load.rows_expected_count,
                "rows_read_count": one.load.rows_read_count,
                "rows_landed_count": now,
                "previous_rows_count": before,
                "row_count_drop_ratio": (before - now) / before if before else None,
                "clock_skew_seconds": one.load.clock_skew_seconds,
            }
        )
    frame = pd.DataFrame(rows)
    numbers = [name for name in frame.columns if name != SERVER]
    return frame.astype(dict.fromkeys(numbers, "float64"))


def with_derived(suite_name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """A copy of the frame with the columns that the rules of this suite need beside its own."""
    derive = _DERIVED.get(suite_name)
    return frame if derive is None else derive(frame)


def _derive_hosts(frame: pd.DataFrame) -> pd.DataFrame:
    bits = frame["status_bits"].fillna(0).astype("int64")
    derived = {
        f"{name.removesuffix('_at')}_ahead_seconds": (
            frame[name] - frame[REFERENCE]
        ).dt.total_seconds()
        for name in _INSTANTS
    }
    return frame.assign(
        **derived,
        has_agent_bit=(bits & AGENT_BIT) != 0,
        has_alive_bit=(bits & ALIVE_BIT) != 0,
        has_protection_bit=(bits & PROTECTION_BIT) != 0,
        has_agent_version=frame["agent_version"].notna(),
        has_antivirus_version=frame["antivirus_version"].notna(),
    )


def _derive_coverage(frame: pd.DataFrame) -> pd.DataFrame:
    allocated = frame["allocated_count"].astype("float64")
    installed = frame["installed_count"].astype("float64")
    ratio = frame["installed_ratio"].astype("float64")
    return frame.assign(
        allocated_minus_installed_count=allocated - installed,
        installed_ratio_error=(ratio - installed / allocated.replace(0, np.nan)).abs(),
    )


_DERIVED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    HOSTS: _derive_hosts,
    COVERAGE: _derive_coverage,
}


def reference_of(load: Load) -> datetime:
    """The instant of reading, by our clock or by a server's clock that runs far ahead of it.

    A clock that is behind needs nothing: what is later than our own now is in the future anyway.
    """
    ahead = timedelta(seconds=load.clock_skew_seconds or 0)
    return load.observed_at + ahead if ahead > OWN_CLOCK_SKEW else load.observed_at
