"""The gate: no figure rests on a load before it was judged here.

A `fail` rule refuses the whole load (`rejected`): the server then keeps its last good figures
with their age. A `warn` rule is recorded and lets the load pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ksc_ledger.clock import VIETNAM
from ksc_ledger.errors import LedgerError
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.quality import quarantine
from ksc_ledger.quality.suites import (
    HOSTS,
    LOADS,
    BrokenExpectation,
    Rule,
    Severity,
    Suite,
    load_suite,
)
from ksc_ledger.settings import Places, Settings

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from ksc_ledger.quality.engine import Outcome
    from ksc_ledger.quality.frames import Landed

REJECTED = "rejected"

# Positions kept of one rule and server. Counts are always whole; a list of a thousand rows is
# not a list that somebody reads.
ROWS_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule says of one frame, or of one server's part of it.

    ``column`` is the first column the rule judges, '' for a rule on the whole table.
    ``unexpected_rows`` are positions in the frame that was given, the first ROWS_KEPT of them,
    and only where the rule did not hold.
    """

    suite: str
    expectation: str
    column: str
    severity: Severity
    is_success: bool
    unexpected_count: int
    description: str
    remedy: str
    unexpected_rows: tuple[int, ...] = ()

    @property
    def is_refusing(self) -> bool:
        return self.severity is Severity.FAIL and not self.is_success

    def to_json(self) -> dict[str, Any]:
        """The verdict as a load's manifest keeps it."""
        return {
            "suite": self.suite,
            "expectation": self.expectation,
            "severity": self.severity.value,
            "is_success": self.is_success,
            "unexpected_count": self.unexpected_count,
            "description": self.description,
        }


def judge(
    frame: pd.DataFrame,
    suite_name: str,
    *,
    root: Path,
    parameters: Mapping[str, Any] | None = None,
) -> list[Verdict]:
    """Judge one frame by a suite, in the suite's order; raise BrokenExpectation.

    ``root`` is the folder of the suites, ``parameters`` stand for ``{"$PARAMETER": …}``.
    """
    suite = load_suite(root, suite_name)
    return [
        _verdict(suite, outcome.rule, outcome.unexpected_count, outcome.positions, outcome)
        for outcome in _outcomes(frame, suite, parameters)
    ]


def judge_by_server(
    frame: pd.DataFrame,
    suite_name: str,
    *,
    root: Path,
    servers: Sequence[str],
    parameters: Mapping[str, Any] | None = None,
) -> dict[str, list[Verdict]]:
    """Judge the rows of several servers in one batch, and give each server its own verdicts.

    The frame has a column ``server_code``; a server without a row gets verdicts all the same.
    This is right only for rules that judge each row by itself; raise BrokenExpectation for
    another one.
    """
    from ksc_ledger.quality import engine, frames

    suite = load_suite(root, suite_name)
    for rule in suite.rules:
        if not engine.is_row_wise(suite, rule):
            raise BrokenExpectation(
                suite_name, rule.code, "quy tắc phải xét được từng dòng riêng (không dùng mostly)"
            )
    verdicts: dict[str, list[Verdict]] = {server: [] for server in servers}
    for outcome in _outcomes(frame, suite, parameters):
        concerned: dict[str, list[int]] = defaultdict(list)
        if not outcome.is_success:
            owners = frame[frames.SERVER].iloc[list(outcome.positions)]
            for position, owner in zip(outcome.positions, owners, strict=True):
                concerned[owner].append(position)
        for server in servers:
            rows = concerned.get(server, [])
            verdicts[server].append(_verdict(suite, outcome.rule, len(rows), rows))
    return verdicts


