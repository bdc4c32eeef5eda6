"""docs/faults.md says what the tests say."""

from __future__ import annotations

from contract.faults_page import CONTRACT, FAULTS, PAGE, PLATFORM, page, proofs


def test_the_page_is_made_from_the_tests() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: python tests/contract/faults_page.py"


def test_no_number_is_missing() -> None:
    assert {proof.number for proof in proofs(CONTRACT)} == {f"R{n:02}" for n in range(1, 19)}
    assert [proof.number for proof in proofs(FAULTS)] == [f"F{n:02}" for n in range(1, 36)]
    assert [proof.number for proof in proofs(PLATFORM)] == ["F43", "F44"]


def test_every_fault_says_what_it_is_and_what_follows() -> None:
    for proof in [*proofs(FAULTS), *proofs(PLATFORM)]:
        assert proof.fault.endswith("."), proof.name
        assert proof.promise.endswith("."), proof.name
    for proof in proofs(CONTRACT):
        assert proof.fault.endswith("."), proof.name
