"""One round of collection in which every server has a fault of its own.

``@injected(Fault("server_down"))`` gives a test a district whose server is well at 08:00 and ill at
09:00. All such districts are collected, gated, built and published together, once for a module,
beside districts where nothing is wrong: so that each test also says that one fault does not touch
another server.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, TypeVar

from contract.provinces import PROVINCE, Row, district, machines, servers, write_province
from estates import server
from integration.the_road import Road, road
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.sources.endpoint import Budget, Endpoint

BEFORE = datetime.fromisoformat("2022-10-12T08:00:00+07:00")
AFTER = datetime.fromisoformat("2022-10-12T09:00:00+07:00")
DAY = date(2022, 10, 12)
WELL = 3  # districts where nothing is wrong, after all the others

PATIENT = Budget(read_seconds=20, call_seconds=40, server_seconds=600)
COLUMNS = (
    "allocated_count",
    "installed_count",
    "correctly_named_count",
    "protected_count",
    "agent_only_count",
    "stale_count",
    "duplicate_count",
    "old_bases_count",
    "gap_count",
    "over_count",
)

_FIGURES = "from marts.fct_unit_coverage_daily where snapshot_date = ?"

EndpointOf = Callable[[Road, str], Endpoint]
MachinesOf = Callable[[int], list[Row]]
_Test = TypeVar("_Test", bound=Callable[..., None])


def ordinary(way: Road, code: str) -> Endpoint:
    return way.endpoint(code)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong with one server at 09:00; nothing at 08:00.

    ``kind`` is one of docs/simulator.md, None when the fault lies elsewhere: in how the server is
    dialled (``endpoint``), in what it knows (``machines``), or in what it is (``servers``).
    """

    kind: str | None = None
    value: str | float | None = None
    count: int | None = None
    method: str | None = None
    budget: Budget = PATIENT
    endpoint: EndpointOf = ordinary
    machines: MachinesOf = machines
    servers: Callable[[str], list[Row]] = lambda code: [server(code, PROVINCE)]


def fault(kind: str, value: str | float | None = None, **more: Any) -> Fault:
    return Fault(kind=kind, value=value, **more)


INJECTIONS: dict[str, list[Fault]] = {}
"""The faults of each test, by the test's name, in the order of the module."""


def injected(*faults: Fault) -> Callable[[_Test], _Test]:
    """Give a test as many districts as there are faults, in this order."""

    def take(test: _Test) -> _Test:
        INJECTIONS[test.__name__] = list(faults)
        return test

    return take


@dataclass(frozen=True, kw_only=True)
class Victim:
    """A district after the round. ``before`` and ``after`` are its published figures."""

    code: str
    number: int
    fault: Fault
    way: Road
    earlier: Load
    load: Load
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    seconds: float
    waits: tuple[float, ...]
    requests: tuple[Mapping[str, Any], ...]

    @property
    def methods(self) -> list[str]:
        return [request["method"] for request in self.requests]

    @property
    def logins(self) -> int:
        """How often credentials reached the server in the round."""
        return sum(request["had_authorization"] for request in self.requests)

    def is_refused(self, code: str, status: LoadStatus = LoadStatus.FAILED) -> None:
        """It is named, recorded and not counted; the figures of 08:00 stay, with their age."""
        assert (self.load.status, self.load.fault_code) == (status, code), self.load.fault_text
        assert self.code in str(self.load.fault_text)
        assert self._record()["is_applied"] is False
        assert self._record()["fault_text"] == self.load.fault_text
        assert {name: self.after[name] for name in COLUMNS} == {
            name: self.before[name] for name in COLUMNS
        }
        assert self.after["oldest_observed_at"] == BEFORE
        assert self.after["installed_count"] > 0

    def is_landed(self) -> None:
        """Its rows of 09:00 are what counts now."""
        assert self.load.status is LoadStatus.COMPLETE, self.load.fault_text
        assert self.load.rows_read_count == self.load.rows_expected_count
        assert self._record()["is_applied"] is True
        assert self.after["oldest_observed_at"] == AFTER

    def is_landed_whole(self) -> None:
        """Landed, and nothing is different from 08:00 but the instant."""
        self.is_landed()
        assert {name: self.after[name] for name in COLUMNS} == {
            name: self.before[name] for name in COLUMNS
        }

    def verdicts(self) -> dict[str, Mapping[str, Any]]:
        """What the gate said of the load of 09:00, by the rule's code."""
        rows = self.way.query(
            "select * from marts.fct_data_quality where load_id = ?", [self.load.load_id]
        )
        return {row["expectation"]: row for row in rows}

    def endpoints(self) -> dict[str, Mapping[str, Any]]:
        """The machines of this server as they stand, by the name in the console."""
        rows = self.way.named("select * from marts.dim_endpoint where server_code = ?", [self.code])
        return {row["display_name"]: row for row in rows}

    def _record(self) -> Mapping[str, Any]:
        (row,) = self.way.query(
            "select * from marts.fct_source_load where load_id = ?", [self.load.load_id]
        )
        return row


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """What is left of the round: victims by test, the districts where nothing was wrong, the log."""

    way: Road
    victims: Mapping[str, list[Victim]]
    well: tuple[Victim, ...]
    log: str


