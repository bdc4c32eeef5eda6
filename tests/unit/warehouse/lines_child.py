"""Run by either DuckDB line in a process of its own: the same work, and the same questions.

    python lines_child.py HOME rounds FIRST LAST  land, build, publish these rounds
    python lines_child.py HOME rows               every row of the warehouse of HOME, as JSON
    python lines_child.py HOME answers            all that the files of HOME answer, as JSON
    python lines_child.py HOME newer FILE         write FILE anew in the newest storage version

The last line on standard output is JSON: rows, answers, or the storage version of FILE.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "plugins")]

import duckdb  # noqa: E402

from ksc_ledger.warehouse import asof  # noqa: E402
from ksc_ledger.warehouse.serving import Issue  # noqa: E402
from unit.warehouse.builders import T0, House  # noqa: E402
from unit.warehouse.crash_child import a_registry, turn  # noqa: E402

RELATIONS = """
    select schema_name || '.' || table_name as name from duckdb_tables() where not internal
    union all
    select schema_name || '.' || view_name as name from duckdb_views() where not internal
    order by 1
"""


def files_of(house: House) -> dict[str, Path]:
    """Every DuckDB file that a home holds."""
    places = house.settings.places
    return {
        "warehouse": places.warehouse_file,
        "masked": places.marts_file,
        "named": places.named_marts_file,
        **{path.name: path for path in sorted((places.marts / "units").glob("*.duckdb"))},
    }


def rows(file: Path) -> dict[str, Any]:
    """Every row of every table and view of a file."""
    issue = Issue(file)
    return {
        row["name"]: issue.rows(f"from {row['name']} order by all") for row in issue.rows(RELATIONS)
    }


def answers(house: House) -> dict[str, Any]:
    """The rows of every file, and what the as-of command says."""
    return {
        **{name: rows(file.resolve()) for name, file in files_of(house).items()},
        "as of": asof.coverage_as_of(house.settings, T0.date()),
        "today's map": asof.coverage_as_of(house.settings, T0.date(), on_map=asof.Map.TODAY),
    }


def newest_storage(file: Path) -> str:
    """Write a file anew as an upgraded tool would, at the same place; its storage version."""
    beside = file.with_name("newer.tmp")
    with duckdb.connect() as con:
        con.execute(f"attach '{file.resolve()}' as old (read_only)")
        con.execute(f"attach '{beside}' as new (storage_version 'latest')")
        con.execute("copy from database old to new")
        (tag,) = con.execute(
            "select tags['storage_version'] from duckdb_databases() where database_name = 'new'"
        ).fetchall()[0]
    beside.replace(file.resolve())
    return str(tag)


def main() -> None:
    house = House(Path(sys.argv[1]), a_registry())
    match sys.argv[2]:
        case "rounds":
            for number in range(int(sys.argv[3]), int(sys.argv[4]) + 1):
                turn(house, number)
            said: Any = duckdb.__version__
        case "rows":
            said = rows(house.settings.places.warehouse_file)
        case "answers":
            said = answers(house)
        case "newer":
            said = newest_storage(Path(sys.argv[3]))
    sys.stdout.write(json.dumps(said, default=str, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
