"""Mutated files: whatever the bytes, a verdict of ours comes back, in time, and nothing breaks.

Three corpus files in four are mutated as they are; of a workbook every fourth time a member inside
is mutated, so that more than the zip's checksum is met.
"""

from __future__ import annotations

import io
import random
import resource
import time
import zipfile
from pathlib import Path

import pytest

from corpus.cases import FILES, RECEIVED_AT, directory
from ksc_ledger.intake.examining import examine
from ksc_ledger.intake.reasons import Finding, Reason
from ksc_ledger.intake.sandbox import Sandbox

SECONDS_A_FILE = 5.0  # the slowest seen is below one second
SELF_MEGABYTES = 150  # by which the asking process may grow over all files

SEEDS = sorted(path.name for path in FILES.iterdir() if path.stat().st_size)


def mutated(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 5, 20))):
        at = dice.randrange(len(changed)) if changed else 0
        length = min(dice.choice((1, 1, 2, 8, 64, 512)), len(changed) - at)
        match dice.randrange(7):
            case 0:
                changed[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                del changed[at : at + length]
            case 2:
                changed[at:at] = changed[at : at + length]
            case 3:
                changed[at:at] = dice.randbytes(length)
            case 4:
                changed[at : at + length] = bytes(length)
            case 5:
                changed[at:at] = dice.choice(
                    (b"\xff\xfe", b"\0", b'"', b"<", b"&#x0;", b"]]>", b"1e999", b"\r\r\n", b"=",
                     b"9" * 30, "Ế\u0301".encode(), b"<!DOCTYPE x>", b"{" * 50)
                )  # fmt: skip
            case _:
                del changed[at:]
    return bytes(changed)


def mutated_inside(data: bytes, dice: random.Random) -> bytes:
    """The archive with one of its members mutated and all checksums right."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        names = old.namelist()
        chosen = dice.choice([name for name in names if name.startswith("xl/")] or names)
        for name in names:
            content = old.read(name)
            new.writestr(
                zipfile.ZipInfo(name), mutated(content, dice) if name == chosen else content
            )
    return out.getvalue()


def fuzz(count: int, seed: int, folder: Path) -> dict[str, int]:
    """How often each outcome came; fails on anything that is no outcome of ours."""
    dice = random.Random(seed)  # noqa: S311 - a fixed seed is the point
    outcomes: dict[str, int] = {}
    path = folder / "mutant"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with Sandbox() as sandbox:
        for number in range(count):
            name = dice.choice(SEEDS)
            data = (FILES / name).read_bytes()
            inside = (
                data.startswith(b"PK")
                and dice.randrange(4)
                and zipfile.is_zipfile(io.BytesIO(data))
            )
            path.write_bytes(mutated_inside(data, dice) if inside else mutated(data, dice))
            begun = time.monotonic()
            answer = sandbox.read(path)  # raises ReaderFailed for a mistake of ours
            if isinstance(answer, Finding):
                outcome = answer.reason.value
                assert answer.reason is not Reason.INTERNAL
            else:
                examined = examine(
                    answer, directory(), sender="dtp_872", received_at=RECEIVED_AT, source="x"
                )
                outcome = "accepted" if examined.is_acceptable else "to mend"
                assert examined.is_acceptable or any(not one.is_note for one in examined.findings)
            assert time.monotonic() - begun < SECONDS_A_FILE, (seed, number, name)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < SELF_MEGABYTES
    return outcomes


def test_thirty_mutants_of_a_fixed_seed_get_a_verdict(tmp_path: Path) -> None:
    outcomes = fuzz(30, 1, tmp_path)
    assert sum(outcomes.values()) == 30
    assert len(outcomes) > 5  # they do not all stop at the door


@pytest.mark.long
def test_a_thousand_mutants_get_a_verdict(tmp_path: Path) -> None:
    outcomes = fuzz(1000, 20221012, tmp_path)
    assert sum(outcomes.values()) == 1000
    assert outcomes["accepted"] > 20
    assert len(outcomes) > 15