def gate_loads(
    loads: Iterable[Load],
    places: Places,
    settings: Settings,
    snapshot_reader: Callable[[Load], pa.Table],
    *,
    now: datetime,
    extra_reader: Callable[[Load, str], pa.Table] | None = None,
) -> list[Load]:
    """Judge every complete load that was not judged yet; the judged ones, in the order given.

    ``snapshot_reader`` gives the typed rows of a load; a LedgerError of it refuses that load and
    no other. For each load its quarantine file is written first and its manifest last, so that a
    gate that died in between simply judges the load again. Loads of one server are judged in the
    order in which they were read. ``extra_reader`` gives the typed rows of a kind beside the
    devices; without it those are not judged. Raise BrokenExpectation: what is not judged yet stays
    pending.
    """
    pending = [
        load for load in loads if load.status is LoadStatus.COMPLETE and load.gated_at is None
    ]
    judged: dict[str, Load] = {}
    for wave in _waves(pending):
        for load in _gate_wave(wave, places, settings, snapshot_reader, extra_reader, now):
            judged[load.load_id] = load
    return [judged[load.load_id] for load in pending]


def _gate_wave(
    loads: Sequence[Load],
    places: Places,
    settings: Settings,
    snapshot_reader: Callable[[Load], pa.Table],
    extra_reader: Callable[[Load, str], pa.Table] | None,
    now: datetime,
) -> Iterator[Load]:
    """Judge loads of different servers, all in one batch of each suite."""
    from ksc_ledger.quality import frames

    landed: list[Landed] = []
    unreadable: list[tuple[Load, str]] = []
    for load in loads:
        try:
            table = snapshot_reader(load)
        except LedgerError as error:
            unreadable.append((load, str(error)))
            continue
        landed.append(frames.Landed(load, table, _previous_rows_count(load, places)))
    if landed:
        servers = [one.load.server_code for one in landed]
        root = settings.expectations
        suite = load_suite(root, HOSTS)
        hosts = frames.hosts_frame(landed, frames.columns_of(suite))
        of_hosts = judge_by_server(hosts, HOSTS, root=root, servers=servers)
        of_loads = judge_by_server(frames.loads_frame(landed), LOADS, root=root, servers=servers)
        verdicts = [verdict for found in of_hosts.values() for verdict in found]
        rows = _wrong_rows(hosts, verdicts, suite)
        judged: dict[str, Load] = {}
        for one in landed:
            server = one.load.server_code
            reasons = list(_reasons(of_hosts[server], rows))
            quarantine.write(one.load, HOSTS, reasons, places)
            load = _judged(one, [*of_loads[server], *of_hosts[server]], now)
            judged[load.load_id] = load
        yield from (
            _written(one, places) for one in _with_extras(judged, landed, extra_reader, root)
        )
    for load, text in unreadable:
        yield _written(_refused(load, text, now), places)


def _with_extras(
    judged: Mapping[str, Load],
    landed: Sequence[Landed],
    extra_reader: Callable[[Load, str], pa.Table] | None,
    root: Path,
) -> Iterable[Load]:
    """The judged loads, and what landed beside their devices judged as well."""
    if extra_reader is None or not any(one.extras for one in judged.values()):
        return judged.values()
    from ksc_ledger.quality.extras import judge_extras

    devices = {one.load.load_id: one.table for one in landed}
    usable = {
        load_id: (load, devices[load_id])
        for load_id, load in judged.items()
        if load.status is LoadStatus.COMPLETE
    }
    return {**judged, **judge_extras(usable, extra_reader, root)}.values()


def _outcomes(
    frame: pd.DataFrame, suite: Suite, parameters: Mapping[str, Any] | None
) -> list[Outcome]:
    from ksc_ledger.quality import engine, frames

    try:
        complete = frames.with_derived(suite.name, frame)
    except (AttributeError, KeyError, TypeError) as error:
        raise BrokenExpectation(
            suite.name, "", f"bảng thiếu cột hoặc sai kiểu ({error})"
        ) from error
    return engine.run(complete, suite, parameters or {})


def _verdict(
    suite: Suite, rule: Rule, count: int, rows: Sequence[int], outcome: Outcome | None = None
) -> Verdict:
    return Verdict(
        suite=suite.name,
        expectation=rule.code,
        column=rule.columns[0] if rule.columns else "",
        severity=rule.severity,
        is_success=count == 0 if outcome is None else outcome.is_success,
        unexpected_count=count,
        description=rule.description,
        remedy=rule.remedy,
        unexpected_rows=tuple(rows[:ROWS_KEPT]),
    )


