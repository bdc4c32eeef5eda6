"""Reading answers strictly, and the type rule of the protocol.

A body is taken whole or not at all: UTF-8, one JSON value, no NaN or Infinity, no number beyond
a double, no name twice in one object, not nested without end. What passes means the same to every
reader after us.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from operator import attrgetter
from typing import Any, Literal

import msgspec

from ksc_ledger.sources.drift import Drift, Kind

ITEMS = "KLCSP_ITERATOR_ARRAY"
_WRAPPED = frozenset({"long", "datetime", "date", "binary", "float", "double", "params"})
_DATETIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_DEPTH_AT_MOST = 64
_decoder = msgspec.json.Decoder()
_encoder = msgspec.json.Encoder()


class NotTheWire(ValueError):  # noqa: N818 - it completes the sentence of its message
    """The answer is not what the protocol allows; the text is Vietnamese and has no content."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where in an answer the rows lie, and whether the answer says how many they are."""

    container: str
    items: str
    is_counted: bool


CHUNK = Envelope("pChunk", ITEMS, is_counted=True)
NEXT_ITEMS = Envelope("pData", ITEMS, is_counted=True)
EVENTS = Envelope("pParamsEvents", "KLEVP_EVENT_RANGE_ARRAY", is_counted=False)
RECORDS = Envelope("pRecords", ITEMS, is_counted=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some rows of a result set, not unwrapped: one compact JSON object a row, on one line.

    ``returned`` is how many the server says they are; where it does not say, how many they are.
    """

    returned: int
    rows: list[msgspec.Raw]
    ids: list[str | int]


@dataclass(frozen=True, slots=True)
class Parsed:
    """The object a body is, wrappers left as they are, and the same body without idle space."""

    value: dict[str, Any]
    compact: bytes


def unwrap(value: Any, depth: int = 0) -> Any:
    """The decode rule: wrappers become aware datetimes, dates, bytes, ints, floats and dicts.

    An empty datetime or date means "never" and becomes None. Raises NotTheWire.
    """
    if depth > _DEPTH_AT_MOST:
        raise NotTheWire("JSON lồng quá sâu")
    if isinstance(value, list):
        return [unwrap(item, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value.get("type")
    if len(value) == 2 and "value" in value and isinstance(kind, str) and kind in _WRAPPED:
        return _unwrap(kind, value["value"], depth)
    return {name: unwrap(member, depth + 1) for name, member in value.items()}


def split(answer: Parsed, id_name: str, envelope: Envelope = CHUNK) -> Chunk:
    """Split an answer with rows into its rows, without rewriting them.

    ``id_name`` is the attribute every row must carry. Raises NotTheWire.
    """
    items = _items(answer.value, envelope)
    try:
        ids = [_bare(item["value"][id_name]) for item in items]
    except (KeyError, TypeError) as error:
        raise NotTheWire(f"có bản ghi không có {id_name}") from error
    if not _are_ids(ids):
        raise NotTheWire(f"có bản ghi với {id_name} trống hoặc sai kiểu")
    returned = _returned(answer.value) if envelope.is_counted else len(items)
    if not items:
        return Chunk(returned, [], [])
    try:
        rows = _rows(envelope, answer.compact)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotTheWire("danh sách bản ghi sai cấu trúc") from error
    return Chunk(returned, rows, ids)


class _Wrapped(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    type: str
    value: str | int


class _Long(msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="long"):
    value: int | str


class _Instant(
    msgspec.Struct, gc=False, forbid_unknown_fields=True, tag_field="type", tag="datetime"
):
    value: str


_MEMBER: dict[Kind | None, Any] = {
    None: str | int | bool | _Wrapped,
    Kind.TEXT: str,
    Kind.NUMBER: int | _Long,
    Kind.FLAG: bool,
    Kind.INSTANT: _Instant,
}


class RowShape:
    """The usual shape of a row: these attributes, each once, simple or wrapped.

    A chunk of such rows is proven strict and split without looking at its rows one by one in
    Python; for any other the caller goes the long way (``parse``, ``split_unusual``), which also
    says what is wrong. Measured: the proof costs 2.5 µs a row, the long way 6, an object hook 14.

    Where ``attributes`` tells their kinds, a row is usual only when each has its own kind, and
    ``drift`` counts how the rows since ``begin`` differ from that.
    """

    def __init__(
        self,
        id_name: str,
        attributes: Sequence[str] | Mapping[str, Kind | None],
        envelope: Envelope = CHUNK,
    ) -> None:
        self.id_name = id_name
        self.drift = Drift(attributes) if isinstance(attributes, Mapping) else None
        self._envelope = envelope
        kinds: Mapping[str, Kind | None] = (
            attributes if isinstance(attributes, Mapping) else dict.fromkeys(attributes)
        )
        row = msgspec.defstruct(
            "Row",
            [
                (name, _MEMBER[kind] | msgspec.UnsetType, msgspec.UNSET)
                for name, kind in kinds.items()
            ],
            gc=False,
            forbid_unknown_fields=True,
        )
        item = msgspec.defstruct(
            "Item", [("type", str), ("value", row)], gc=False, forbid_unknown_fields=True
        )
        items = msgspec.defstruct(
            "Items",
            [(envelope.items, list[item])],  # type: ignore[valid-type]
            forbid_unknown_fields=True,
        )
        members: list[Any] = [(envelope.container, items)]
        if envelope.is_counted:
            members.append(("PxgRetVal", int))
        if envelope is NEXT_ITEMS:
            members.append(("bEOF", bool | msgspec.UnsetType, msgspec.UNSET))
        answer = msgspec.defstruct("Answer", members, forbid_unknown_fields=True)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(answer)
        self._id_of = attrgetter(f"value.{id_name}")
        self._items_of = attrgetter(f"{envelope.container}.{envelope.items}")
        self._again = bytearray()

    def begin(self) -> None:
        """A set begins."""
        if self.drift is not None:
            self.drift.begin()

    def split(self, body: bytes) -> Chunk | None:
        """The chunk, or None when its rows are not of this shape or not proven strict."""
        try:
            answer = self._decoder.decode(body)
            _encoder.encode_into(answer, self._again)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError):
            return None
        # Nothing was dropped but what stood twice, and nothing can be written shorter than it was
        # written again: the same length means that nothing stood twice and no space was idle.
        # (Holds because a float, whose writings differ in length, is of no shape.)
        if len(self._again) != len(body):
            return None
        items = self._items_of(answer)
        ids = [self._id_of(item) for item in items]
        if ids and type(ids[0]) is _Wrapped:
            ids = [one.value if type(one) is _Wrapped else one for one in ids]
        if not _are_ids(ids):
            return None
        try:
            rows = _rows(self._envelope, body)
        except msgspec.MsgspecError:
            return None
        if self.drift is not None:
            self.drift.usual([item.value for item in items])
        return Chunk(answer.PxgRetVal if self._envelope.is_counted else len(rows), rows, ids)

    def split_unusual(self, answer: Parsed) -> Chunk:
        """The long way. Raises NotTheWire."""
        chunk = split(answer, self.id_name, self._envelope)
        if self.drift is not None:
            self.drift.unusual(item["value"] for item in _items(answer.value, self._envelope))
        return chunk


def _are_ids(values: list[Any]) -> bool:
    return all(type(one) in (str, int) and one != "" for one in values)


class _Row(msgspec.Struct):
    type: Literal["params"]
    value: msgspec.Raw


@cache
def _splitter(envelope: Envelope) -> tuple[msgspec.json.Decoder[Any], attrgetter[list[_Row]]]:
    items = msgspec.defstruct("Items", [(envelope.items, list[_Row])])
    answer = msgspec.defstruct("Answer", [(envelope.container, items)])
    return msgspec.json.Decoder(answer), attrgetter(f"{envelope.container}.{envelope.items}")


def _rows(envelope: Envelope, body: bytes) -> list[msgspec.Raw]:
    decoder, items_of = _splitter(envelope)
    return [row.value for row in items_of(decoder.decode(body))]


def _bare(value: Any) -> Any:
    """An id without the wrapper of a long."""
    if isinstance(value, dict) and value.keys() == {"type", "value"}:
        return value["value"]
    return value


def _items(answer: dict[str, Any], envelope: Envelope) -> list[Any]:
    chunk = answer.get(envelope.container)
    if chunk is None:
        return []
    items = chunk.get(envelope.items, []) if isinstance(chunk, dict) else None
    if not isinstance(items, list):
        raise NotTheWire("không có danh sách bản ghi")
    return items


def _returned(answer: dict[str, Any]) -> int:
    returned = answer.get("PxgRetVal")
    if type(returned) is not int or returned < 0:
        raise NotTheWire("không cho biết số bản ghi trả về")
    return returned


def parse(body: bytes) -> Parsed:
    """Parse a body strictly. Raises NotTheWire."""
    if b"\\ud" in body or b"\\uD" in body:
        body = _mend_surrogates(body)
    try:
        value = _decoder.decode(body)
        # msgspec keeps the last of two members of one name. Writing the value again and getting
        # the same bytes proves that there were none, at a fraction of what asking for each costs.
        if not _is_same(value, body):
            body = msgspec.json.format(body, indent=-1)
            if not _is_same(value, body):
                _refuse_twins(body)
    except RecursionError as error:
        raise NotTheWire("JSON lồng quá sâu") from error
    except UnicodeDecodeError as error:
        raise NotTheWire("văn bản không phải UTF-8") from error
    except msgspec.MsgspecError as error:
        raise NotTheWire(_what_it_looks_like(body)) from error
    if not isinstance(value, dict):
        raise NotTheWire("JSON không phải một đối tượng")
    return Parsed(value, body)


def _is_same(value: Any, body: bytes) -> bool:
    try:
        return _encoder.encode(value) == body
    except OverflowError:  # an integer beyond 64 bits
        return False


def _refuse_twins(body: bytes) -> None:
    """Look at every object; only for servers that write JSON another way than we do."""
    try:
        json.loads(body, object_pairs_hook=_without_twins)
    except NotTheWire:
        raise
    except ValueError as error:  # an integer of thousands of digits, for one
        raise NotTheWire("không phải JSON hợp lệ") from error


def _without_twins(members: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in members]
    if len(set(names)) != len(names):
        raise NotTheWire("JSON có hai thành phần trùng tên")


_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _mend_surrogates(body: bytes) -> bytes:
    r"""Put U+FFFD for half a character (a lone ``\ud800``).

    A name cut in the middle of a character must not make a whole server unreadable. The body as
    it was received is in the archive.
    """
    return _ESCAPE.sub(lambda found: rb"\ufffd" if found["lone"] else found[0], body)


def _what_it_looks_like(body: bytes) -> str:
    start = body[:64].lstrip().lower()
    if not start:
        return "thân trống"
    if start.startswith(b"<"):
        return "một trang HTML hoặc XML"
    return "không phải JSON hợp lệ"


def _unwrap(kind: str, value: Any, depth: int) -> Any:
    try:
        match kind:
            case "params":
                return {name: unwrap(member, depth + 1) for name, member in value.items()}
            case "datetime":
                return _datetime(value) if value else None
            case "date":
                return date.fromisoformat(value) if value else None
            case "binary":
                return base64.b64decode(value, validate=True)
            case "long" if type(value) in (int, str):
                return int(value)
            case "float" | "double" if type(value) in (int, float):
                return float(value)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise NotTheWire(f"giá trị kiểu {kind} không hợp lệ") from error
    raise NotTheWire(f"giá trị kiểu {kind} không hợp lệ")


def _datetime(text: str) -> datetime:
    if not _DATETIME.fullmatch(text):
        raise ValueError(text)
    return datetime.fromisoformat(text).astimezone(UTC)
