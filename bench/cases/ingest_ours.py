"""The product's own way: ask, archive, type, apply to the history; two days in one process."""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

from datetime import datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402

import duckdb  # noqa: E402

from bench import rows  # noqa: E402
from bench.digest import digest  # noqa: E402
from ksc_ledger import settings as settings_module  # noqa: E402
from ksc_ledger.clock import FixedClock  # noqa: E402
from ksc_ledger.collection import collect_server  # noqa: E402
from ksc_ledger.landing import manifest  # noqa: E402
from ksc_ledger.landing.manifest import Load  # noqa: E402
from ksc_ledger.sources import client  # noqa: E402
from ksc_ledger.sources.endpoint import Budget, Endpoint  # noqa: E402
from ksc_ledger.warehouse import type_loads  # noqa: E402
from ksc_ledger.warehouse.history import Cutoffs, apply_loads  # noqa: E402
from ksc_ledger.warehouse.writer import writer  # noqa: E402

# Asked for beside the product's own, so that every case fetches the same bytes.
client.HOST_ATTRIBUTES = (
    *client.HOST_ATTRIBUTES,
    *(name for name in rows.ATTRIBUTES if name not in client.HOST_ATTRIBUTES),
)

COLUMNS = {
    "KLHST_WKS_HOSTNAME": "endpoint_id",
    "KLHST_WKS_DN": "display_name",
    "KLHST_WKS_WINHOSTNAME": "netbios_name",
    "KLHST_WKS_DNSNAME": "dns_name",
    "KLHST_WKS_FQDN": "fqdn",
    "KLHST_WKS_RTP_AV_VERSION": "antivirus_version",
    "KLHST_WKS_NAG_VERSION": "agent_version",
    "KLHST_WKS_OS_NAME": "os_name",
    "KLHST_WKS_GROUPID": "group_id",
    "KLHST_WKS_STATUS": "status_bits",
    "KLHST_WKS_STATUS_ID": "status_id",
    "KLHST_WKS_STATUS_MASK": "status_mask",
    "KLHST_WKS_RTP_STATE": "rtp_state",
    "KLHST_WKS_CTYPE": "computer_type_bits",
    "KLHST_WKS_IP_LONG": "ip_number",
    "KLHST_WKS_VIRUS_COUNT": "virus_count",
    "KLHST_WKS_UNCURED_COUNT": "uncured_count",
    "KLHST_WKS_FROM_UNASSIGNED": "is_unassigned",
    "KLHST_WKS_RTP_AV_BASES_TIME": "bases_at",
    "KLHST_WKS_LAST_VISIBLE": "last_visible_at",
    "KLHST_WKS_LAST_NAGENT_CONNECTED": "last_connected_at",
    "KLHST_WKS_LAST_FULLSCAN": "last_full_scan_at",
    "KLHST_WKS_CREATED": "created_at",
}


def main() -> None:
    asked = order()
    meter.imports_done()
    settings = settings_module.load(
        {"KSC_LEDGER_HOME": asked["home"], "KSC_LEDGER_CHUNK_SIZE": str(asked["chunk_size"])}
    )
    places = settings.places
    landed = []
    for day, step in enumerate(("first", "second")):
        at = rows.observed_at(day)
        endpoint = Endpoint(
            server_code="bench",
            host="127.0.0.1",
            port=asked["ports"][day],
            login="bench",
            password="bench",  # noqa: S106 - the stand-in takes any
            certificate_sha256=(asked["sha256"],),
        )
        with meter.step(step):
            with meter.step(f"{step}: collect"):
                load = collect_server(
                    endpoint,
                    estate_code="bench",
                    places=places,
                    budget=Budget.of(settings),
                    chunk_size=settings.chunk_size,
                    as_of_at=at,
                    clock=FixedClock(at),
                    kinds=(),  # keys, detections, hardware: nobody else here fetches them
                )
            with meter.step(f"{step}: type"):
                (load,) = type_loads([load], settings)
                load = manifest.changed(load, gated_at=at)  # the gate is another benchmark
            with meter.step(f"{step}: apply"), writer(settings) as con:
                outcome = apply_loads(
                    con,
                    [load],
                    places=places,
                    sql=settings.sql,
                    cutoffs_of=_cutoffs,
                    server_order={"bench": 0},
                )
        if outcome.applied != [load.load_id]:
            raise ValueError(f"the load was not applied: {load.fault_text or outcome}")
        held = digest(duckdb.connect(), f"read_parquet('{load.parquet(places)}')", COLUMNS)
        with duckdb.connect(str(places.warehouse_file), read_only=True) as con:
            (current, closed) = con.execute(
                "select (select count(*) from hist.cur), (select count(*) from hist.closed)"
            ).fetchall()[0]
        landed.append({**held, "current": current, "closed": closed})
    meter.report(
        landed=landed,
        raw_bytes=_size(places.raw),
        snapshot_bytes=_size(places.snapshot),
        warehouse_bytes=places.warehouse_file.stat().st_size,
    )


def _cutoffs(load: Load) -> Cutoffs:
    at: datetime = load.observed_at
    return Cutoffs(
        stale_before_at=at - timedelta(days=9), old_bases_before_at=at - timedelta(days=15)
    )


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


if __name__ == "__main__":
    main()
