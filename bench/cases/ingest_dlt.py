"""dlt in four ways, from a generator of dicts to Arrow tables by our own parser; history by scd2.

The row version is a hash of the slow attributes, so that a host is a new version only when one of
those changed, as in the product's history.
"""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import hashlib  # noqa: E402
from collections.abc import Callable, Iterator  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import dlt  # type: ignore[import-not-found]  # noqa: E402
import duckdb  # noqa: E402
import orjson  # type: ignore[import-not-found]  # noqa: E402
import pyarrow as pa  # noqa: E402

from bench import fast_decode  # noqa: E402
from bench.digest import digest  # noqa: E402
from bench.rows import INSTANTS, SLOW, TYPED  # noqa: E402
from bench.wire_client import bodies, over_urllib3  # noqa: E402

VERSION = "row_version"
ONE_THREAD: Any = {"threads": 1}  # DuckDB then costs less CPU than with its default, all cores
SCD2 = {"disposition": "merge", "strategy": "scd2", "row_version_column_name": VERSION}

HINTS: Any = {name: {"data_type": "timestamp"} for name in INSTANTS}


def dicts(found: Iterator[bytes]) -> Iterator[Any]:
    """Flat dicts, the list of a chunk at a time."""
    for body in found:
        yield [_flat(item["value"]) for item in _items(body)]


def arrow(found: Iterator[bytes]) -> Iterator[Any]:
    """Arrow tables from flat dicts: what a reader of dlt's documentation would write."""
    schema = fast_decode.SCHEMA.append(pa.field(VERSION, pa.string()))
    texts = pa.schema(
        [pa.field(one.name, pa.string() if one.name in INSTANTS else one.type) for one in schema]
    )
    for body in found:
        rows = [_flat(item["value"]) for item in _items(body)]
        yield pa.Table.from_pylist(rows, texts).cast(schema)


def own_parser(found: Iterator[bytes]) -> Iterator[Any]:
    """One Arrow table from the fastest decoder we have; the versions by DuckDB's hash."""
    hosts = []
    for body in found:
        hosts.extend(fast_decode.decode(body))
    given = fast_decode.to_arrow(hosts)
    columns = ", ".join(f'"{name}"' for name in SLOW)
    con = duckdb.connect(config=ONE_THREAD)
    versions = con.sql(f"select hash({columns})::varchar from given").to_arrow_table()
    yield given.append_column(VERSION, versions.column(0))


WAYS: dict[str, tuple[Callable[[Iterator[bytes]], Iterator[Any]], str | None]] = {
    "default": (dicts, None),
    "parquet": (dicts, "parquet"),
    "arrow": (arrow, "parquet"),
    "own_parser": (own_parser, "parquet"),
}


def _items(body: bytes) -> list[Any]:
    found: list[Any] = orjson.loads(body)["pChunk"]["KLCSP_ITERATOR_ARRAY"]
    return found


def _flat(value: dict[str, Any]) -> dict[str, Any]:
    row = {}
    for name in TYPED:
        one = value.get(name)
        row[name] = one["value"] if type(one) is dict else one
    slow = orjson.dumps([row[name] for name in SLOW])
    row[VERSION] = hashlib.md5(slow, usedforsecurity=False).hexdigest()
    return row


def main() -> None:
    asked = order()
    meter.imports_done()
    home = Path(asked["home"])
    file = home / "dlt.duckdb"
    rows_of, file_format = WAYS[asked["way"]]
    landed = []
    for day, step in enumerate(("first", "second")):
        with meter.step(step):
            con = duckdb.connect(str(file), config=ONE_THREAD)
            pipeline = dlt.pipeline(
                "bench",
                pipelines_dir=str(home / "pipelines"),
                destination=dlt.destinations.duckdb(con),
                dataset_name="ksc",
            )
            found = bodies(over_urllib3(asked["ports"][day], asked["ca_file"]), asked["chunk_size"])
            resource = dlt.resource(
                rows_of(found),
                name="hosts",
                write_disposition=SCD2,
                columns=HINTS if rows_of is dicts else None,
            )
            info = pipeline.run(resource, loader_file_format=file_format)
            info.raise_on_failed_jobs()
            con.close()
        columns = {name: name.lower() for name in TYPED}
        with duckdb.connect(str(file), read_only=True) as read:
            held = digest(read, "(from ksc.hosts where _dlt_valid_to is null)", columns)
            (closed,) = read.execute(
                "select count(*) from ksc.hosts where _dlt_valid_to is not null"
            ).fetchall()[0]
        landed.append({**held, "current": held["slow"]["rows"], "closed": closed})
    meter.report(landed=landed)


if __name__ == "__main__":
    main()
