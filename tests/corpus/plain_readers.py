"""The corpus through plain pandas and plain DuckDB, as a script would call them: what they make of it.

``python -m corpus.plain_readers pandas`` (from tests/) prints one JSON line a file. Each file is read
in a forked child with a limit of time and memory. The judgement is generous: figures count as intact
when they stand anywhere in what was read, as numbers or inside a text.
"""

from __future__ import annotations

import json
import math
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from corpus.cases import Case, cases

TOOLS = ("pandas", "duckdb")
SECONDS = 20
MEGABYTES = 2048
INTACT, MISREAD, PASSED, FAILED, STOPPED, NOTHING = (
    "intact",
    "misread",
    "passed",
    "failed",
    "stopped",
    "nothing",
)
# As the table heads them.
HEADINGS = {
    INTACT: "good file, figures intact",
    MISREAD: "good file, misread without a word",
    PASSED: "bad file, read without a word",
    FAILED: "refused with an error",
    STOPPED: f"stopped at {SECONDS} s or {MEGABYTES // 1024} GB",
    NOTHING: "no reader for it",
}

Read = Callable[[Path], Iterable[Iterable[Any]] | None]


def by_pandas() -> Read:
    import pandas as pd

    def read(path: Path) -> Iterable[Iterable[Any]] | None:
        match path.suffix.lower():
            case ".csv" | ".txt":
                frames = [pd.read_csv(path)]
            case ".xlsx" | ".xlsm" | ".xls":
                frames = [pd.read_excel(path)]
            case ".html":
                frames = pd.read_html(path)
            case ".xml":
                frames = [pd.read_xml(path)]
            case ".json":
                frames = [pd.read_json(path)]
            case _:
                return None
        return [
            row for frame in frames for row in ([*frame.columns], *frame.itertuples(index=True))
        ]

    return read


def by_duckdb() -> Read:
    import duckdb

    def read(path: Path) -> Iterable[Iterable[Any]] | None:
        match path.suffix.lower():
            case ".csv" | ".txt":
                found = duckdb.read_csv(str(path))
            case ".json":
                found = duckdb.read_json(str(path))
            case _:
                return None  # its spreadsheet reader is an extension that must be downloaded
        return [found.columns, *found.fetchall()]

    return read


def outcome(case: Case, rows: Iterable[Iterable[Any]] | None) -> str:
    """What a reader made of a case, given the cells it returned without an error."""
    if rows is None:
        return NOTHING
    if case.verdict != "accepted":
        return PASSED
    cells = [cell for row in rows for cell in row]
    wanted: list[Any] = [*(case.names or ())]
    wanted += [n for figures in (case.figures or {}).values() for n in figures]
    return INTACT if all(any(_is(cell, one) for cell in cells) for one in wanted) else MISREAD


def _is(cell: Any, wanted: Any) -> bool:
    if isinstance(wanted, str):
        return isinstance(cell, str) and cell == wanted
    if isinstance(cell, str):
        dotted = f"{wanted:,}".replace(",", r"\.")
        return re.search(rf"(?<![\d.,])(?:{wanted}|{dotted})(?![\d.,])", cell) is not None
    try:
        return not isinstance(cell, bool) and math.isclose(float(cell), wanted, abs_tol=1e-9)
    except (TypeError, ValueError):
        return False


def main(tool: str) -> None:
    """Read every case and print its outcome."""
    warnings.simplefilter("ignore")
    read = by_pandas() if tool == "pandas" else by_duckdb()
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            path = Path(folder) / re.sub(r"[^\w.]", "_", case.name)
            path.write_bytes(case.data())
            print(json.dumps([case.name, _bounded(read, case, path)]), flush=True)  # noqa: T201


def _bounded(read: Read, case: Case, path: Path) -> str:
    receiving, sending = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(receiving)
        resource.setrlimit(resource.RLIMIT_AS, (MEGABYTES * 2**20, MEGABYTES * 2**20))
        signal.alarm(SECONDS)
        os.write(sending, _outcome(read, case, path).encode())
        os._exit(0)
    os.close(sending)
    with os.fdopen(receiving) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return text or STOPPED


def _outcome(read: Read, case: Case, path: Path) -> str:
    try:
        return outcome(case, read(path))
    except MemoryError:
        return STOPPED
    except Exception:  # whatever it says, it said something
        return FAILED


def table() -> str:
    """The table of docs/intake.md, from a run of every tool in a process of its own."""
    good = sum(case.verdict == "accepted" for case in cases())
    lines = [
        f"| {len(cases())} files, {good} of them good | {' | '.join(HEADINGS.values())} |",
        f"|---|{'---|' * len(HEADINGS)}",
        f"| this intake | {good} | 0 | 0 | {len(cases()) - good} | 0 | 0 |",
    ]
    here = Path(__file__).resolve().parents[1]
    for tool in TOOLS:
        run = subprocess.run(
            [sys.executable, "-m", "corpus.plain_readers", tool],
            cwd=here,
            env={**os.environ, "PYTHONPATH": f"{here}:{here.parent / 'plugins'}"},
            check=True,
            capture_output=True,
            text=True,
        )
        found = dict(json.loads(line) for line in run.stdout.splitlines())
        assert set(found) == {case.name for case in cases()}
        counts = Counter(found.values())
        lines.append(f"| plain {tool} | {' | '.join(str(counts[one]) for one in HEADINGS)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(sys.argv[1])
