"""The competitors' environments, each made from its own lock of hashes and remembered by it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.process import ROOT

LOCKS = ROOT / "requirements"


def python_of(competitor: str, work: Path, say: Callable[[str], None]) -> Path:
    """The interpreter of a competitor's environment, made now unless its lock is the same.

    Raises CalledProcessError when it cannot be installed.
    """
    lock = LOCKS / f"bench-{competitor}.lock"
    folder = work / "venvs" / competitor
    python = folder / "bin" / "python"
    stamp = folder / ".lock-sha256"
    wanted = f"{hashlib.sha256(lock.read_bytes()).hexdigest()} {sys.version}"
    if python.exists() and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return python
    say(f"making the environment of {competitor}")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    if not _installed_by_uv(python, lock):
        # uv does not read pip's own configuration (mirrors, proxies); pip does, only slower.
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)
    stamp.write_text(wanted, "utf-8")
    return python


def _installed_by_uv(python: Path, lock: Path) -> bool:
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        return False
    install = [str(uv), "pip", "install", "--quiet", "--python", str(python)]
    return (
        subprocess.run([*install, "--require-hashes", "-r", str(lock)], check=False).returncode == 0
    )
