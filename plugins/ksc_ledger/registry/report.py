"""What ``ksc-ledger registry check`` prints."""

from __future__ import annotations

from pathlib import Path

from ksc_ledger.registry.reader import all_mistakes, read


def check(path: Path) -> list[str]:
    """One entry a mistake, by file and row: where and what, and on a second line what to do.

    Empty when the registry is good. Entries are Vietnamese.
    """
    return [
        f"{mistake.place}: {mistake.text}\n    → {mistake.remedy}"
        for mistake in all_mistakes(read(path))
    ]
