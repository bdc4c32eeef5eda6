"""Entries of expected.yml that both estates share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from scenarios.generator.estate import Figure, Server
from scenarios.generator.units import UnitRow


def second_antivirus_count(servers: Iterable[Server], instant: datetime) -> int:
    """Machines of which an agent tells that they have a second antivirus."""
    return len(
        {
            host.host_id
            for server in servers
            for host in server.hosts
            if not host.is_old_record
            and (known := host.at(instant)) is not None
            and known.foreign_antivirus
            and known.agent_version
        }
    )


def unit_figure(unit: UnitRow) -> Figure:
    """A unit's own figures; whoever holds seats has a gap or too many, never both.

    No letter is named: the split of a district's figures among its units is invented.
    """
    allocated, installed = unit.allocated_count or 0, unit.installed_count or 0
    return Figure(
        unit.as_of_date,
        unit.unit_code,
        {
            "allocated_count": allocated,
            "installed_count": installed,
            "correctly_named_count": unit.correctly_named_count or 0,
            "gap_count": max(0, allocated - installed),
            "over_count": max(0, installed - allocated),
            "net_gap_count": allocated - installed,
        },
        "",
    )
