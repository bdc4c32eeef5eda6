"""The filter language of the find methods: parser and evaluator.

``(&(KLHST_WKS_DN="TM-*")(KLHST_WKS_STATUS & 0x4 <> 0)(!(KLHST_WKS_STATUS_ID=0)))``

Besides the printed grammar it takes what clients send and servers accept: ``>=``, ``<=``, bit
tests, one test without parentheses, and the empty filter. Text is compared without regard to case.
A test of an attribute that the row does not have is neither true nor false (as in SQL), so its
negation does not hold either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final, Protocol, TypeVar

from ksc_ledger.simulator import wire
from ksc_ledger.simulator.pxg import BusinessError, Symbol

MAX_DEPTH: Final = 64

# A search-only attribute may have several values (a group and its ancestors): any may match.
Value = wire.Member | tuple[wire.Member, ...] | None
Scalar = str | int | datetime


class Row(Protocol):
    """What a filter is put to. ``get`` gives None where the row has no such attribute."""

    def get(self, name: str, /) -> Value: ...


class Operator(StrEnum):
    EQUAL = "="
    UNEQUAL = "<>"
    GREATER = ">"
    LESS = "<"
    GREATER_EQUAL = ">="
    LESS_EQUAL = "<="


@dataclass(frozen=True, slots=True)
class CurrentTime:
    """``CURTIME(±seconds)``: an instant relative to the server's clock."""

    offset_seconds: int


Literal = int | str | datetime | CurrentTime