@dataclass
class _Attempt:
    load: Load
    seconds: float
    waits: list[float] = field(default_factory=list)


@contextmanager
def the_round(
    folder: Path, injections: Mapping[str, list[Fault]], *contexts: Any
) -> Iterator[Aftermath]:
    """Write the scenario, collect at 08:00 and 09:00, and give what came of it.

    ``contexts`` are entered before anything is asked and left at the end.
    """
    faults = [one for own in injections.values() for one in own] + [Fault()] * WELL
    numbered = dict(enumerate(faults, start=1))
    scenario = write_province(
        folder / "mau",
        [row for number, one in numbered.items() for row in one.machines(number)] + machines(0),
        districts=len(faults),
        collected_at=[BEFORE.isoformat(), AFTER.isoformat()],
        server_rows=[
            *servers(0),
            *(row for number, one in numbered.items() for row in one.servers(district(number))),
        ],
    )
    with ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        way = stack.enter_context(road([scenario], folder / "home"))
        way.chunk_size = 25  # the smallest, so that a district is more than one chunk
        way.budget = PATIENT
        way.kinds = ()  # what is asked beside the devices has tests of its own
        log = stack.enter_context(_listening())
        earlier = way.collect(BEFORE)
        way.build(BEFORE)
        before = {row["unit_code"]: row for row in way.built(_FIGURES, [DAY])}
        way.simulator.set_clock(AFTER)
        for number, one in numbered.items():
            if one.kind is not None:
                way.simulator.fault(district(number), one.kind, one.value, one.count, one.method)
        seen = {code: len(requests) for code, requests in way.simulator.log().items()}
        attempts = {PROVINCE: _ask(way, PROVINCE, Fault())} | {
            district(number): _ask(way, district(number), one) for number, one in numbered.items()
        }
        gated = way.gate([attempt.load for attempt in attempts.values()], AFTER)
        way.publish(AFTER)
        after = {row["unit_code"]: row for row in way.query(_FIGURES, [DAY])}
        victims = [
            Victim(
                code=district(number),
                number=number,
                fault=one,
                way=way,
                earlier=earlier[district(number)],
                load=gated.get(district(number), attempts[district(number)].load),
                before=before[district(number)],
                after=after[district(number)],
                seconds=attempts[district(number)].seconds,
                waits=tuple(attempts[district(number)].waits),
                requests=tuple(
                    way.simulator.log().get(district(number), [])[seen.get(district(number), 0) :]
                ),
            )
            for number, one in numbered.items()
        ]
        yield Aftermath(
            way=way,
            victims=_by_test(injections, victims),
            well=tuple(victims[-WELL:]),
            log="\n".join(log),
        )


def _by_test(
    injections: Mapping[str, list[Fault]], victims: list[Victim]
) -> dict[str, list[Victim]]:
    given: dict[str, list[Victim]] = {}
    place = 0
    for test, own in injections.items():
        given[test] = victims[place : place + len(own)]
        place += len(own)
    return given


def _ask(way: Road, code: str, one: Fault) -> _Attempt:
    waits: list[float] = []
    endpoint = one.endpoint(way, code)
    begun = time.monotonic()
    load = way.collect_one(AFTER, code, endpoint=endpoint, budget=one.budget, sleep=waits.append)
    return _Attempt(load, time.monotonic() - begun, waits)


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Everything that the product logs meanwhile."""
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    product = logging.getLogger("ksc_ledger")
    listener, level = Listener(logging.DEBUG), product.level
    product.addHandler(listener)
    product.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        product.removeHandler(listener)
        product.setLevel(level)


def impatient(**seconds: float) -> Budget:
    """A budget in which a test can wait for its end."""
    return replace(PATIENT, **seconds)
