"""docs/security.md claims nothing that no test holds, as far as a test can see."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from ksc_ledger.settings import REPOSITORY

PAGE = REPOSITORY / "docs" / "security.md"
_TEST = re.compile(r"`(tests/[a-z_0-9/]+\.py)::([a-z_0-9]+)`")
_ITEM = re.compile(r"^\| (\d+\.\d+\.\d+) \| (.+?) \| (.+?) \|$", re.M)


@cache
def names_in(file: Path) -> frozenset[str]:
    """The names of a file's tests, of those that are not skipped."""
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and not any("skip" in ast.unparse(one) for one in node.decorator_list)
    )


def named() -> Iterator[tuple[str, str]]:
    yield from sorted(set(_TEST.findall(PAGE.read_text("utf-8"))))


@pytest.mark.parametrize(("file", "name"), list(named()), ids=lambda word: word.split("/")[-1])
def test_a_test_that_is_named_is_there(file: str, name: str) -> None:
    assert (REPOSITORY / file).is_file()
    assert name in names_in(REPOSITORY / file)


def test_every_item_that_is_claimed_names_its_tests_and_what_it_is_claimed_for() -> None:
    section = PAGE.read_text("utf-8").split("## ASVS 5.0")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if re.match(r"\| \d", line)]
    items = _ITEM.findall(section)
    assert len(items) == len(lines) > 40
    assert len({item for item, _, _ in items}) == len(items)
    for item, what, held in items:
        assert what.strip(), item
        assert _TEST.sub("", held).strip() == "", item
        assert _TEST.search(held), item


def test_what_is_not_held_is_not_claimed() -> None:
    section = PAGE.read_text("utf-8").split("## Accepted, and not held")[1]
    claimed = {item for item, _, _ in _ITEM.findall(PAGE.read_text("utf-8"))}
    refused = set(re.findall(r"(\d+\.\d+\.\d+) is not claimed", section))
    assert len(refused) == 5
    assert not refused & claimed
