"""The scenarios of the reform are what their generator writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ksc_ledger.settings import REPOSITORY


def test_the_scenarios_are_what_their_generator_writes(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "scenarios.generator.reform", str(tmp_path)],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    for name in ("reform_dong_thap", "reform_kon_tum"):
        made = {
            path.relative_to(tmp_path): path.read_bytes()
            for path in (tmp_path / name).rglob("*.*")
            if path.is_file()
        }
        there = REPOSITORY / "scenarios"
        kept = {
            path.relative_to(there): path.read_bytes()
            for path in (there / name).rglob("*.*")
            if path.is_file()
        }
        assert made == kept
