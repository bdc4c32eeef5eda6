"""What a warehouse says it holds, in the sums of ``rows``, whatever its columns are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.rows import FLAGS, INSTANTS, LONGS, NUMBERS, TEXTS, VOLATILE


def digest(con: Any, relation: str, columns: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """The sums over a relation of a DuckDB connection.

    ``columns`` gives the SQL for each attribute of ``rows.TYPED`` that is not called by its own
    name there; instants are instants, the group's name is not looked at (we cut its root off).
    """

    def sql(name: str) -> str:
        return columns.get(name, f'"{name}"')

    sums = {
        "rows": "count(*)",
        "ids": f"count(distinct {sql('KLHST_WKS_HOSTNAME')})",
        **{name: f"sum(coalesce({sql(name)}, 0)::bigint)" for name in (*NUMBERS, *LONGS)},
        **{name: f"count(*) filter ({sql(name)}::boolean)" for name in FLAGS},
        **{
            name: f"sum(coalesce(epoch(({sql(name)})::timestamptz), 0)::bigint)"
            for name in INSTANTS
        },
        "texts": "sum(('0x' || md5(concat_ws('|', {}))[1:8])::bigint)".format(
            ", ".join(sql(name) for name in TEXTS if name != "grp_full_name")
        ),
    }
    con.execute("set TimeZone = 'UTC'")
    found = con.execute(f"select {', '.join(sums.values())} from {relation}").fetchone()
    values = {name: int(value or 0) for name, value in zip(sums, found, strict=True)}
    volatile = {name: values.pop(name) for name in VOLATILE}
    return {"slow": values, "volatile": volatile}
