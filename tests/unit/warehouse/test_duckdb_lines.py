"""F49 across two environments: the pinned DuckDB and the next line read and write each other's files.

The storage version that every file is given is the promise; here both lines keep it. A file of a
newer storage version, as an upgraded tool would leave it, is refused in words, and nothing is lost.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.warehouse import asof, backup, publish
from ksc_ledger.warehouse.reader import query
from ksc_ledger.warehouse.rebuild import rebuild
from ksc_ledger.warehouse.serving import Shelf
from ksc_ledger.warehouse.writer import locked_reader
from unit.warehouse.builders import T0, House
from unit.warehouse.crash_child import a_registry, land, turn

ROOT = Path(__file__).resolve().parents[3]
CHILD = Path(__file__).with_name("lines_child.py")
HOUR = timedelta(hours=1)
_HEADER, _VERSION_AT = 4096, 12


def next_python(root: Path = ROOT) -> Path:
    """The interpreter of the second DuckDB line; a test that needs it never goes without."""
    python = root / ".venv-duckdb-next" / "bin" / "python"
    if not python.exists():
        pytest.fail(
            f"The second DuckDB line is missing ({python.parent.parent}): run make test-duckdb-next.",
            pytrace=False,
        )
    return python


def on(python: Path | str, home: Path, *words: str) -> Any:
    """What the child says when it is run by this interpreter."""
    done = subprocess.run(
        [str(python), str(CHILD), str(home), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def raise_storage_version(file: Path) -> None:
    """Let the header of a file say the next storage version, with the checksum that belongs to it."""
    raw = bytearray(file.read_bytes())
    (version,) = struct.unpack_from("<Q", raw, _VERSION_AT)
    struct.pack_into("<Q", raw, _VERSION_AT, version + 1)
    total = 5381
    for (word,) in struct.iter_unpack("<Q", bytes(raw[8:_HEADER])):
        total ^= (word * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    struct.pack_into("<Q", raw, 0, total)
    mode = file.stat().st_mode & 0o777
    file.chmod(0o600)
    file.write_bytes(raw)
    file.chmod(mode)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a warehouse and a published version."""
    home = tmp_path_factory.mktemp("made")
    house = House(home, a_registry())
    land(house, 0)
    house.build(T0)
    publish(house.settings, now=T0)
    return home


@pytest.fixture
def house(made: Path, tmp_path: Path) -> House:
    shutil.copytree(made, tmp_path / "home", symlinks=True)
    return House(tmp_path / "home", a_registry())


def refused(error: LedgerError, file: Path) -> None:
    """It is our own error, names the file and what to do, and says that nothing is lost."""
    assert error.code == "database_newer"
    assert str(file) in error.text
    assert "vẫn nguyên vẹn" in error.text
    assert "rebuild" in error.remedy
    assert "docs/runbooks/keep_house.md" in error.remedy


def test_f49_a_warehouse_of_a_newer_storage_version_is_refused_in_words(house: House) -> None:
    file = house.settings.places.warehouse_file
    raise_storage_version(file)
    before = sha256(file)
    with pytest.raises(LedgerError) as raised:
        house.build(T0)
    refused(raised.value, file)
    with pytest.raises(LedgerError) as raised, locked_reader(house.settings):
        raise AssertionError("the file was opened")
    refused(raised.value, file)
    with pytest.raises(LedgerError) as raised:
        backup.back_up(house.settings, code_version="1.2.3", now=T0)
    refused(raised.value, file)
    assert sha256(file) == before
    assert not file.with_name(f"{file.name}.wal").exists()
    assert query(house.settings.places.marts_file, "select count(*) as n from marts.dim_endpoint")


def test_f49_a_published_file_of_a_newer_storage_version_is_refused_in_words(house: House) -> None:
    link = house.settings.places.marts_file
    version = link.resolve()
    raise_storage_version(version)
    for deed in (
        lambda: query(link, "from marts.dim_unit"),
        lambda: Shelf(link).newest(),
        lambda: asof.coverage_as_of(house.settings, T0.date()),
    ):
        with pytest.raises(LedgerError) as raised:
            deed()
        refused(raised.value, version)


def test_what_is_stored_in_a_published_file_is_written_as_both_lines_store_it() -> None:
    """A macro or view keeps its parsed text: 2.x keeps ``if(…)`` as a function that 1.5 has not."""
    stored = sorted((ROOT / "sql" / "published").rglob("*.sql"))
    assert stored
    assert [file.name for file in stored if re.search(r"\bif\s*\(", file.read_text("utf-8"))] == []


