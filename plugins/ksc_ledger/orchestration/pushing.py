"""Servers whose sites send by themselves: where they send to, and the task that takes it."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import clock_of, vietnamese_date
from ksc_ledger.orchestration.instants import aware

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from ksc_ledger.push.desk import Desk
    from ksc_ledger.registry import Registry
    from ksc_ledger.rules.links_evidence import Knock
    from ksc_ledger.settings import Settings

log = logging.getLogger(__name__)

DESK = "/gui-so-lieu"
WAY = "way"  # the member of an order that says how a server's load comes; without it: by asking
BY_PUSH = "push"
HALF_SENT_FOR = timedelta(days=1)
REGISTRY_SECONDS = 30.0  # so long a registry is believed unread at the desk, by anybody who sends


def take_pushed(order: Mapping[str, str], context: Context) -> dict[str, Any]:
    """Take what the site of a server sent, as ``ask_server`` would have landed it.

    The whole loads are handed on even where the newest attempt of the site failed; with nothing to
    hand on, a fault is shown as red. Skips when the site is alive and has sent nothing new.
    """
    from ksc_ledger.landing.manifest import LoadStatus
    from ksc_ledger.push.desk import sweep
    from ksc_ledger.push.taking import take
    from ksc_ledger.registry import in_force
    from ksc_ledger.state import open_state

    settings = settings_module.load()
    clock = clock_of(settings.places)
    registry = in_force(settings).registry
    code = order["server_code"]
    day = vietnamese_date(aware(order["as_of_at"]))
    (server,) = (one for one in registry.servers_on(day) if one.server_code == code)
    loads = take(
        open_state(settings.state_url),
        settings,
        registry,
        server,
        clock=clock,
        owner=f"{socket.gethostname()}:{os.getpid()}:{context['run_id']}",
        real_now=datetime.now(UTC),
    )
    refused_for = timedelta(days=settings.quarantine_days)
    real_now = datetime.now(UTC)
    for path in sweep(
        settings.places, real_now, half_sent_for=HALF_SENT_FOR, refused_for=refused_for
    ):
        log.warning("%s: gửi dở dang hoặc đã hết hạn giữ, đã dọn", path.name)
    if not loads:
        raise AirflowSkipException("Nơi gửi chưa gửi gì mới.")
    whole = [load for load in loads if load.status is LoadStatus.COMPLETE]
    for load in loads:
        log.info("%s: %s %s", load.load_id, load.status.value, load.fault_text or "")
    if not whole:
        raise AirflowFailException(loads[-1].fault_text)
    paths = [str(load.path(settings.places)) for load in whole]
    return {"load_id": whole[-1].load_id, "path": paths[-1], "earlier": paths[:-1]}


def signs_of(settings: Settings, registry: Registry, now: datetime) -> dict[str, Knock]:
    """What the link watch takes for a knock at servers that cannot be knocked at."""
    pushing = registry.pushing_on(vietnamese_date(now))
    if not pushing:
        return {}
    from ksc_ledger.push import signs

    after = timedelta(minutes=settings.push_silent_minutes)
    return signs.knocks(settings.places, pushing, now=now, silent_after=after)


def application() -> Any:
    """The desk as an application of the API server. It asks nobody to sign in: keys do."""
    from ksc_ledger.push.web import create_app

    settings = settings_module.load()
    desk = _desk(settings)
    return create_app(lambda: desk)


def _desk(settings: Settings) -> Desk:
    from ksc_ledger.push.desk import Desk

    return Desk(
        places=settings.places,
        registry=_Remembered(settings),
        clock=clock_of(settings.places),
        max_bytes=settings.push_max_bytes,
        free_space_mb=settings.free_space_mb,
    )


class _Remembered:
    """The registry in force, read at most every REGISTRY_SECONDS: strangers may knock as they like."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._registry: Registry | None = None

    def __call__(self) -> Registry:
        from ksc_ledger.registry import in_force

        with self._lock:
            now = time.monotonic()
            if self._registry is None or now - self._read_at > REGISTRY_SECONDS:
                self._registry = in_force(self._settings).registry
                self._read_at = now
            return self._registry
