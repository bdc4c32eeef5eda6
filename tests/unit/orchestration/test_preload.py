"""Which processes import what tasks need, and that doing so is safe before a fork."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ksc_ledger.orchestration.preload import preload
from ksc_ledger.rehearsal.airflow_process import LOCAL_SETTINGS

QUESTION = """
import json, os, stat, sys, threading
from ksc_ledger.orchestration.preload import MODULES, preload
assert preload(["airflow", "scheduler"])
print(json.dumps({
    "missing": sorted(set(MODULES) - sys.modules.keys()),
    "airflow": sorted(name for name in sys.modules if name.split(".")[0] == "airflow"),
    "threads": threading.active_count(),
    "files": [
        one for one in map(int, os.listdir("/proc/self/fd"))
        if one > 2 and os.path.exists(f"/proc/self/fd/{one}") and stat.S_ISREG(os.fstat(one).st_mode)
    ],
}))
"""


@pytest.mark.parametrize(
    "words",
    [
        ["airflow", "api-server"],
        ["airflow", "dag-processor"],
        ["airflow", "triggerer"],
        ["airflow", "celery", "flower"],
        ["airflow", "db", "migrate"],
        ["pytest"],
        ["airflow", "dags", "scheduler"],
    ],
)
def test_a_process_that_forks_no_tasks_imports_nothing(words: list[str]) -> None:
    assert preload(words) is False


@pytest.mark.long
def test_a_scheduler_has_all_of_it_without_airflow_threads_or_open_files() -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUESTION], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == '{"missing": [], "airflow": [], "threads": 1, "files": []}'


def test_the_local_settings_give_airflow_no_names_of_ours() -> None:
    names: dict[str, object] = {}
    exec(compile(LOCAL_SETTINGS, "airflow_local_settings.py", "exec"), names)  # noqa: S102
    assert names["__all__"] == ()
