"""What a run through the scheduler is said to have cost, and the DAGs it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench import scheduler
from bench.scheduler import tree_cpu_seconds

BURN = "import time\nwhile time.process_time() < 0.3: pass"


def test_the_time_of_a_child_that_is_gone_still_counts() -> None:
    before = tree_cpu_seconds([os.getpid()])
    subprocess.run([sys.executable, "-c", BURN], check=True)
    assert tree_cpu_seconds([os.getpid()]) - before >= 0.25


def test_the_time_of_a_child_that_runs_counts_and_that_of_strangers_does_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", BURN + "\nprint(1, flush=True)\ninput()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # fmt: skip
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert tree_cpu_seconds([os.getpid()]) >= tree_cpu_seconds([child.pid]) >= 0.25
        assert tree_cpu_seconds([]) == 0
    finally:
        child.communicate(b"\n")


def test_the_dags_are_the_products_without_their_clock(tmp_path: Path) -> None:
    scheduler._copy_dags(tmp_path / "dags")
    files = {file.name: file.read_text("utf-8") for file in (tmp_path / "dags").glob("*.py")}
    assert {"collect_endpoints.py", "build_marts.py", "empty_shapes.py"} <= files.keys()
    assert not any('schedule="' in text for text in files.values())
    assert "schedule=None" in files["collect_endpoints.py"]
    assert "schedule=(LANDED" in files["build_marts.py"]
