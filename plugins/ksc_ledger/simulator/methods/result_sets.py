"""ChunkAccessor.*: reading a set that was found before."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

from ksc_ledger.simulator import faults, hosts, wire
from ksc_ledger.simulator.faults import FaultKind
from ksc_ledger.simulator.filters import Row
from ksc_ledger.simulator.hosts import Host
from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.pxg import BusinessError, Symbol, bad_argument, not_found
from ksc_ledger.simulator.sessions import ResultSet, life_seconds
from ksc_ledger.simulator.wire import Answer


def keep_hosts(
    call: Call,
    rows: list[Host],
    fields: tuple[str, ...],
    life: int,
    late: Host | None = None,
) -> str:
    """Give a set of devices an accessor. ``late`` comes into it while it is read."""
    found = ResultSet(
        rows,
        fields,
        lambda position: hosts.encode(rows[position], fields),
        life_seconds(life),
        call.entrance.sessions.now(),
        is_of_hosts=True,
        late=late,
    )
    return call.entrance.sessions.keep(call.session, found)


def keep_rows(call: Call, rows: Sequence[Row], fields: tuple[str, ...], life: float) -> str:
    """Give any other set an accessor."""
    found = ResultSet(
        list(rows),
        fields,
        lambda position: encode_row(rows[position], fields),
        life,
        call.entrance.sessions.now(),
    )
    return call.entrance.sessions.keep(call.session, found)


def encode_row(row: Row, fields: tuple[str, ...]) -> bytes:
    members: dict[str, wire.Member] = {}
    for name in fields:
        value = row.get(name)
        if value is not None and not isinstance(value, tuple):
            members[name] = value
    return wire.encode_member(wire.Params(members))


def range_of(call: Call, iterator_name: str) -> list[bytes]:
    """The elements nStart (inclusive) to nEnd (exclusive) of an iterator's set."""
    found = call.entrance.sessions.set_of(call.session, call.arguments.text(iterator_name))
    start, end = call.arguments.integer("nStart", 0), call.arguments.integer("nEnd")
    if start < 0 or end < start:
        raise bad_argument("nStart and nEnd are no range", "nStart")
    return [found.encode(position) for position in range(start, min(end, len(found.rows)))]


@method("ChunkAccessor.GetItemsCount", "strAccessor")
def get_items_count(call: Call) -> Answer:
    return Answer(len(_found(call).rows))


@method("ChunkAccessor.Release", "strAccessor")
def release(call: Call) -> Answer:
    _found(call)
    del call.session.sets[call.arguments.text("strAccessor")]
    return Answer()


@method("ChunkAccessor.GetItemsChunk", "strAccessor nStart nCount")
def get_items_chunk(call: Call) -> Answer:
    found = _found(call)
    start = call.arguments.integer("nStart", 0)  # a known client leaves out what is 0
    count = call.arguments.integer("nCount")
    if start < 0:
        raise bad_argument("nStart must not be negative", "nStart")
    if count < 1:
        raise bad_argument("nCount must be positive", "nCount")
    if found.is_of_hosts:
        found.chunks_read += 1
        items = _chunk_of_hosts(call, found, start, count)
        _change_set(call, found)
    else:
        items = [found.encode(i) for i in range(start, min(start + count, len(found.rows)))]
    return Answer(
        len(items),
        {"pChunk": wire.Params({"KLCSP_ITERATOR_ARRAY": wire.EncodedArray(items)})},
    )


def _found(call: Call) -> ResultSet:
    return call.entrance.sessions.set_of(call.session, call.arguments.text("strAccessor"))


