"""The locks serve every supported Python, name no host, and carry hashes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
LOCKS = sorted(REQUIREMENTS.glob("*.lock"))


def pins(lock: Path) -> dict[str, set[str]]:
    """Name → versions (a name may have one version for each Python)."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", lock.read_text("utf-8"), re.M):
        found.setdefault(name, set()).add(version)
    return found


# Environments apart: the second line of DuckDB, the browser that opens the pages, what looks into the
# locks, the mail catcher of the compose file's try-out, what is shown not to be supported.
APART = {"duckdb-next", "ui", "audit", "compose-demo", "edge"}


def test_the_product_has_five_locks_and_benchmark_and_browser_their_own() -> None:
    stems = {lock.stem for lock in LOCKS}
    ours = {stem for stem in stems - APART if not stem.startswith("bench-")}
    assert ours == {"bootstrap", "dev", "lake", "runtime", "production"}
    assert "ui" in stems


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_a_lock_names_no_host(lock: Path) -> None:
    text = lock.read_text("utf-8")
    assert not re.search(r"https?:|index-url|find-links|file:", text)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
def test_every_pin_has_a_hash(lock: Path) -> None:
    blocks = re.split(r"^(?=[a-z0-9])", lock.read_text("utf-8"), flags=re.M)
    pinned = [block for block in blocks if "==" in block.split("\n", 1)[0]]
    assert pinned
    assert all("--hash=sha256:" in block for block in pinned)


def test_production_runs_on_what_the_demo_runs_on() -> None:
    runtime, production = (
        pins(REQUIREMENTS / f"{name}.lock") for name in ("runtime", "production")
    )
    assert {name: production.get(name) for name in runtime} == runtime


def test_the_tests_run_on_what_the_product_runs_on() -> None:
    runtime, dev = pins(REQUIREMENTS / "runtime.lock"), pins(REQUIREMENTS / "dev.lock")
    assert {name: dev.get(name) for name in runtime} == runtime


def test_what_a_shared_warehouse_needs_is_the_same_everywhere_and_no_part_of_the_demo() -> None:
    lake, runtime, production, dev = (
        pins(REQUIREMENTS / f"{name}.lock") for name in ("lake", "runtime", "production", "dev")
    )
    assert {name: production.get(name) for name in lake} == lake
    assert {name: dev.get(name) for name in lake} == lake
    assert lake.keys() & runtime.keys() == {"duckdb"}
    assert all(versions == lake["duckdb"] for versions in lake.values())
