"""Result sets: taken whole from one accessor, iterator or search, or not at all.

Pages of two of them are never put together. What the protocol calls by many names is one of two
things: a set that is read by position (``Reading``), or one that only goes forward.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from ksc_ledger.landing.archive import Archive
from ksc_ledger.sources import wire
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.sources.faults import CallFault, Trouble
from ksc_ledger.sources.session import Gateway, KscSession, SetDisagrees
from ksc_ledger.sources.transport import NEXT_ITEMS
from ksc_ledger.sources.wire import NotTheWire

log = logging.getLogger(__name__)

CHUNK_SIZE = 1000
CHUNK_SIZE_FLOOR = 25
ITEMS_AT_A_TIME = 200


class RowSink(Protocol):
    """Takes the rows of one set as they come."""

    def begin(self, expected: int) -> None:
        """A set of so many rows begins; whatever was written before belongs to a lost one."""

    def write(self, rows: Sequence[msgspec.Raw]) -> None:
        """Rows in the set's order, each one line of JSON. Their memory is the caller's."""


@dataclass(frozen=True, slots=True)
class SetRead:
    """A set read whole. ``content_sha256`` is the same for the same rows in any order.

    ``drift``: see ``drift.Drift.found``; empty where nobody said what the rows should look like.
    """

    expected: int
    read: int
    content_sha256: str
    drift: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """The methods by which one kind of set is read, and how its id is called there.

    ``is_range``: asked by nStart and nEnd. Whether nEnd itself is in the range is not documented;
    a page may therefore hold one row more than was meant, and the next begins after it.
    """

    count: str
    page: str
    release: str
    id_name: str
    envelope: wire.Envelope
    is_range: bool

    def arguments(self, set_id: str, start: int, count: int) -> dict[str, Any]:
        if self.is_range:
            return {self.id_name: set_id, "nStart": start, "nEnd": start + count}
        return {self.id_name: set_id, "nStart": start, "nCount": count}


ACCESSOR = Reading(
    "ChunkAccessor.GetItemsCount",
    "ChunkAccessor.GetItemsChunk",
    "ChunkAccessor.Release",
    "strAccessor",
    wire.CHUNK,
    is_range=False,
)
EVENTS = Reading(
    "EventProcessing.GetRecordCount",
    "EventProcessing.GetRecordRange",
    "EventProcessing.ReleaseIterator",
    "strIteratorId",
    wire.EVENTS,
    is_range=True,
)
VIEW = Reading(
    "SrvView.GetRecordCount",
    "SrvView.GetRecordRange",
    "SrvView.ReleaseIterator",
    "wstrIteratorId",
    wire.RECORDS,
    is_range=True,
)


class Rule(StrEnum):
    """What makes the rows of a set add up."""

    UNIQUE = "unique"  # each id once, as many as were counted, before and after
    LOG = "log"  # may grow at its end while it is read; an id met twice is one row
    ANY = "any"  # an id may stand twice: the same device on two servers


class SetReader(KscSession):
    """A session that reads sets."""

    def __init__(
        self,
        endpoint: Endpoint,
        budget: Budget,
        archive: Archive | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        chunk_size: int = CHUNK_SIZE,
        sleep: Callable[[float], None] = time.sleep,
        gateway: Gateway | None = None,
    ) -> None:
        super().__init__(endpoint, budget, archive, now, sleep=sleep, gateway=gateway)
        self._chunk_size = max(CHUNK_SIZE_FLOOR, chunk_size)

    def _whole_set(
        self,
        opening: Callable[[], str],
        reading: Reading,
        shape: wire.RowShape,
        sink: RowSink,
        rule: Rule = Rule.UNIQUE,
    ) -> SetRead:
        """``opening`` makes the server find the set and gives its id."""

        def read() -> SetRead:
            set_id = opening()
            try:
                found = self._all_rows(set_id, reading, shape, sink, rule)
            except SetDisagrees:
                self._say_goodbye(reading.release, {reading.id_name: set_id}, self._session)
                raise
            self._say_goodbye(reading.release, {reading.id_name: set_id}, self._session)
            return found

        return self._whole(read)

    def _all_rows(
        self, set_id: str, reading: Reading, shape: wire.RowShape, sink: RowSink, rule: Rule
    ) -> SetRead:
        expected = self._count(set_id, reading)
        sink.begin(expected)
        shape.begin()
        digests: dict[str | int, bytes] = {}
        position = 0
        while position < expected:
            chunk = self._chunk(set_id, reading, position, shape)
            rows = chunk.rows
            if not rows:
                if not position:
                    self._refuse(
                        reading.page,
                        NotTheWire(f"báo có {expected} bản ghi nhưng không trả về bản ghi nào"),
                    )
                raise SetDisagrees(f"báo có {expected} bản ghi nhưng chỉ trả về {position}")
            ids = range(position, position + len(rows)) if rule is Rule.ANY else chunk.ids
            position += len(rows)
            if rule is Rule.LOG:
                rows = _unmet(ids, rows, digests)
            before = len(digests)
            for one, row in zip(ids, chunk.rows, strict=True):
                digests[one] = hashlib.sha256(row).digest()
            if rule is not Rule.LOG and len(digests) != before + len(rows):
                raise SetDisagrees(f"một bản ghi ({shape.id_name}) xuất hiện hai lần")
            sink.write(rows)
        afterwards = self._count(set_id, reading)
        if rule is Rule.LOG:
            # Growth is at the end and for the next time; what left at the front moved the rest.
            if len(digests) < expected or afterwards < expected:
                raise SetDisagrees(
                    f"báo có {expected} bản ghi nhưng trả về {len(digests)}, sau đó còn {afterwards}"
                )
        elif position != expected:
            raise SetDisagrees(f"báo có {expected} bản ghi nhưng trả về {position}")
        elif afterwards != expected:
            raise SetDisagrees(f"số bản ghi đổi từ {expected} thành {afterwards} khi đang đọc")
        content = hashlib.sha256()
        for one in sorted(digests, key=str):
            content.update(digests[one])
        drift = {} if shape.drift is None else shape.drift.found()
        return SetRead(expected, len(digests), content.hexdigest(), drift)

    def _count(self, set_id: str, reading: Reading) -> int:
        answer = self._call_again(reading.count, {reading.id_name: set_id})
        count = answer.value.get("PxgRetVal")
        if type(count) is not int or count < 0:
            self._refuse(reading.count, NotTheWire("số bản ghi không hợp lệ"))
        return count

    def _chunk(self, set_id: str, reading: Reading, start: int, shape: wire.RowShape) -> wire.Chunk:
        """One chunk from ``start``; asks for fewer rows when the server cannot answer in time."""
        method = reading.page
        while True:
            asked = self._chunk_size
            try:
                answer = self._post(method, reading.arguments(set_id, start, asked))
                break
            except CallFault as fault:
                is_slow = fault.trouble is Trouble.TIMEOUT and fault.was_sent
                if not is_slow or asked <= CHUNK_SIZE_FLOOR:
                    raise
                self._chunk_size = max(CHUNK_SIZE_FLOOR, asked // 2)
                log.warning("%s Giảm còn %d bản ghi mỗi lượt.", fault.text, self._chunk_size)
        chunk = shape.split(answer.body)
        if chunk is None:
            try:
                chunk = shape.split_unusual(self._still_there(method, answer))
            except NotTheWire as error:
                self._refuse(method, error)
        if len(chunk.rows) > asked + reading.is_range:
            self._refuse(method, NotTheWire(f"hỏi {asked} bản ghi nhưng trả về {len(chunk.rows)}"))
        if chunk.returned != len(chunk.rows):
            raise SetDisagrees(f"báo trả về {chunk.returned} bản ghi nhưng gửi {len(chunk.rows)}")
        return chunk

    def _all_items(
        self, method: str, arguments: Mapping[str, Any], shape: wire.RowShape
    ) -> wire.Chunk:
        """Everything of a GroupSyncIterator that ``method`` opens, in memory.

        It only goes forward: what was handed out and lost on the way is lost with the iterator.
        """

        def read() -> wire.Chunk:
            answer = self._open(method, arguments)
            iterator = self._text(method, answer, "wstrIterator")
            announced = answer.value.get("lKeyCount")
            if announced is not None and (type(announced) is not int or announced < 0):
                self._refuse(method, NotTheWire("lKeyCount không hợp lệ"))
            try:
                found = self._drained(iterator, announced, shape)
            except SetDisagrees:
                self._release(iterator)
                raise
            self._release(iterator)
            return found

        return self._whole(read)

    def _drained(self, iterator: str, announced: int | None, shape: wire.RowShape) -> wire.Chunk:
        rows: list[msgspec.Raw] = []
        ids: list[str | int] = []
        while True:
            chunk = self._next_items(iterator, shape)
            rows += chunk.rows
            ids += chunk.ids
            if announced is not None and len(rows) > announced:
                break
            # The documentation of bEOF says the reverse of its name: nobody asks it. A short page
            # is the end, unless the server itself said that there is more.
            is_short = len(chunk.rows) < ITEMS_AT_A_TIME
            if not chunk.rows or (is_short and (announced is None or len(rows) == announced)):
                break
        if announced is not None and len(rows) != announced:
            raise SetDisagrees(f"báo có {announced} bản ghi nhưng trả về {len(rows)}")
        return wire.Chunk(len(rows), rows, ids)

    def _next_items(self, iterator: str, shape: wire.RowShape) -> wire.Chunk:
        arguments = {"szwIterator": iterator, "nCount": ITEMS_AT_A_TIME}
        try:
            answer = self._post(NEXT_ITEMS, arguments)
        except CallFault as fault:
            is_broken = (fault.http_status or 0) >= 500 and fault.http_status != 503
            if is_broken or fault.trouble in (Trouble.DROPPED, Trouble.CUT):
                raise SetDisagrees("một đoạn của tập kết quả bị mất trên đường", fault) from fault
            raise
        chunk = shape.split(answer.body)
        if chunk is None:
            try:
                chunk = shape.split_unusual(self._still_there(NEXT_ITEMS, answer))
            except NotTheWire as error:
                self._refuse(NEXT_ITEMS, error)
        if len(chunk.rows) > ITEMS_AT_A_TIME:
            self._refuse(
                NEXT_ITEMS,
                NotTheWire(f"hỏi {ITEMS_AT_A_TIME} bản ghi nhưng trả về {len(chunk.rows)}"),
            )
        if chunk.returned != len(chunk.rows):
            raise SetDisagrees(f"báo trả về {chunk.returned} bản ghi nhưng gửi {len(chunk.rows)}")
        return chunk

    def _release(self, iterator: str) -> None:
        self._say_goodbye(
            "GroupSyncIterator.ReleaseIterator", {"szwIterator": iterator}, self._session
        )


def _unmet(
    ids: Sequence[str | int], rows: Sequence[msgspec.Raw], met: Mapping[str | int, bytes]
) -> list[msgspec.Raw]:
    """The rows whose id was not met before, each once."""
    fresh: dict[str | int, msgspec.Raw] = {}
    for one, row in zip(ids, rows, strict=True):
        if one not in met:
            fresh.setdefault(one, row)
    return list(fresh.values())


class RowsInMemory:
    """A sink for small sets."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    def begin(self, expected: int) -> None:
        self.taken = []

    def write(self, rows: Sequence[msgspec.Raw]) -> None:
        self.taken.extend(bytes(row) for row in rows)
