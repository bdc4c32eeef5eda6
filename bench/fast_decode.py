"""The fastest way we know from bodies to a typed Arrow table, without a guarantee of any kind.

No strictness, no raw copy, no count checks: what a competitor is given, and what the floor is made
of. One C decoder, no dict a host; the columns go to Arrow as lists.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bench.rows import FLAGS, INSTANTS, LONGS, NUMBERS, TEXTS, TYPED


class _Number(msgspec.Struct, gc=False):
    value: int


class _Text(msgspec.Struct, gc=False):
    value: str


def _kind(name: str) -> Any:
    if name in TEXTS:
        return str | None
    if name in NUMBERS:
        return int | None
    if name in FLAGS:
        return bool | None
    return (_Number if name in LONGS else _Text) | None


_Host = msgspec.defstruct("_Host", [(name, _kind(name), None) for name in TYPED], gc=False)
_Item = msgspec.defstruct("_Item", [("value", _Host)], gc=False)
_Items = msgspec.defstruct("_Items", [("KLCSP_ITERATOR_ARRAY", list[_Item])])  # type: ignore[valid-type]
_Answer = msgspec.defstruct("_Answer", [("pChunk", _Items)])
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_Answer)
_row = attrgetter(*(f"value.{name}" for name in TYPED))

SCHEMA = pa.schema(
    [(name, pa.string()) for name in TEXTS]
    + [(name, pa.int32()) for name in NUMBERS]
    + [(name, pa.int64()) for name in LONGS]
    + [(name, pa.bool_()) for name in FLAGS]
    + [(name, pa.timestamp("us", "UTC")) for name in INSTANTS]
)


def decode(body: bytes) -> list[Any]:
    """The typed hosts of one body."""
    hosts: list[Any] = _decoder.decode(body).pChunk.KLCSP_ITERATOR_ARRAY
    return hosts


def to_arrow(hosts: Iterable[Any]) -> pa.Table:
    """Decoded hosts as an Arrow table of ``SCHEMA``."""
    columns = dict(zip(TYPED, zip(*map(_row, hosts), strict=True), strict=True))
    return pa.Table.from_arrays(
        [_array(name, columns[name]) for name in SCHEMA.names], schema=SCHEMA
    )


def _array(name: str, values: tuple[Any, ...]) -> pa.Array:
    if name in LONGS:
        return pa.array([None if one is None else one.value for one in values], pa.int64())
    if name in INSTANTS:
        texts = pa.array([None if one is None else one.value for one in values], pa.string())
        return pc.cast(texts, pa.timestamp("us", "UTC"))
    return pa.array(values, SCHEMA.field(name).type)
