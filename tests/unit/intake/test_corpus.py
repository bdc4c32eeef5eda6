"""Every file of the corpus gets the verdict that corpus.yml says, through the whole intake."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpus import builders
from corpus.cases import FILES, Case, cases, directory, elsewhere
from ksc_ledger.intake import store
from ksc_ledger.intake.columns import COUNTS
from ksc_ledger.intake.inbox import sidecar_of
from ksc_ledger.intake.receipts import Receipt
from ksc_ledger.intake.receive import receive
from ksc_ledger.intake.sandbox import Sandbox
from ksc_ledger.settings import Places

KINDS = {
    *(f"C{n:02d}" for n in range(1, 37)),
    *(f"B{n:02d}" for n in range(1, 17)),
    *(f"E{n:02d}" for n in range(1, 15)),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as one:
        yield one


def received(case: Case, home: Path, sandbox: Sandbox) -> tuple[Receipt, Places]:
    folder = home / "inbox" / case.sender
    folder.mkdir(parents=True)
    path = folder / case.file_name
    path.write_bytes(case.data())
    sidecar_of(path).write_text(json.dumps({"received_at": case.received_at.isoformat()}), "utf-8")
    places = Places(home)
    receipts = receive(places.inbox, places, directory(), now=case.received_at, sandbox=sandbox)
    assert len(receipts) == 1
    assert not any(folder.iterdir())
    return receipts[0], places


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_a_file_gets_its_verdict(case: Case, tmp_path: Path, sandbox: Sandbox) -> None:
    receipt, places = received(case, tmp_path, sandbox)
    mend = [one for one in receipt.findings if not one.is_note]
    assert receipt.failure is None
    assert (receipt.verdict.value, {one.reason.value for one in mend}) == (
        case.verdict,
        set(case.reasons),
    )
    assert {one.reason.value for one in receipt.findings if one.is_note} == set(case.notes)
    if case.cells is not None:
        assert {one.cell for one in mend} == set(case.cells)
    kept = places.quarantine if case.verdict != "accepted" else store.reports_of(places)
    originals = list(kept.rglob(store.ORIGINAL))
    assert [one.read_bytes() for one in originals] == [case.data()]
    rows = list(store.accepted_rows(places))
    if case.figures is not None:
        assert {row["report_date"] for row in rows} == {case.report_date}
        counts = [column.value for column in COUNTS]
        assert {
            row["unit_code"]: [row[name] for name in counts if row[name] is not None]
            for row in rows
        } == case.figures
    else:
        assert rows == []
    names = [
        json.loads(line)["computer_name"]
        for path in store.reports_of(places).rglob(store.DEVICES)
        for line in path.read_text("utf-8").split("\n")[:-1]
    ]
    assert names == list(case.names or ())


def test_every_file_has_a_verdict_and_every_verdict_a_file() -> None:
    there = {path.name for path in FILES.iterdir()} | set(builders.BUILDERS)
    assert {case.name for case in cases()} == there


def test_every_kind_has_a_file_or_is_tested_elsewhere() -> None:
    assert KINDS - {case.kind for case in cases()} == set(elsewhere())


def test_every_accepted_file_says_what_was_read() -> None:
    for case in cases():
        is_read = (case.figures is not None) + (case.names is not None)
        assert is_read == (case.verdict == "accepted"), case.name


def test_no_file_of_the_corpus_is_large() -> None:
    assert max(path.stat().st_size for path in FILES.iterdir()) <= 100_000


def test_the_places_named_for_other_kinds_exist() -> None:
    root = Path(__file__).resolve().parents[3]
    for text in elsewhere().values():
        found = re.search(r"tests/[\w/.]+", text)
        assert found is not None
        assert (root / found[0]).exists(), text
