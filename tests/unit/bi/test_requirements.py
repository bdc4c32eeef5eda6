"""Superset's environment: locked with hashes, without a host, apart from the product's."""

from __future__ import annotations

import ast
import re

from bi import places

FOLDER = places.REPOSITORY / "bi"
LOCK = FOLDER / "requirements.lock"


def pins() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ ;]+)", LOCK.read_text("utf-8"), re.M))


def test_the_lock_names_no_host_and_every_pin_has_a_hash() -> None:
    text = LOCK.read_text("utf-8")
    assert not re.search(r"https?:|index-url|find-links|file:", text)
    blocks = [block for block in re.split(r"^(?=[a-z0-9])", text, flags=re.M) if "==" in block]
    assert len(blocks) > 100
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_lock_holds_what_was_asked_for() -> None:
    asked = re.findall(r"^([a-z-]+)(?:==(\S+))?", (FOLDER / "requirements.in").read_text(), re.M)
    found = pins()
    for name, version in asked:
        assert name in found
        assert not version or found[name] == version


def test_superset_reads_the_file_with_the_duckdb_that_writes_it() -> None:
    runtime = (places.REPOSITORY / "requirements" / "runtime.lock").read_text("utf-8")
    assert f"duckdb=={pins()['duckdb']} " in runtime


def test_of_the_product_only_settings_and_errors_are_imported() -> None:
    used = set()
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ksc_ledger"):
                names = {f"{node.module}.{one.name}" for one in node.names}
                used |= {node.module} if node.module != "ksc_ledger" else names
    assert used == {"ksc_ledger.settings", "ksc_ledger.errors"}