class Node(Protocol):
    def holds(self, row: Row, now: datetime) -> bool | None: ...

    def attributes(self) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class And:
    parts: Sequence[Node]

    def holds(self, row: Row, now: datetime) -> bool | None:
        known = [part.holds(row, now) for part in self.parts]
        if False in known:
            return False
        return None if None in known else True

    def attributes(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.attributes()


@dataclass(frozen=True, slots=True)
class Or:
    parts: Sequence[Node]

    def holds(self, row: Row, now: datetime) -> bool | None:
        known = [part.holds(row, now) for part in self.parts]
        if True in known:
            return True
        return None if None in known else False

    def attributes(self) -> Iterator[str]:
        for part in self.parts:
            yield from part.attributes()


@dataclass(frozen=True, slots=True)
class Not:
    part: Node

    def holds(self, row: Row, now: datetime) -> bool | None:
        inner = self.part.holds(row, now)
        return None if inner is None else not inner

    def attributes(self) -> Iterator[str]:
        yield from self.part.attributes()


@dataclass(frozen=True, slots=True)
class Comparison:
    name: str
    operator: Operator
    literal: Literal
    bits: int | None = None

    def holds(self, row: Row, now: datetime) -> bool | None:
        value = row.get(self.name)
        if value is None or (isinstance(value, wire.DateTime) and value.value is None):
            return None
        if isinstance(value, tuple):
            if self.operator is Operator.UNEQUAL:
                return all(self._compare(one, now) for one in value)
            return any(self._compare(one, now) for one in value)
        return self._compare(value, now)

    def attributes(self) -> Iterator[str]:
        yield self.name

    def _compare(self, value: wire.Member, now: datetime) -> bool:
        left = _scalar(value, self.name)
        right: Scalar | None
        if isinstance(self.literal, CurrentTime):
            right = now + timedelta(seconds=self.literal.offset_seconds)
        else:
            right = self.literal
        if self.bits is not None:
            if not isinstance(left, int):
                raise _bad(f"{self.name} has no bits to test")
            left &= self.bits
        if isinstance(left, str) and isinstance(right, str):
            if self.operator is Operator.EQUAL:
                return _pattern(right).fullmatch(left) is not None
            return _ordered(left.casefold(), right.casefold(), self.operator)
        if isinstance(left, int) and isinstance(right, int):
            return _ordered(left, right, self.operator)
        if isinstance(left, datetime) and isinstance(right, str):
            right = _instant(right)  # the vendor's samples write "2020-03-31T00:00:00Z"
        if isinstance(left, datetime) and isinstance(right, datetime):
            return _ordered(left, right, self.operator)
        raise _bad(f"the value given for {self.name} has another type than the attribute")


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter; ``root`` None lets everything pass."""

    root: Node | None

    def matches(self, row: Row, now: datetime) -> bool:
        """Tell whether the row passes; BusinessError when a value's type does not fit."""
        return self.root is None or self.root.holds(row, now) is True

    @property
    def attributes(self) -> frozenset[str]:
        return frozenset() if self.root is None else frozenset(self.root.attributes())


def parse(text: str | None) -> Filter:
    """Parse a filter; BusinessError (STDE_BADFORMAT) says where it is wrong."""
    if text is None or not text.strip():
        return Filter(None)
    parser = _Parser(text)
    root = parser.filter(0) if parser.next_is("(") else parser.comparison()
    parser.end()
    return Filter(root)


_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<mark>[()&|!])
    | (?P<operator><>|>=|<=|=|<|>)
    | (?P<instant>T"[^"]*")
    | (?P<text>"(?:[^"]|"")*")
    | CURTIME\s*\(\s*(?P<curtime>[+-]?\d{1,10})\s*\)
    | (?P<hex>0[xX][0-9a-fA-F]{1,16})
    | (?P<number>[+-]?\d{1,19})
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[_Token] = []
        position = 0
        stripped = text.rstrip()
        while position < len(stripped):
            match = _TOKEN.match(stripped, position)
            if match is None or match.lastgroup is None:
                raise _bad(f"unexpected character at position {position + 1}")
            self._tokens.append(_Token(match.lastgroup, match[match.lastgroup], position))
            position = match.end()
        self._at = 0

    def next_is(self, mark: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at].text == mark

    def filter(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise _bad("nested too deeply")
        self._expect("mark", "(")
        node: Node
        if self.next_is("&") or self.next_is("|"):
            mark = self._take().text
            parts = [self.filter(depth + 1)]
            while self.next_is("("):
                parts.append(self.filter(depth + 1))
            node = And(parts) if mark == "&" else Or(parts)
        elif self.next_is("!"):
            self._take()
            node = Not(self.filter(depth + 1))
        else:
            node = self.comparison()
        self._expect("mark", ")")
        return node

    def comparison(self) -> Comparison:
        name = self._expect("name").text
        bits = None
        if self.next_is("&"):
            self._take()
            bits = self._integer()
        operator = Operator(self._expect("operator").text)
        return Comparison(name, operator, self._literal(), bits)

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise _bad(f"unexpected text at position {self._tokens[self._at].position + 1}")

    def _literal(self) -> Literal:
        token = self._take()
        if token.kind == "text":
            return token.text[1:-1].replace('""', '"')
        if token.kind == "instant":
            try:
                naive = datetime.strptime(token.text[2:-1], "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007
            except ValueError as error:
                raise _bad(f"{token.text} is no instant") from error
            return naive.replace(tzinfo=UTC)
        if token.kind == "curtime":
            return CurrentTime(int(token.text))
        self._at -= 1
        return self._integer()

    def _integer(self) -> int:
        token = self._take()
        if token.kind == "hex":
            return int(token.text, 16)
        if token.kind == "number":
            return int(token.text)
        raise _bad(f"a value is missing at position {token.position + 1}")

    def _take(self) -> _Token:
        if self._at >= len(self._tokens):
            raise _bad("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, kind: str, text: str | None = None) -> _Token:
        token = self._take()
        if token.kind != kind or (text is not None and token.text != text):
            raise _bad(f"expected {text or kind} at position {token.position + 1}")
        return token


def _bad(message: str) -> BusinessError:
    return BusinessError(Symbol.BADFORMAT, f"Bad filter: {message}", "wstrFilter")


def _instant(text: str) -> datetime | None:
    """An instant as the JSON of the protocol writes it; None when it is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def _scalar(value: wire.Member, name: str) -> Scalar:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str | int):
        return value
    if isinstance(value, wire.Long):
        return value.value
    if isinstance(value, wire.DateTime) and value.value is not None:
        return value.value
    raise _bad(f"{name} cannot be searched")


_Ordered = TypeVar("_Ordered", str, int, datetime)


def _ordered(left: _Ordered, right: _Ordered, operator: Operator) -> bool:
    match operator:
        case Operator.EQUAL:
            return left == right
        case Operator.UNEQUAL:
            return left != right
        case Operator.GREATER:
            return left > right
        case Operator.LESS:
            return left < right
        case Operator.GREATER_EQUAL:
            return left >= right
        case Operator.LESS_EQUAL:
            return left <= right


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    """A wildcard text as a regular expression: ``?``, ``*``, ``[a-f]``, ``[^a-f]``."""
    out: list[str] = []
    for part in re.findall(r"\*+|\?|\[\^?[^\]]+\]|.", text, re.DOTALL):
        if part.startswith("*"):
            out.append(".*")
        elif part == "?":
            out.append(".")
        elif part.startswith("[") and len(part) > 1:
            negated = part[1] == "^"
            members = part[2:-1] if negated else part[1:-1]
            escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", members)
            out.append(f"[{'^' if negated else ''}{escaped}]")
        else:
            out.append(re.escape(part))
    try:
        return re.compile("".join(out), re.IGNORECASE | re.DOTALL)
    except re.error as error:
        raise _bad(f"{text} is no pattern") from error
