"""`make audit`: a CycloneDX list of what a lock holds, and what is known against it.

The list is made from the lock alone, without a network (`make sbom` ends there, and with waivers
that are over). The look-up needs one: when the service cannot be asked, that is said and is a
failure of its own, never "nothing found".

Exit status: 0 nothing that is not waived, 1 vulnerabilities or wrong waivers, 2 not asked.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
WAIVERS = REPOSITORY / "requirements" / "audit-waivers.toml"
LONGEST = timedelta(days=120)
ASK_SECONDS = 900
CLEAN, FOUND, NOT_ASKED = 0, 1, 2
_FIELDS = {"id", "package", "reason", "until", "written"}


class AuditError(Exception):
    """What a person must mend before anything can be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """``until`` is the last day on which it holds."""

    id: str
    package: str
    reason: str
    until: date
    written: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    package: str
    version: str
    id: str
    aliases: frozenset[str] = frozenset()
    fixed_in: tuple[str, ...] = ()

    def is_meant_by(self, waiver: Waiver) -> bool:
        return waiver.package == self.package and waiver.id in {self.id, *self.aliases}

    def __str__(self) -> str:
        names = ", ".join([self.id, *sorted(self.aliases)])
        cure = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "no fixed version"
        return f"{self.package} {self.version}: {names}; {cure}"


def read_waivers(text: str) -> tuple[Waiver, ...]:
    """The waivers of the file; raise AuditError for one that is not whole or lasts too long."""
    try:
        rows = tomllib.loads(text).get("waiver", [])
    except tomllib.TOMLDecodeError as error:
        raise AuditError(f"the waivers cannot be read: {error}") from error
    waivers = []
    for number, row in enumerate(rows, start=1):
        days = [type(row.get(name)) is date for name in ("until", "written")]
        texts = [str(row.get(name, "")).strip() for name in ("id", "package", "reason")]
        if set(row) != _FIELDS or not all(days) or not all(texts):
            raise AuditError(f"waiver {number}: needs exactly {', '.join(sorted(_FIELDS))}")
        waiver = Waiver(**row)
        if not timedelta() <= waiver.until - waiver.written <= LONGEST:
            raise AuditError(f"waiver {number} ({waiver.id}): at most {LONGEST.days} days")
        waivers.append(waiver)
    return tuple(waivers)


def complaints(findings: Iterable[Finding], waivers: Sequence[Waiver], today: date) -> list[str]:
    """What must not stay so: found and not waived, waived for too long, waived for nothing."""
    found = list(findings)
    said = []
    for finding in found:
        meant = [waiver for waiver in waivers if finding.is_meant_by(waiver)]
        if not meant:
            said.append(f"not waived: {finding}")
        elif all(waiver.until < today for waiver in meant):
            last = max(waiver.until for waiver in meant)
            said.append(f"its waiver ended on {last.isoformat()}: {finding}")
    said += [
        f"waived and not found any more, remove it: {waiver.id} of {waiver.package}"
        for waiver in waivers
        if not any(finding.is_meant_by(waiver) for finding in found)
    ]
    return said


def findings_in(report: Mapping[str, Any]) -> list[Finding]:
    """What pip-audit's JSON says. Raises AuditError when a package was not looked up."""
    asked = report["dependencies"]
    skipped = {one["name"]: one["skip_reason"] for one in asked if "skip_reason" in one}
    if skipped:
        first, reason = next(iter(sorted(skipped.items())))
        raise AuditError(
            f"{len(skipped)} of {len(asked)} packages were not looked up, {first} because: {reason}"
        )
    return [
        Finding(
            package=package["name"],
            version=package["version"],
            id=one["id"],
            aliases=frozenset(one["aliases"]) - {one["id"]},
            fixed_in=tuple(one["fix_versions"]),
        )
        for package in asked
        for one in package["vulns"]
    ]


def look_up(program: Path, lock: Path) -> list[Finding]:
    """Ask the vulnerability service about every pin. Raises AuditError when it cannot be asked."""
    words = [str(program), "--requirement", str(lock), "--require-hashes", "--disable-pip"]
    words += ["--format", "json", "--progress-spinner", "off", "--timeout", "30"]
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=ASK_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise AuditError(f"the service did not answer within {ASK_SECONDS} s") from error
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise AuditError(f"the service could not be asked: {last}") from error
    found = findings_in(report)
    if (done.returncode == 0) is not (not found):
        raise AuditError(f"pip-audit ended with {done.returncode} and {len(found)} findings")
    return found


def pins_in(lock: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^([a-z0-9._-]+)==([^ ;\\]+)", lock, re.M))


def write_sbom(program: Path, lock: Path, target: Path) -> int:
    """CycloneDX JSON of a lock, from the lock alone; returns how many packages it names.

    Raises AuditError when they are not exactly the lock's.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    words = [str(program), "requirements", str(lock), "--output-format", "JSON"]
    words += ["--output-reproducible", "--output-file", str(target)]
    subprocess.run(words, check=True, capture_output=True, text=True)
    parts = json.loads(target.read_text("utf-8"))["components"]
    named = {(part["name"], part["version"]) for part in parts}
    differing = named ^ pins_in(lock.read_text("utf-8"))
    if differing:
        raise AuditError(f"the list is not the lock: {sorted(differing)[0]}")
    return len(named)


def over(waivers: Iterable[Waiver], today: date) -> list[str]:
    """What can be said of waivers without asking anybody."""
    return [
        f"the waiver of {waiver.id} for {waiver.package} ended on {waiver.until.isoformat()}"
        for waiver in waivers
        if waiver.until < today
    ]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tools.audit", description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--tools", type=Path, required=True, help="where pip-audit lies")
    parser.add_argument("--sbom", type=Path, required=True, help="where the list goes")
    parser.add_argument("--waivers", type=Path, default=WAIVERS)
    parser.add_argument("--without-network", action="store_true", help="ask nobody")
    given = parser.parse_args(words)
    today = datetime.now(UTC).date()
    try:
        count = write_sbom(given.tools / "cyclonedx-py", given.lock, given.sbom)
        sys.stdout.write(f"{given.sbom}: {count} packages of {given.lock}\n")
        waivers = read_waivers(given.waivers.read_text("utf-8"))
        if given.without_network:
            said = over(waivers, today)
            sys.stdout.write("".join(f"{line}\n" for line in said))
            return FOUND if said else CLEAN
        found = look_up(given.tools / "pip-audit", given.lock)
    except AuditError as error:
        sys.stderr.write(f"NOT AUDITED: {error}\n")
        return NOT_ASKED
    said = complaints(found, waivers, today)
    sys.stdout.write("".join(f"{line}\n" for line in said))
    sys.stdout.write(f"{len(found)} known vulnerabilities, {len(waivers)} waivers.\n")
    return FOUND if said else CLEAN


if __name__ == "__main__":
    sys.exit(main())