def _waves(loads: Sequence[Load]) -> list[list[Load]]:
    """Loads in rounds that hold each server at most once, each server's oldest load first."""
    rounds: dict[int, list[Load]] = defaultdict(list)
    taken: dict[str, int] = defaultdict(int)
    for load in sorted(loads, key=lambda load: (load.observed_at, load.load_id)):
        rounds[taken[load.server_code]].append(load)
        taken[load.server_code] += 1
    return list(rounds.values())


def _previous_rows_count(load: Load, places: Places) -> int | None:
    """The rows of the server's last load before this one that passed its gate; None if none did.

    Ids of loads sort as their instants do, so that newer and much older manifests stay unread.
    """
    folder = places.snapshot / load.server_code
    months = sorted((one.name for one in folder.glob("*") if one.is_dir()), reverse=True)
    for month in months:
        if month > load.month:
            continue
        for path in sorted((folder / month).glob("*.json"), reverse=True):
            if path.stem >= load.load_id:
                continue
            before = manifest.read(path)
            is_good = before.status is LoadStatus.COMPLETE and before.gated_at is not None
            if is_good and before.observed_at < load.observed_at:
                return before.rows_read_count
    return None


def _wrong_rows(
    hosts: pd.DataFrame, verdicts: Sequence[Verdict], suite: Suite
) -> dict[str, dict[Hashable, dict[Hashable, Any]]]:
    """What each rule looked at in the rows it does not accept, by the rule and the row's place."""
    from ksc_ledger.quality import frames

    places: dict[str, list[int]] = defaultdict(list)
    for verdict in verdicts:
        places[verdict.expectation] += verdict.unexpected_rows
    wrong = sorted({place for found in places.values() for place in found})
    if not wrong:
        return {}
    derived = frames.with_derived(suite.name, hosts.loc[wrong])
    # The id says which device; without one, the values are all there is.
    return {
        rule.code: derived[list(dict.fromkeys(["endpoint_id", *rule.columns]))]
        .loc[places[rule.code]]
        .to_dict("index")
        for rule in suite.rules
        if places[rule.code]
    }


def _reasons(
    verdicts: Iterable[Verdict], rows: Mapping[str, Mapping[Hashable, Mapping[Hashable, Any]]]
) -> Iterator[quarantine.Reason]:
    for verdict in verdicts:
        if verdict.unexpected_rows:
            looked_at = rows[verdict.expectation]
            yield quarantine.Reason(
                verdict.expectation,
                verdict.description,
                [
                    {str(name): value for name, value in looked_at[place].items()}
                    for place in verdict.unexpected_rows
                ],
            )


def _judged(landed: Landed, verdicts: Sequence[Verdict], now: datetime) -> Load:
    load = landed.load
    # What collection itself noticed stands before what is judged here.
    kept = (*load.verdicts, *(verdict.to_json() for verdict in verdicts))
    refusing = [verdict for verdict in verdicts if verdict.is_refusing]
    if not refusing:
        return manifest.changed(load, gated_at=now, verdicts=kept)
    counts = (
        f"máy chủ báo {load.rows_expected_count}, đọc được {load.rows_read_count}, "
        f"định kiểu {landed.table.num_rows}"
    )
    why = "; ".join(
        f"{one.description.rstrip('.')} "
        f"({counts if one.suite == LOADS else f'{one.unexpected_count} dòng sai'})"
        for one in refusing
    )
    remedies = " ".join(dict.fromkeys(one.remedy for one in refusing))
    text = (
        f"Số liệu của máy chủ {load.server_code} đọc lúc "
        f"{load.observed_at.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y} không qua kiểm tra: {why}. "
        f"Số liệu tốt gần nhất vẫn được dùng. Cách khắc phục: {remedies}"
    )
    return manifest.changed(_refused(load, text, now), verdicts=kept)


def _refused(load: Load, text: str, now: datetime) -> Load:
    return manifest.changed(
        load, gated_at=now, status=LoadStatus.REJECTED, fault_code=REJECTED, fault_text=text
    )


def _written(load: Load, places: Places) -> Load:
    manifest.write(load, places)
    return load