def _chunk_of_hosts(call: Call, found: ResultSet, start: int, count: int) -> list[bytes]:
    """A chunk of devices, with whatever is to be wrong about it."""

    def fault(kind: FaultKind) -> faults.Fault | None:
        return call.estate.faults.find(call.server.code, kind, call.estate.clock.now(), call.method)

    def use(kind: FaultKind) -> None:
        call.estate.faults.take(call.server.code, kind, call.estate.clock.now(), call.method)

    expired = fault(FaultKind.ACCESSOR_EXPIRED)
    if expired and found.chunks_read > expired.number:
        use(FaultKind.ACCESSOR_EXPIRED)
        accessor = call.arguments.text("strAccessor")
        del call.session.sets[accessor]
        raise not_found("accessor", accessor)
    refused = fault(FaultKind.PXG_ERROR)
    if refused and found.chunks_read == refused.number:
        use(FaultKind.PXG_ERROR)
        raise BusinessError(Symbol.UNAVAIL, "The service is temporarily unavailable")
    if fault(FaultKind.EMPTY_CHUNKS):
        use(FaultKind.EMPTY_CHUNKS)
        return []

    total = len(found.rows)
    positions = list(range(start, min(start + count, total)))
    if fault(FaultKind.COUNT_MISMATCH) and total - 1 in positions:
        use(FaultKind.COUNT_MISMATCH)
        positions.remove(total - 1)
    if fault(FaultKind.DUPLICATE_HOST) and start > 0 and positions:
        use(FaultKind.DUPLICATE_HOST)
        positions[0] = start - 1
    if fault(FaultKind.OVERSIZED_CHUNK) and positions:
        use(FaultKind.OVERSIZED_CHUNK)
        positions += [min(positions[-1] + 1, total - 1)] * (count + 1 - len(positions))

    altered = [kind for kind in _ALTERATIONS if fault(kind)]
    if not altered:
        return [found.encode(position) for position in positions]
    values = {kind: fault(kind) for kind in altered}
    items = []
    for order, position in enumerate(positions):
        members = _members(found.rows[position], found.fields)
        for kind, on in values.items():
            if on is not None:
                _alter(members, kind, on.value, is_first=order == 0)
        items.append(_encode_raw(members))
    for kind in altered:
        use(kind)
    return items


def _change_set(call: Call, found: ResultSet) -> None:
    """Let a device come or go in front of all others after so many chunks: every place moves."""
    at = call.estate.clock.now()
    for kind in (FaultKind.HOST_ADDED, FaultKind.HOST_REMOVED):
        fault = call.estate.faults.find(call.server.code, kind, at, call.method)
        if fault is None or found.chunks_read != fault.number:
            continue
        if kind is FaultKind.HOST_REMOVED and found.rows:
            del found.rows[0]
        elif kind is FaultKind.HOST_ADDED and found.late is not None:
            found.rows.insert(0, found.late)
            found.late = None
        else:
            continue
        call.estate.faults.take(call.server.code, kind, at, call.method)


_ALTERATIONS = (
    FaultKind.FIELD_MISSING,
    FaultKind.FIELD_NEW,
    FaultKind.FIELD_RETYPED,
    FaultKind.LONE_SURROGATE,
    FaultKind.NUL_IN_NAME,
)


def _members(host: Host, fields: tuple[str, ...]) -> dict[str, bytes]:
    members: dict[str, bytes] = {}
    for name in fields:
        attribute = hosts.ATTRIBUTES.get(name)
        value = attribute(host) if attribute else None
        if value is not None:
            members[name] = wire.encode_member(value)
    return members


def _alter(members: dict[str, bytes], kind: FaultKind, value: str, *, is_first: bool) -> None:
    """Do one wrong to the members of one device. A wrong name befalls the first of a chunk only."""
    name = "KLHST_WKS_DN"
    if kind is FaultKind.FIELD_MISSING:
        members.pop(value, None)
    elif kind is FaultKind.FIELD_NEW:
        members[value] = wire.encode_text("new")
    elif kind is FaultKind.FIELD_RETYPED and value in members:
        is_text = members[value].startswith(b'"')
        members[value] = b"%d" % zlib.crc32(value.encode()) if is_text else b'"changed"'
    elif kind is FaultKind.LONE_SURROGATE and is_first and name in members:
        members[name] = wire.encode_text("PC-\ud83d-01")
    elif kind is FaultKind.NUL_IN_NAME and is_first and name in members:
        members[name] = wire.encode_text("PC-\x00-01")


def _encode_raw(members: dict[str, Any]) -> bytes:
    inner = b",".join(wire.encode_text(name) + b":" + raw for name, raw in members.items())
    return b'{"type":"params","value":{' + inner + b"}}"
