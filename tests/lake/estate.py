"""What two writers take in: eight servers of one estate, every machine renamed every hour."""

from __future__ import annotations

from datetime import timedelta

from ksc_ledger.landing.manifest import LoadStatus
from ksc_ledger.registry.model import Registry
from unit.warehouse.builders import T0, House, RegistryDraft, a_host, fresh

MACHINES = 30
FIRST = ("s1", "s2", "s3")
SECOND = ("s4", "s5", "s6")
BOTH = ("s7",)  # collected once, landed at both writers
SILENT = ("s8",)  # never answers; landed at the second writer


def registry() -> Registry:
    draft = RegistryDraft().unit("tinh")
    for server in (*FIRST, *SECOND, *BOTH, *SILENT):
        unit = f"huyen_{server}"
        draft.unit(unit, "tinh", name_prefix=server.upper()).server(server, unit).grant(unit, 40)
    return draft.registry()


REGISTRY = registry()


def land_hours(house: House, hours: int) -> None:
    """Land every hour of every server at one home."""
    for hour in range(hours):
        instant = T0 + timedelta(hours=hour)
        for server in (*FIRST, *SECOND, *BOTH):
            hosts = [
                a_host(
                    f"{server}-{machine}", display_name=f"{server.upper()}-{hour:03}-{machine:02}"
                )
                for machine in range(MACHINES)
            ]
            house.land(instant, fresh(hosts, instant), server)
        for server in SILENT:
            house.land(instant, (), server, status=LoadStatus.FAILED)
