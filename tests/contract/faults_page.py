"""Writes docs/faults.md from the names and docstrings of the contract's tests.

python tests/contract/faults_page.py
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
PAGE = REPOSITORY / "docs" / "faults.md"
CONTRACT = HERE / "test_snapshot_contract.py"
FAULTS = HERE / "test_faults.py"
PLATFORM = REPOSITORY / "tests" / "road" / "test_platform_faults.py"

_HEAD = """# What a server may do wrong, and what is true afterwards

Made by `python tests/contract/faults_page.py` from the tests themselves; a test compares. Each line is
one test, run against the simulated servers (docs/simulator.md has the names in backticks):
`pytest tests/contract -k f08`.

What is said of mails and alerts belongs to the link watch (docs/alerts.md). Here a fault is named,
what was read is landed or refused, the last good figures stay with their age, and the other servers
of the same round land.
"""
_CONTRACT_HEAD = """
## What a snapshot is worth

| | promise | test |
|---|---|---|
"""
_FAULTS_HEAD = """
## Faults

| | fault | what must be true afterwards | test |
|---|---|---|---|
"""
_PLATFORM_HEAD = """
## Faults of the platform

On a real Airflow with a real scheduler, killed and stopped for real (`pytest tests/road -k f43`; long).

| | fault | what must be true afterwards | test |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Proof:
    """A test with a number. ``fault`` is the first sentence of its docstring, where it has two parts."""

    number: str
    name: str
    fault: str
    promise: str


def proofs(file: Path) -> list[Proof]:
    """The numbered tests of a file, in order."""
    tree = ast.parse(file.read_text("utf-8"))
    return list(_proofs(tree))


def page() -> str:
    """The whole page."""
    contract = [
        f"| {proof.number} | {_cell(f'{proof.fault} {proof.promise}')} | `{proof.name}` |"
        for proof in proofs(CONTRACT)
    ]
    faults = [
        f"| {proof.number} | {_cell(proof.fault)} | {_cell(proof.promise)} | `{proof.name}` |"
        for proof in proofs(FAULTS)
    ]
    platform = [
        f"| {proof.number} | {_cell(proof.fault)} | {_cell(proof.promise)} | `{proof.name}` |"
        for proof in proofs(PLATFORM)
    ]
    parts = [
        _HEAD,
        _CONTRACT_HEAD,
        "\n".join(contract),
        "\n",
        _FAULTS_HEAD,
        "\n".join(faults),
        "\n",
        _PLATFORM_HEAD,
        "\n".join(platform),
        "\n",
    ]
    return "".join(parts)


def _proofs(tree: ast.Module) -> Iterator[Proof]:
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef):
            continue
        found = re.match(r"test_([rf]\d\d)_", node.name)
        if found is None:
            continue
        said = ast.get_docstring(node)
        if said is None:
            raise ValueError(f"{node.name} has no docstring")
        first, _, rest = said.partition("\n\n")
        yield Proof(found[1].upper(), node.name, _line(first), _line(rest))


def _line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
