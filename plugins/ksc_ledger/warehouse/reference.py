"""The registry as dated tables, so that plain SQL can judge facts by it.

A registry row says from which day to which day it holds. Between two days on which any row begins
or ends nothing changes, so each table is computed once for every such period and equal neighbours
are joined. ``from_date`` is inclusive and ``until_date`` exclusive (9999-12-31: open).
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

import pyarrow as pa

from ksc_ledger.clock import start_of_day
from ksc_ledger.registry.model import Dated, Record, Registry, Unit
from ksc_ledger.rules.computer_names import Rule
from ksc_ledger.rules.organisation import mapped_unit

R = TypeVar("R", bound=Record)

FAR_DATE = date(9999, 12, 31)
FAR_AT = datetime(9999, 12, 31, tzinfo=UTC)
ONE_DAY = timedelta(days=1)

Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class NameContext:
    """All that the naming rule needs to know of a unit at one time."""

    unit_code: str
    unit_prefix: str | None
    all_prefixes: Mapping[str, frozenset[str]]
    rule: Rule

    @property
    def key(self) -> str:
        """Changes whenever a verdict in this context might."""
        prefixes = {prefix: sorted(units) for prefix, units in self.all_prefixes.items()}
        text = json.dumps(
            [self.unit_code, self.unit_prefix, self.rule.rule_code, self.rule.version, prefixes],
            sort_keys=True,
        )
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Reference:
    """The tables by name, and the naming contexts by their key."""

    tables: Mapping[str, pa.Table]
    contexts: Mapping[str, NameContext]


def reference(registry: Registry, group_paths: Iterable[tuple[str, str | None]]) -> Reference:
    """Every ref_ table of the registry.

    ``group_paths`` are the pairs (server_code, group_path) that occur in the history; they are
    resolved to units.
    """
    paths: dict[str, list[str | None]] = defaultdict(list)
    for server_code, group_path in group_paths:
        paths[server_code].append(group_path)
    contexts: dict[str, NameContext] = {}
    rows: dict[str, list[Row]] = {name: [] for name in _SCHEMAS}
    for estate in registry.estates:
        one = _Estate(registry, estate.estate_code, paths)
        for name, made in one.tables().items():
            rows[name].extend(made)
        contexts.update(one.contexts)
    tables = {name: _table(_SCHEMAS[name], made) for name, made in rows.items()}
    return Reference(tables, contexts)


_TEXT, _DAY, _INT = pa.string(), pa.date32(), pa.int64()
_AT, _BOOL = pa.timestamp("us", "UTC"), pa.bool_()
_PERIOD = {"from_date": _DAY, "until_date": _DAY}
_INSTANTS = {"from_at": _AT, "until_at": _AT}
_VALID = {"valid_from_date": _DAY, "valid_to_date": _DAY, "source_document": _TEXT}

_SCHEMAS: Mapping[str, Mapping[str, pa.DataType]] = {
    "ref_unit": {
        "estate_code": _TEXT,
        "unit_code": _TEXT,
        "unit_name": _TEXT,
        "unit_kind": _TEXT,
        "official_code": _TEXT,
        "name_prefix": _TEXT,
        "parent_unit_code": _TEXT,
        "list_order": _INT,
        **_VALID,
    },
    "ref_server": {
        "estate_code": _TEXT,
        "server_code": _TEXT,
        "server_name": _TEXT,
        "server_role": _TEXT,
        "unit_code": _TEXT,
        "list_order": _INT,
        **_VALID,
    },
    "ref_allocation": {
        "estate_code": _TEXT,
        "entry_id": _TEXT,
        "entry_kind": _TEXT,
        "from_unit_code": _TEXT,
        "to_unit_code": _TEXT,
        "seat_count": _INT,
        **_VALID,
    },
    "ref_seat_request": {
        "estate_code": _TEXT,
        "request_id": _TEXT,
        "unit_code": _TEXT,
        "seat_count": _INT,
        "requested_date": _DAY,
        "status": _TEXT,
        "source_document": _TEXT,
    },
    "ref_training": {
        "estate_code": _TEXT,
        "obligation_code": _TEXT,
        "unit_code": _TEXT,
        "training_date": _DAY,
        "is_present": _BOOL,
        "source_document": _TEXT,
    },
    "ref_difficulty": {
        "estate_code": _TEXT,
        "difficulty_id": _TEXT,
        "unit_code": _TEXT,
        "raised_date": _DAY,
        "difficulty_text": _TEXT,
        "owner_post": _TEXT,
        "answer_text": _TEXT,
        "answered_date": _DAY,
        "source_document": _TEXT,
    },
    "ref_responsible_post": {
        "estate_code": _TEXT,
        "unit_code": _TEXT,
        "matter": _TEXT,
        "post_title": _TEXT,
        **_VALID,
    },
    "ref_hardware_return": {
        "estate_code": _TEXT,
        "unit_code": _TEXT,
        "machine_count": _INT,
        "endpoint_id": _TEXT,
        **_VALID,
    },
    "ref_hardware_limit": {
        "estate_code": _TEXT,
        "memory_mb": _INT,
        "disk_gb": _INT,
        **_VALID,
    },
    "ref_antivirus_exception": {"estate_code": _TEXT, "product_text": _TEXT, **_VALID},
    # ``place``: the row's place in its file; of the parts of a split the first is the main one.
    "ref_succession": {
        "estate_code": _TEXT,
        "succession_kind": _TEXT,
        "from_unit_code": _TEXT,
        "to_unit_code": _TEXT,
        "effective_date": _DAY,
        "seat_count": _INT,
        "source_document": _TEXT,
        "place": _INT,
    },
    # Every unit at or above a unit, itself included.
    "ref_unit_link": {"unit_code": _TEXT, "ancestor_code": _TEXT, **_PERIOD},
    # Seats granted to a unit and not handed down.
    "ref_seat": {"unit_code": _TEXT, "seat_count": _INT, **_PERIOD},
    # The nearest unit with seats of its own at or above a unit.
    "ref_holder": {"unit_code": _TEXT, "holder_code": _TEXT, **_PERIOD},
    # Servers through which the machines of a unit and of all below it are seen.
    "ref_server_unit": {
        "estate_code": _TEXT,
        "unit_code": _TEXT,
        "server_code": _TEXT,
        **_PERIOD,
    },
    # The unit of each console group that occurs, while the server is active.
    "ref_group_unit": {
        "estate_code": _TEXT,
        "server_code": _TEXT,
        "group_path": _TEXT,
        "unit_code": _TEXT,
        "is_mapped": _BOOL,
        **_INSTANTS,
    },
    "ref_name_context": {
        "unit_code": _TEXT,
        "context_key": _TEXT,
        "rule_code": _TEXT,
        **_INSTANTS,
    },
}


class _Estate:
    """One estate of the registry, asked once for every period in which nothing changes."""

    def __init__(
        self, registry: Registry, estate_code: str, paths: Mapping[str, list[str | None]]
    ) -> None:
        self.code = estate_code
        self.registry = registry
        self.paths = paths
        self.contexts: dict[str, NameContext] = {}
        self.units = self._mine(registry.units)
        self.servers = self._mine(registry.servers)
        self.groups = self._mine(registry.server_groups)
        self.allocations = self._mine(registry.allocations)
        self.requests = self._mine(registry.seat_requests)
        self.rules = self._mine(registry.naming_rules)
        self.hardware_returns = self._mine(registry.hardware_returns)
        self.limits = self._mine(registry.hardware_limits)
        self.exceptions = self._mine(registry.antivirus_exceptions)
        self._resolved: dict[object, list[tuple[str | None, str, bool]]] = {}

    def tables(self) -> dict[str, list[Row]]:
        organisation = [*self.units, *self.servers, *self.groups]
        return {
            "ref_unit": [_fields("ref_unit", unit) for unit in self.units],
            "ref_server": [_fields("ref_server", server) for server in self.servers],
            "ref_allocation": [_fields("ref_allocation", entry) for entry in self.allocations],
            "ref_seat_request": [_fields("ref_seat_request", one) for one in self.requests],
            "ref_training": [
                _fields("ref_training", one) for one in self._mine(self.registry.training_lines)
            ],
            "ref_difficulty": [
                _fields("ref_difficulty", one) for one in self._mine(self.registry.difficulties)
            ],
            "ref_responsible_post": [
                _fields("ref_responsible_post", one)
                for one in self._mine(self.registry.responsible_posts)
            ],
            "ref_hardware_return": [
                _fields("ref_hardware_return", one) for one in self.hardware_returns
            ],
            "ref_hardware_limit": [_fields("ref_hardware_limit", one) for one in self.limits],
            "ref_antivirus_exception": [
                _fields("ref_antivirus_exception", one) for one in self.exceptions
            ],
            "ref_succession": [
                (
                    row.estate_code,
                    row.succession_kind.value,
                    row.from_unit_code,
                    row.to_unit_code,
                    row.effective_date,
                    row.seat_count,
                    row.source_document,
                    place,
                )
                for place, row in enumerate(self._mine(self.registry.successions), 1)
            ],
            "ref_unit_link": _days(_dated(self.units, self._links)),
            "ref_seat": _days(_dated(self.allocations, self._seats)),
            "ref_holder": _days(_dated([*self.units, *self.allocations], self._holders)),
            "ref_server_unit": _days(_dated(organisation, self._served)),
            "ref_group_unit": _instants(_dated(organisation, self._group_units)),
            "ref_name_context": _instants(_dated([*self.units, *self.rules], self._name_contexts)),
        }

    def _mine(self, rows: Iterable[R]) -> list[R]:
        return [row for row in rows if row.estate_code == self.code]

    def _tree(self, day: date) -> dict[str, Unit]:
        return {unit.unit_code: unit for unit in self.units if unit.is_in_force(day)}

    def _links(self, day: date) -> set[Row]:
        tree = self._tree(day)
        return {(code, above) for code in tree for above in _at_or_above(code, tree)}

    def _seats(self, day: date) -> set[Row]:
        return {(code, seats) for code, seats in self._own_seats(day).items() if seats}

    def _own_seats(self, day: date) -> dict[str, int]:
        seats: dict[str, int] = defaultdict(int)
        for entry in self.allocations:
            if entry.is_in_force(day):
                if entry.to_unit_code:
                    seats[entry.to_unit_code] += entry.seat_count
                if entry.from_unit_code:
                    seats[entry.from_unit_code] -= entry.seat_count
        return seats

    def _holders(self, day: date) -> set[Row]:
        tree = self._tree(day)
        seats = self._own_seats(day)
        found: set[Row] = set()
        for code in tree:
            for above in _at_or_above(code, tree):
                if seats.get(above, 0) > 0:
                    found.add((code, above))
                    break
        return found

    def _server_units(self, day: date, tree: Mapping[str, Unit]) -> dict[str, str]:
        """The unit of each active server. A unit that is no more hands its server to its root."""
        roots = sorted(
            (unit for unit in tree.values() if unit.parent_unit_code not in tree),
            key=lambda unit: (unit.list_order, unit.unit_code),
        )
        found: dict[str, str] = {}
        for server in self.servers:
            if server.is_in_force(day) and roots:
                is_there = server.unit_code in tree
                found[server.server_code] = server.unit_code if is_there else roots[0].unit_code
        return found

    def _mappings(self, server_code: str, day: date, tree: Mapping[str, Unit]) -> dict[str, str]:
        groups = self.registry.groups_on(server_code, day)
        return {path: unit for path, unit in groups.items() if unit in tree}

    def _served(self, day: date) -> set[Row]:
        """Servers seen to from a unit: its own, those of its subtree, those whose groups lie there.

        A unit with none of these is seen through the server of the nearest unit above, unless it
        (or one below it) has a server of its own at another time: then it is not seen at all.
        """
        tree = self._tree(day)
        of_server = self._server_units(day, tree)
        found: dict[str, set[str]] = defaultdict(set)
        for server_code, unit_code in of_server.items():
            mapped = self._mappings(server_code, day, tree).values()
            for code in {unit_code, *mapped}:
                for above in _at_or_above(code, tree):
                    found[above].add(server_code)
        ever: set[str] = set()
        for server in self.servers:
            ever.update(_at_or_above(server.unit_code, tree))
        for code in tree:
            if code in found:
                continue
            for above in _at_or_above(code, tree):
                own = {server for server, unit in of_server.items() if unit == above}
                if own:
                    found[code] = own
                    break
                if above in ever:
                    break
        return {(self.code, code, server) for code, servers in found.items() for server in servers}

    def _group_units(self, day: date) -> set[Row]:
        tree = self._tree(day)
        found: set[Row] = set()
        for server_code, unit_code in self._server_units(day, tree).items():
            mappings = self._mappings(server_code, day, tree)
            key = (server_code, unit_code, tuple(sorted(mappings.items())))
            if key not in self._resolved:
                self._resolved[key] = [
                    (path, mapped or unit_code, mapped is not None)
                    for path in self.paths.get(server_code, ())
                    for mapped in [mapped_unit(path, mappings)]
                ]
            found.update((self.code, server_code, *row) for row in self._resolved[key])
        return found

    def _name_contexts(self, day: date) -> set[Row]:
        tree = self._tree(day)
        prefixes = self.registry.prefixes_on(self.code, day)
        rules = self.registry.naming_rules_on(day)
        found: set[Row] = set()
        for code, unit in tree.items():
            context = NameContext(code, unit.name_prefix, prefixes, rules[code])
            self.contexts[context.key] = context
            found.add((code, context.key, context.rule.rule_code))
        return found


def _at_or_above(unit_code: str, tree: Mapping[str, Unit]) -> list[str]:
    """The unit, its parent and so on, as far as they are in force; a checked registry ends."""
    found: list[str] = []
    code: str | None = unit_code
    while code is not None and code in tree:
        found.append(code)
        code = tree[code].parent_unit_code
    return found


def _dated(
    rows: Iterable[Dated], state_on: Callable[[date], set[Row]]
) -> list[tuple[Row, date, date]]:
    """Each item of the state with the periods (from, until) in which it is in the state."""
    days: set[date] = set()
    for row in rows:
        days.add(row.valid_from_date)
        if row.valid_to_date is not None:
            days.add(row.valid_to_date + ONE_DAY)
    since: dict[Row, date] = {}
    found: list[tuple[Row, date, date]] = []
    for day in sorted(days):
        state = state_on(day)
        found.extend((item, since.pop(item), day) for item in since.keys() - state)
        for item in state - since.keys():
            since[item] = day
    found.extend((item, day, FAR_DATE) for item, day in since.items())
    return found


def _days(dated: Iterable[tuple[Row, date, date]]) -> list[Row]:
    return [(*item, start, end) for item, start, end in dated]


def _instants(dated: Iterable[tuple[Row, date, date]]) -> list[Row]:
    return [
        (*item, start_of_day(start), FAR_AT if end == FAR_DATE else start_of_day(end))
        for item, start, end in dated
    ]


def _fields(table: str, record: Record) -> Row:
    return tuple(getattr(record, column) for column in _SCHEMAS[table])


def _table(schema: Mapping[str, pa.DataType], rows: list[Row]) -> pa.Table:
    columns = {
        column: pa.array([row[place] for row in rows], kind)
        for place, (column, kind) in enumerate(schema.items())
    }
    return pa.table(columns)
