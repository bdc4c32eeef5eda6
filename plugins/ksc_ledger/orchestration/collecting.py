"""What the tasks of ``collect_endpoints`` do."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import clock_of, vietnamese_date
from ksc_ledger.orchestration.assets import LANDED
from ksc_ledger.orchestration.instants import as_of_at, aware
from ksc_ledger.orchestration.links import shows_checks
from ksc_ledger.orchestration.process import die_with_parent
from ksc_ledger.orchestration.pushing import BY_PUSH, WAY, take_pushed

if TYPE_CHECKING:
    from ksc_ledger.settings import Settings

log = logging.getLogger(__name__)


def name_servers() -> list[dict[str, str]]:
    """The servers to ask now, one small order each: server, estate, instant.

    Raises AirflowSkipException while a rehearsal is driven and the driver did not ask.
    """
    from ksc_ledger.registry import in_force

    die_with_parent()
    settings = settings_module.load()
    at = as_of_at(get_current_context()["dag_run"].conf, clock_of(settings.places))
    current = in_force(settings)
    for mistake in current.mistakes:
        log.error("Danh mục có lỗi, đang dùng bản tốt gần nhất: %s", mistake)
    servers = current.registry.servers_on(vietnamese_date(at))
    log.info("Hỏi %d máy chủ, số liệu tại %s", len(servers), at.isoformat())
    pushing = current.registry.pushing_on(vietnamese_date(at))
    return [
        {
            "server_code": server.server_code,
            "estate_code": server.estate_code,
            "as_of_at": at.isoformat(),
            **({WAY: BY_PUSH} if server.server_code in pushing else {}),
        }
        for server in servers
    ]


def ask_server(order: Mapping[str, str]) -> dict[str, Any]:
    """Read one server whole and land what it said. A fault is recorded, then shown as red.

    The fault of one server stops neither the others nor the gate, and is not retried here: the
    client has its own retries, and the next run comes within the hour.
    """
    from ksc_ledger.collection import collect_under_lease
    from ksc_ledger.orchestration.hook import KscHook, budget
    from ksc_ledger.state import open_state

    die_with_parent()
    context = get_current_context()
    server_code = order["server_code"]
    context["server_code"] = server_code  # names the mapped task in the UI
    if order.get(WAY) == BY_PUSH:
        return take_pushed(order, context)
    settings = settings_module.load()
    load = collect_under_lease(
        open_state(settings.state_url),
        KscHook(f"ksc_{server_code}").endpoint(),
        estate_code=order["estate_code"],
        places=settings.places,
        budget=budget(),
        chunk_size=settings.chunk_size,
        as_of_at=aware(order["as_of_at"]),
        clock=clock_of(settings.places),
        owner=f"{socket.gethostname()}:{os.getpid()}:{context['run_id']}",
    )
    if load.fault_code:
        raise AirflowFailException(load.fault_text)
    log.info("%s: %d máy, tải %s", server_code, load.rows_read_count, load.load_id)
    return {"load_id": load.load_id, "path": str(load.path(settings.places))}


def judge_landed(landed: Sequence[Mapping[str, Any] | None], instant: datetime | None) -> list[str]:
    """Type and gate what was landed, for all servers in one go; wake the marts.

    ``instant`` is None when the run was skipped at its start; then there is nothing to do.
    """
    if instant is None:
        raise AirflowSkipException("Không có lệnh thu thập trong lượt này.")
    die_with_parent()
    from pathlib import Path

    from ksc_ledger.landing import manifest
    from ksc_ledger.quality import data_docs
    from ksc_ledger.quality.gate import gate_loads
    from ksc_ledger.warehouse import extra_arrow, snapshot_arrow, type_loads

    settings = settings_module.load()
    # What Airflow hands over asks for each item by itself; for a slice, at once.
    loads = [
        manifest.read(Path(path))
        for item in landed[:]
        if item
        for path in (*item.get("earlier", ()), item["path"])
    ]
    typed = type_loads(loads, settings)
    places = settings.places
    gated = gate_loads(
        typed,
        places,
        settings,
        snapshot_reader=lambda load: snapshot_arrow(load.parquet(places)),
        extra_reader=lambda load, kind: extra_arrow(load.extra_parquet(places, kind)),
        now=clock_of(places).now(),
    )
    for load in gated:
        log.info("%s: %s %s", load.server_code, load.status.value, load.fault_text or "")
        for kind, fault in load.extra_faults.items():
            log.warning("%s, %s: %s", load.server_code, kind, fault.text)
    _measure(settings)
    said = [{**one, "load_id": load.load_id} for load in gated for one in load.verdicts]
    page = data_docs.record(data_docs.Kind.LANDED, said, places, clock_of(places).now())
    context = get_current_context()
    shows_checks(context, page)
    context["outlet_events"][LANDED].extra = {
        "as_of_at": instant.isoformat(),
        "load_ids": [load.load_id for load in gated],
    }
    return [load.load_id for load in gated]


def _measure(settings: Settings) -> None:
    """Tell a monitoring system how old each server's figures are now, where that is wanted."""
    from ksc_ledger.orchestration import metrics
    from ksc_ledger.registry import in_force

    def figures() -> Iterator[metrics.Figure]:
        now = clock_of(settings.places).now()
        servers = in_force(settings).registry.servers_on(vietnamese_date(now))
        return metrics.source_ages(settings, servers, now)

    metrics.emit(settings, figures)
