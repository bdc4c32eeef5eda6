"""The JSON of the protocol, built from typed values so that a wrong type cannot be sent.

Inside a params container or an array only string, 32-bit int, bool and array are bare; everything
else is ``{"type": t, "value": v}`` and nothing is null. At the top level everything is bare. Which
of the two applies is decided here and nowhere else: callers say *what* a value is (``Long``,
``DateTime``, …) and never how it is written. A Python ``datetime``, ``float``, ``dict`` or an int
beyond 32 bits is refused with WireError.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

INT_MIN: Final = -(2**31)
INT_MAX: Final = 2**31 - 1


class WireError(TypeError):
    """A value was about to be sent in a form that the protocol does not know."""


@dataclass(frozen=True, slots=True)
class Long:
    value: int


@dataclass(frozen=True, slots=True)
class DateTime:
    """An aware instant, sent in UTC by the second; None is the protocol's empty string (never)."""

    value: datetime | None


@dataclass(frozen=True, slots=True)
class Date:
    value: date


@dataclass(frozen=True, slots=True)
class Binary:
    value: bytes


@dataclass(frozen=True, slots=True)
class Float:
    value: float


@dataclass(frozen=True, slots=True)
class Double:
    value: float


@dataclass(frozen=True, slots=True)
class Params:
    members: Mapping[str, Member]


@dataclass(frozen=True, slots=True)
class Array:
    items: Sequence[Member | None]


@dataclass(frozen=True, slots=True)
class EncodedArray:
    """An array whose elements were encoded by :func:`encode_member` before."""

    items: Sequence[bytes]


Member = (
    str
    | bool
    | int
    | Long
    | DateTime
    | Date
    | Binary
    | Float
    | Double
    | Params
    | Array
    | EncodedArray
)


class _Void:
    """The result of a method that returns nothing: ``PxgRetVal`` is left out."""


VOID: Final = _Void()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a method gives back: its return value and its out parameters."""

    result: Member | _Void | None = VOID
    out: Mapping[str, Member | None] = field(default_factory=dict)


def encode_answer(answer: Answer) -> bytes:
    members: list[bytes] = []
    if not isinstance(answer.result, _Void):
        members.append(b'"PxgRetVal":' + encode_top(answer.result))
    for name, value in answer.out.items():
        members.append(encode_text(name) + b":" + encode_top(value))
    return b"{" + b",".join(members) + b"}"


def encode_top(value: Member | None) -> bytes:
    """Encode a value at the top level: bare, and null where there is none."""
    if value is None:
        return b"null"
    if isinstance(value, Params):
        return _members(value)
    wrapped = _wrapped(value)
    return encode_member(value) if wrapped is None else wrapped[1]


def encode_member(value: Member) -> bytes:
    """Encode a value inside a params container or an array."""
    # The three commonest kinds first: a chunk of 5 000 devices has 100 000 members.
    if type(value) is str:
        return encode_text(value)
    if type(value) is DateTime:
        return b'{"type":"datetime","value":"%b"}' % instant_text(value).encode()
    if type(value) is bool:
        return b"true" if value else b"false"
    if type(value) is int:
        if not INT_MIN <= value <= INT_MAX:
            raise WireError(f"{value} is no 32-bit int; a larger number is a Long")
        return b"%d" % value
    if type(value) is Array:
        return b"[" + b",".join(_element(item) for item in value.items) + b"]"
    if type(value) is EncodedArray:
        return b"[" + b",".join(value.items) + b"]"
    if type(value) is Params:
        return b'{"type":"params","value":' + _members(value) + b"}"
    wrapped = _wrapped(value)
    if wrapped is None:
        raise WireError(f"{type(value).__name__} has no form inside a params container")
    return b'{"type":"%b","value":%b}' % (wrapped[0].encode(), wrapped[1])


_AS_IT_IS: Final = json.JSONEncoder(ensure_ascii=False).encode


def encode_text(text: str) -> bytes:
    try:
        return _AS_IT_IS(text).encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate exists in JSON only as an escape
        return json.dumps(text).encode("ascii")


def instant_text(value: DateTime) -> str:
    if value.value is None:
        return ""
    if value.value.tzinfo is None:
        raise WireError("an instant without a time zone cannot be sent as UTC")
    return value.value.astimezone(UTC).isoformat()[:19] + "Z"


def _members(params: Params) -> bytes:
    return (
        b"{"
        + b",".join(encode_text(n) + b":" + encode_member(v) for n, v in params.members.items())
        + b"}"
    )


def _element(item: Member | None) -> bytes:
    return b"null" if item is None else encode_member(item)


def _wrapped(value: Member) -> tuple[str, bytes] | None:
    """The type name and the bare value of what is wrapped inside containers."""
    if isinstance(value, Long):
        if type(value.value) is not int or not -(2**63) <= value.value < 2**63:
            raise WireError(f"{value.value!r} is no 64-bit int")
        return "long", b"%d" % value.value
    if isinstance(value, DateTime):
        return "datetime", encode_text(instant_text(value))
    if isinstance(value, Date):
        return "date", encode_text(value.value.isoformat())
    if isinstance(value, Binary):
        return "binary", encode_text(base64.b64encode(value.value).decode("ascii"))
    if isinstance(value, Float):
        return "float", json.dumps(float(value.value), allow_nan=False).encode()
    if isinstance(value, Double):
        return "double", json.dumps(float(value.value), allow_nan=False).encode()
    return None
