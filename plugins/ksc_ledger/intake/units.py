"""Which unit a text means: its exact name, else a dated alias, else nothing but a proposal.

Names are compared by ``rules.text.matching_key``, which keeps every accent and the kind of unit:
"Huyện Cao Lãnh" is never "Thành phố Cao Lãnh". Likeness never decides anything; it is offered to a
person, who may write the alias into the registry.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

from rapidfuzz import fuzz

from ksc_ledger.intake.values import plain
from ksc_ledger.rules.figures import written_date
from ksc_ledger.rules.text import ascii_letters, matching_key

LEAST_LIKENESS = 72.0  # per cent
PROPOSALS = 3
NAME_LENGTH = 200  # a longer text is no unit's name and is not compared

_COMMITTEE = matching_key("Ủy ban nhân dân")
_ABBREVIATIONS = {
    "tp": ("thành phố",),
    "tx": ("thị xã",),
    "tt": ("thị trấn", "trung tâm"),
    "h": ("huyện",),
    "x": ("xã",),
}  # P. may be a ward or a department, Q. is too short for anything: they stay what they are
_ABBREVIATED = re.compile(r"(tp|tx|tt|h|x)(?:\. ?| )(?=\S)")
_KINDS = tuple(
    matching_key(kind)
    for kind in (
        "thành phố", "thị xã", "thị trấn", "huyện", "quận", "xã", "phường", "tỉnh", "phòng", "sở",
        "ban", "trung tâm", "văn phòng", "thanh tra", "công an", "chi cục", "trường", "hội",
    )
)  # fmt: skip


class DatedLike(Protocol):
    """A row about a unit and the days on which it holds."""

    @property
    def unit_code(self) -> str: ...
    @property
    def valid_from_date(self) -> date: ...
    @property
    def valid_to_date(self) -> date | None: ...


class UnitLike(DatedLike, Protocol):
    """What is asked of a unit; the registry's ``Unit`` is one."""

    @property
    def unit_name(self) -> str: ...
    @property
    def parent_unit_code(self) -> str | None: ...


class AliasLike(DatedLike, Protocol):
    """What is asked of an alias; the registry's ``UnitAlias`` is one."""

    @property
    def alias(self) -> str: ...


class How(StrEnum):
    EXACT = "exact"
    ALIAS = "alias"
    AMBIGUOUS = "ambiguous"  # several units of that name where only one may be meant
    ELSEWHERE = "elsewhere"  # a unit, but none of the sender's
    NOT_IN_FORCE = "not_in_force"  # a unit of another time
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A unit that a person may have meant; ``likeness`` is 0..1."""

    unit_code: str
    unit_name: str
    likeness: float


@dataclass(frozen=True, slots=True)
class Match:
    """``unit_code`` is given by EXACT and ALIAS only. ``candidates`` are the other ways' units."""

    how: How
    unit_code: str | None = None
    candidates: tuple[Proposal, ...] = ()


