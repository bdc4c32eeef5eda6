"""docs/doctor.md names every diagnosis, and every one has a remedy."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import ksc_ledger.doctor
from ksc_ledger.doctor import Check
from ksc_ledger.settings import REPOSITORY

ROOM = Path(ksc_ledger.doctor.__file__).parent
PAGE = (REPOSITORY / "docs" / "doctor.md").read_text("utf-8")
PLACE_OF_CODE = {"failed": 2, "warned": 2, "_no_right": 1, "LedgerError": 0}


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of a plain name in the room, by that name."""
    for file in sorted(ROOM.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield node.func.id, node


def codes() -> set[str]:
    """The codes that are written down where a complaint is made."""
    found = set()
    for name, call in calls():
        code = call.args[PLACE_OF_CODE[name]] if name in PLACE_OF_CODE else None
        if isinstance(code, ast.Constant):
            found.add(str(code.value))
    return found


def test_every_diagnosis_stands_on_the_page() -> None:
    told = set(re.findall(r"`([a-z_]+)`", PAGE))
    assert len(codes()) > 50
    assert codes() - {"server_unknown"} <= told  # that one is no finding: the command ends with it


def test_every_check_stands_on_the_page() -> None:
    assert {check.value for check in Check} <= set(re.findall(r"(?m)^\| ([a-z_]+) \|", PAGE))


def test_no_complaint_is_made_without_a_remedy() -> None:
    remedies = [call.args[4] for name, call in calls() if name in {"failed", "warned"}]
    assert len(remedies) > 50
    for remedy in remedies:
        assert not (isinstance(remedy, ast.Constant) and not remedy.value)