def test_a_second_line_that_is_missing_fails_and_names_the_target(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="run make test-duckdb-next"):
        next_python(tmp_path)


@pytest.fixture(scope="module")
def by_pinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of two rounds, made by the pinned line."""
    home = tmp_path_factory.mktemp("pinned")
    assert on(sys.executable, home, "rounds", "0", "1").startswith("1.")
    return home


@pytest.fixture(scope="module")
def by_next(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("next")
    assert on(next_python(), home, "rounds", "0", "1").startswith("2.")
    return home


@pytest.fixture(scope="module")
def four_rounds(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The rows of a warehouse of four rounds that only the pinned line made."""
    home = tmp_path_factory.mktemp("clean")
    on(sys.executable, home, "rounds", "0", "3")
    return on(sys.executable, home, "rows")


@pytest.mark.long
def test_f49_both_lines_make_the_same_rows(by_pinned: Path, by_next: Path) -> None:
    ours = on(sys.executable, by_pinned, "rows")
    assert ours["marts.fct_unit_coverage_daily"]
    assert on(sys.executable, by_next, "rows") == ours


@pytest.mark.parametrize("writer", ["pinned", "next"])
@pytest.mark.long
def test_f49_either_line_reads_every_file_of_the_other_and_answers_the_same(
    writer: str, by_pinned: Path, by_next: Path
) -> None:
    home = by_pinned if writer == "pinned" else by_next
    ours, theirs = on(sys.executable, home, "answers"), on(next_python(), home, "answers")
    assert {"warehouse", "masked", "named", "pnv.duckdb", "as of", "today's map"} <= set(ours)
    assert ours["masked"]["marts.dim_endpoint"]
    assert theirs == ours


@pytest.mark.parametrize("first", ["pinned", "next"])
@pytest.mark.long
def test_f49_either_line_goes_on_where_the_other_stopped(
    first: str, by_pinned: Path, by_next: Path, tmp_path: Path, four_rounds: Any
) -> None:
    """As an upgrade and its withdrawal would: rounds by one, then by the other, then back."""
    home = tmp_path / "home"
    if first == "pinned":
        begun, line, other = by_pinned, Path(sys.executable), next_python()
    else:
        begun, line, other = by_next, next_python(), Path(sys.executable)
    shutil.copytree(begun, home, symlinks=True)
    on(other, home, "rounds", "2", "2")
    on(line, home, "rounds", "3", "3")
    assert on(sys.executable, home, "rows") == four_rounds


@pytest.mark.long
def test_f49_a_file_in_the_next_lines_own_storage_is_refused_and_nothing_is_lost(
    by_pinned: Path, tmp_path: Path
) -> None:
    shutil.copytree(by_pinned, tmp_path / "home", symlinks=True)
    house = House(tmp_path / "home", a_registry())
    places = house.settings.places
    before = on(sys.executable, house.settings.home, "rows")
    made = on(next_python(), house.settings.home, "newer", str(places.warehouse_file))
    assert not made.startswith("v1."), made
    newer = sha256(places.warehouse_file)
    with pytest.raises(LedgerError) as raised:
        turn(house, 2)
    refused(raised.value, places.warehouse_file)
    assert sha256(places.warehouse_file) == newer
    # Readers do not notice, and the rows are still there for the line that can read them.
    assert query(places.marts_file, "from marts._published") != []
    assert on(next_python(), house.settings.home, "rows") == before
    for path in places.snapshot.rglob("*0002*"):
        path.unlink()
    rebuild(house.settings, house.registry, code_version="1.2.3", as_of_at=T0 + HOUR)
    assert on(sys.executable, house.settings.home, "rows") == before
    assert sha256(places.warehouse_file.with_name("ledger.before_rebuild.duckdb")) == newer


@pytest.mark.long
def test_f49_a_published_file_in_the_next_lines_own_storage_is_refused(
    by_pinned: Path, tmp_path: Path
) -> None:
    shutil.copytree(by_pinned, tmp_path / "home", symlinks=True)
    house = House(tmp_path / "home", a_registry())
    version = house.settings.places.marts_file.resolve()
    on(next_python(), house.settings.home, "newer", str(version))
    with pytest.raises(LedgerError) as raised:
        query(house.settings.places.marts_file, "from marts.dim_unit")
    refused(raised.value, version)
    turn(house, 2)  # the next publishing puts a readable version in its place
    assert query(house.settings.places.marts_file, "from marts.dim_unit")