class UnitIndex:
    """The units and aliases of a registry, to be asked for any day."""

    def __init__(self, units: Iterable[UnitLike], aliases: Iterable[AliasLike] = ()) -> None:
        self._units = tuple(units)
        self._by_code: dict[str, list[UnitLike]] = defaultdict(list)
        self._by_key: dict[str, list[UnitLike]] = defaultdict(list)
        self._aliases: dict[str, list[AliasLike]] = defaultdict(list)
        for unit in self._units:
            self._by_code[unit.unit_code].append(unit)
            for key in dict.fromkeys((unit.unit_code, *_without_committee(unit.unit_name))):
                self._by_key[key].append(unit)
        for alias in aliases:
            self._aliases[matching_key(alias.alias)].append(alias)

    def name_of(self, unit_code: str, day: date) -> str:
        """The unit's name that day, else any name it ever had, else its code."""
        units = self._by_code.get(unit_code, [])
        in_force = [unit for unit in units if is_in_force(unit, day)]
        return (in_force or units)[-1].unit_name if units else unit_code

    def period_of(self, unit_code: str) -> str:
        """When a unit is in force, as an official reads it."""
        parts = []
        for unit in self._by_code.get(unit_code, ()):
            end = f" đến {written_date(unit.valid_to_date)}" if unit.valid_to_date else ""
            parts.append(f"{unit.unit_name} từ {written_date(unit.valid_from_date)}{end}")
        return ", ".join(parts)

    def is_known(self, unit_code: str, day: date) -> bool:
        return any(is_in_force(unit, day) for unit in self._by_code.get(unit_code, ()))

    def subtree(self, unit_code: str, day: date) -> frozenset[str]:
        """The unit and every unit below it that day."""
        below: dict[str | None, list[str]] = defaultdict(list)
        for unit in self._units:
            if is_in_force(unit, day):
                below[unit.parent_unit_code].append(unit.unit_code)
        found = {unit_code}
        waiting = [unit_code]
        while waiting:
            new = [code for code in below[waiting.pop()] if code not in found]
            found.update(new)
            waiting += new
        return frozenset(found)

    def match(self, text: str, day: date, scope: frozenset[str]) -> Match:
        """The unit of ``scope`` that a text means on a day."""
        name = plain(text)
        if not name or len(name) > NAME_LENGTH:
            return Match(How.UNKNOWN)
        everywhere = _unique(unit for key in keys_of(name) for unit in self._by_key.get(key, ()))
        here = [unit for unit in everywhere if unit.unit_code in scope and is_in_force(unit, day)]
        codes = {unit.unit_code for unit in here}
        if len(codes) == 1:
            return Match(How.EXACT, codes.pop())
        if codes:
            return Match(How.AMBIGUOUS, candidates=_candidates(here))
        aliases = {
            alias.unit_code
            for key in keys_of(name)
            for alias in self._aliases.get(key, ())
            if alias.unit_code in scope
            and is_in_force(alias, day)
            and self.is_known(alias.unit_code, day)
        }
        if len(aliases) == 1:
            return Match(How.ALIAS, aliases.pop())
        if aliases:
            units = [unit for code in sorted(aliases) for unit in self._by_code[code][-1:]]
            return Match(How.AMBIGUOUS, candidates=_candidates(units))
        current = [unit for unit in everywhere if is_in_force(unit, day)]
        if current:
            return Match(How.ELSEWHERE, candidates=_candidates(current))
        if everywhere:
            return Match(How.NOT_IN_FORCE, candidates=_candidates(everywhere))
        return Match(How.UNKNOWN, candidates=self._proposals(name, day, scope))

    def _proposals(self, name: str, day: date, scope: frozenset[str]) -> tuple[Proposal, ...]:
        """Units called alike, of the same kind.

        A name without a kind is compared with bare names: "Cao Lãnh" is as like the town as the
        district, and both are offered or neither.
        """
        keys = keys_of(name)
        kinds = {_kind_of(key) for key in keys} - {None}
        wanted = ascii_letters(_bare(keys[-1]))
        found = []
        for unit in self._units:
            if unit.unit_code not in scope or not is_in_force(unit, day):
                continue
            key = _without_committee(unit.unit_name)[-1]
            kind = _kind_of(key)
            if kinds and kind is not None and kind not in kinds:
                continue  # a commune is no district, however alike they are called
            likeness = fuzz.ratio(wanted, ascii_letters(_bare(key)), score_cutoff=LEAST_LIKENESS)
            if likeness:
                found.append(Proposal(unit.unit_code, unit.unit_name, round(likeness / 100, 2)))
        best = sorted(found, key=lambda one: (-one.likeness, one.unit_code))
        return tuple(best[:PROPOSALS])


def keys_of(name: str) -> tuple[str, ...]:
    """The keys under which a name may stand: as written, without "UBND", abbreviations in full."""
    keys = list(_without_committee(name))
    for key in tuple(keys):
        match = _ABBREVIATED.match(key)
        if match:
            keys += [
                matching_key(f"{word} {key[match.end() :]}") for word in _ABBREVIATIONS[match[1]]
            ]
    return tuple(dict.fromkeys(keys))


def alias_rows(text: str, match: Match, day: date, source: str) -> Iterator[dict[str, str]]:
    """Proposals as rows of the registry's ``unit_aliases.csv``, for a person to choose from."""
    for one in match.candidates if match.how is How.UNKNOWN else ():
        yield {
            "alias": plain(text),
            "unit_code": one.unit_code,
            "valid_from_date": day.isoformat(),
            "valid_to_date": "",
            "source_document": f"Đề xuất (giống {one.likeness:.0%} «{one.unit_name}»): {source}",
        }


def is_in_force(record: DatedLike, day: date) -> bool:
    return record.valid_from_date <= day and (
        record.valid_to_date is None or day <= record.valid_to_date
    )


def _without_committee(name: str) -> tuple[str, ...]:
    """The key of a name, and the one without "UBND" or "Ủy ban nhân dân" in front."""
    key = matching_key(name)
    for front in ("ubnd ", f"{_COMMITTEE} "):
        if key.startswith(front):
            return key, key.removeprefix(front)
    return (key,)


def _bare(key: str) -> str:
    kind = _kind_of(key)
    return key.removeprefix(f"{kind} ") if kind else key


def _kind_of(key: str) -> str | None:
    return next((kind for kind in _KINDS if key.startswith(f"{kind} ")), None)


def _unique(units: Iterable[UnitLike]) -> list[UnitLike]:
    found: list[UnitLike] = []
    for unit in units:
        if not any(unit is one for one in found):
            found.append(unit)
    return found


def _candidates(units: Iterable[UnitLike]) -> tuple[Proposal, ...]:
    named = {unit.unit_code: Proposal(unit.unit_code, unit.unit_name, 1.0) for unit in units}
    return tuple(named.values())
