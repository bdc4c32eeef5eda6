"""One simulated KSC server: what it is, and what it knows at an instant."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from ksc_ledger.simulator import status, wire
from ksc_ledger.simulator.cells import UNASSIGNED
from ksc_ledger.simulator.groups import SUPER_ID, UNASSIGNED_ID, Group, GroupIds, GroupTree
from ksc_ledger.simulator.hosts import Host
from ksc_ledger.simulator.scenario import DetectionRow, GroupRow, HostRow, KeyRow, ServerRow
from ksc_ledger.simulator.sessions import SessionStore
from ksc_ledger.simulator.virtual_clock import VirtualClock

LOGIN: Final = "ledger-reader"
_IDS: Final = uuid.UUID("0b7e2a91-77aa-41c2-8f65-6d0c1f5e3f6f")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """The rows of a scenario that concern one server."""

    rows: tuple[ServerRow, ...]
    groups: tuple[GroupRow, ...]
    hosts: tuple[HostRow, ...]
    keys: tuple[KeyRow, ...]
    detections: tuple[DetectionRow, ...]


class ServerView:
    """Everything a server knows at one instant; it never changes afterwards."""

    def __init__(
        self, facts: ServerFacts, ids: GroupIds, now: datetime, true_now: datetime
    ) -> None:
        instants = (now, true_now)
        self.now = now
        self.true_now = true_now
        self.keys = tuple(key for key in facts.keys if key.period.holds(true_now))
        self.detections = tuple(d for d in facts.detections if d.registered_at <= true_now)
        keys = {key.serial: key for key in self.keys}
        rows = [row for row in facts.hosts if row.period.holds(true_now)]
        in_use = {row.group_path for row in rows} - {"", UNASSIGNED}
        self.groups = GroupTree(facts.groups, sorted(in_use), ids, true_now)
        self.hosts = [
            Host(row, self.groups.of_path(row.group_path), keys.get(row.licence_serial), *instants)
            for row in rows
        ]
        self._created = {
            row.group_path: row.period.from_at
            for row in facts.groups
            if row.period.from_at is not None and row.period.holds(true_now)
        }

    @cached_property
    def hosts_by_id(self) -> Mapping[str, Host]:
        return {host.row.host_id: host for host in self.hosts}

    @cached_property
    def group_rows(self) -> Mapping[int, GroupRecord]:
        """The attributes of every group, devices counted."""
        own: dict[int, int] = {}
        below: dict[int, list[int]] = {}  # by id: all, OK, critical, warning
        for host in self.hosts:
            own[host.group.id] = own.get(host.group.id, 0) + 1
            for group_id in host.group.ancestor_ids:
                counts = below.setdefault(group_id, [0, 0, 0, 0])
                counts[0] += 1
                counts[1 + host.status.id] += 1
        subgroups: dict[int, int] = {}
        for group in self.groups:
            for ancestor in group.ancestor_ids[1:]:
                subgroups[ancestor] = subgroups.get(ancestor, 0) + 1
        return {
            group.id: GroupRecord(
                self._group_members(
                    group,
                    own.get(group.id, 0),
                    below.get(group.id, [0, 0, 0, 0]),
                    subgroups.get(group.id, 0),
                ),
                group.ancestor_ids,
            )
            for group in self.groups
        }

    def _group_members(
        self, group: Group, own: int, below: Sequence[int], subgroup_count: int
    ) -> dict[str, wire.Member]:
        members: dict[str, wire.Member] = {
            "id": group.id,
            "name": group.name,
            "parentId": group.parent_id,
            "grp_full_name": group.full_name,
            "level": group.level,
            "hostsNum": own,
            "childGroupsNum": len(self.groups.children(group.id)),
            "autoRemovePeriod": 60,
            "notifyPeriod": 7,
            "KLGRP_CHLDGRP_CNT": subgroup_count,
            "KLGRP_CHLDHST_CNT": below[0],
            "KLGRP_CHLDHST_CNT_OK": below[1],
            "KLGRP_CHLDHST_CNT_CRT": below[2],
            "KLGRP_CHLDHST_CNT_WRN": below[3],
            "grp_from_unassigned": group.id == UNASSIGNED_ID,
            "KLGRP_HlfInherited ": group.parent_id != SUPER_ID,  # the space is the protocol's
        }
        created = self._created.get(group.full_name.partition("/")[2])
        if created is not None:
            members["creationDate"] = wire.DateTime(created)
        if group.id != UNASSIGNED_ID:
            members["KLSRV_HSTSTAT_CRITICAL"] = _limits(status.CRITICAL_LIMITS)
            members["KLSRV_HSTSTAT_WARNING"] = _limits(status.WARNING_LIMITS)
        return members


@dataclass(frozen=True, slots=True)
class GroupRecord:
    """One group for the find methods."""

    members: Mapping[str, wire.Member]
    ancestor_ids: tuple[int, ...]

    def get(self, name: str, /) -> wire.Member | tuple[wire.Member, ...] | None:
        return self.ancestor_ids if name == "KLGRP_GRP_GROUPID_GP" else self.members.get(name)


GROUP_FIELDS: Final = frozenset(
    {
        "id",
        "name",
        "parentId",
        "grp_full_name",
        "level",
        "creationDate",
        "lastUpdate",
        "hostsNum",
        "childGroupsNum",
        "autoRemovePeriod",
        "notifyPeriod",
        "KLGRP_CHLDGRP_CNT",
        "KLGRP_CHLDHST_CNT",
        "KLGRP_CHLDHST_CNT_OK",
        "KLGRP_CHLDHST_CNT_CRT",
        "KLGRP_CHLDHST_CNT_WRN",
        "grp_from_unassigned",
        "KLSRVH_SRV_ID",
        "KLSRVH_SRV_DN",
        "KLVSRV_ID",
        "KLVSRV_DN",
        "KLSRV_HSTSTAT_CRITICAL",
        "KLSRV_HSTSTAT_WARNING",
        "KLGRP_HlfInherited ",
        # Without a value in any estate: never an error, never there.
        "KLGRP_HlfInherited",
        "KLGRP_HlfForced",
        "KLGRP_HlfForceChildren",
        "KLGRP_GRP_GROUPID_GP",
        "c_grp_autoInstallPackageId",
        "grp_enable_fscan",
    }
)


class SimulatedServer:
    """One server. ``skew`` tells how wrong its clock is at an instant of the estate's clock."""

    def __init__(
        self,
        code: str,
        facts: ServerFacts,
        clock: VirtualClock,
        skew: Callable[[str, datetime], timedelta],
        monotonic: Callable[[], float],
        password: str,
    ) -> None:
        self.code = code
        self.facts = facts
        self.password = password
        self.certificate_der = b""  # known once the server has its certificate
        self.sessions = SessionStore(monotonic)
        self.host_guid = str(uuid.uuid5(_IDS, code))
        self.instance_id = f"VSRV-{uuid.uuid5(_IDS, f'instance {code}').hex[:8]}"
        self._clock = clock
        self._skew = skew
        paths = [row.group_path for row in facts.groups]
        others = {row.group_path for row in facts.hosts} - {"", UNASSIGNED}
        self._group_ids = GroupIds([*paths, *sorted(others)])
        self._view_lock = threading.Lock()
        self._view: tuple[tuple[datetime, datetime], ServerView] | None = None

    @property
    def row(self) -> ServerRow:
        """The row in force; outside every period the nearest one, for names only."""
        return self.row_at(self._clock.now()) or self.facts.rows[0]

    def row_at(self, at: datetime) -> ServerRow | None:
        return next((row for row in self.facts.rows if row.period.holds(at)), None)

    def now(self) -> datetime:
        """The server's own clock."""
        at = self._clock.now()
        return at + self._skew(self.code, at)

    def view(self) -> ServerView:
        at = self._clock.now()
        instants = (at + self._skew(self.code, at), at)
        with self._view_lock:
            if self._view is None or self._view[0] != instants:
                self._view = (instants, ServerView(self.facts, self._group_ids, *instants))
            return self._view[1]


def _limits(limits: status.Limits) -> wire.Params:
    return wire.Params(
        {
            "KLSRV_HSTSTAT_MASK": limits.mask,
            "KLSRV_HSTSTAT_OLD_AV_BASES": limits.old_bases_days,
            "KLSRV_HSTSTAT_OLD_FSCAN": limits.old_scan_days,
            "KLSRV_HSTSTAT_OLD_LAST_CONNECT": limits.old_connection_days,
            "KLSRV_HSTSTAT_OLD_LICENSE": limits.old_licence_days,
            "KLSRV_HSTSTAT_SP_VIRUSES": limits.virus_count,
            "KLSRV_HSTSTAT_SP_UNCURED": limits.uncured_count,
            "KLSRV_HSTSTAT_INHERITED": True,
            "KLSRV_HSTSTAT_INHERITABLE": True,
            "KLSRV_HSTSTAT_LOCKED": False,
        }
    )
