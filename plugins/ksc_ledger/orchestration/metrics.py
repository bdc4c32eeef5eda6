"""Figures for a monitoring system, through Airflow's own metrics (OpenTelemetry or StatsD).

Off by default. What is measured is how old and how long things are, so that an alert can be set where
the province's other alerts are; the figures of machines are in the marts and not here. A metric that
cannot be sent never fails a run. The names are in docs/metrics.md and are never changed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ksc_ledger.settings import Metrics, Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ksc_ledger.registry import Registry, Server

log = logging.getLogger(__name__)

PREFIX = "ksc_ledger"  # Airflow puts its own in front: airflow.ksc_ledger.…

Send = Callable[[str, float, Mapping[str, str]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One gauge at this moment. ``tags`` in the order in which they would stand in a name."""

    name: str
    value: float
    tags: Mapping[str, str] = field(default_factory=dict)


def source_ages(settings: Settings, servers: Iterable[Server], now: datetime) -> Iterator[Figure]:
    """Seconds since each server's last complete reading; none for one that was never read whole.

    Opens a manifest or a few a server, the newest first.
    """
    from ksc_ledger.collection.collect import last_complete

    for server in servers:
        last = last_complete(settings.places, server.server_code, now)
        if last is not None:
            yield Figure(
                name="source_age_seconds",
                value=(now - last.observed_at).total_seconds(),
                tags={"estate_code": server.estate_code, "server_code": server.server_code},
            )


def outages(engine: Engine, registry: Registry, servers: Iterable[Server]) -> Iterator[Figure]:
    """Confirmed outages that are not over, for each estate that is watched, 0 too."""
    from ksc_ledger.state.figures import open_outages

    counts = Counter(registry.estate_of(code) for code in open_outages(engine))
    for estate in sorted({server.estate_code for server in servers}):
        yield Figure(name="outages_open", value=counts[estate], tags={"estate_code": estate})


def mail_queue(engine: Engine, now: datetime) -> Iterator[Figure]:
    """How many mails wait on each channel, and for how long the oldest has."""
    from ksc_ledger.state.figures import waiting_mails

    for channel, waiting in waiting_mails(engine).items():
        tags = {"channel": channel.value}
        age = 0.0 if waiting.oldest_at is None else (now - waiting.oldest_at).total_seconds()
        yield Figure(name="mail_queue_length", value=waiting.count, tags=tags)
        yield Figure(name="mail_queue_age_seconds", value=max(age, 0.0), tags=tags)


def published_age(settings: Settings, real_now: datetime) -> Iterator[Figure]:
    """Seconds since marts were last published; nothing when they never were."""
    file = settings.places.marts_file
    if file.exists():
        made_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        age = max((real_now - made_at).total_seconds(), 0.0)
        yield Figure(name="published_age_seconds", value=age)


def emit(
    settings: Settings, figures: Callable[[], Iterable[Figure]], send: Send | None = None
) -> int:
    """Measure and send, unless metrics are off; how many were sent. Never raises.

    ``figures`` is called only when there is somebody to tell. ``send`` is for tests.
    """
    if settings.metrics is Metrics.OFF:
        return 0
    sent = 0
    with _harmless():
        tell = send or _to_airflow()
        for figure in figures():
            if settings.metrics is Metrics.TAGS:
                tell(f"{PREFIX}.{figure.name}", figure.value, figure.tags)
            else:
                tell(".".join([PREFIX, figure.name, *figure.tags.values()]), figure.value, {})
            sent += 1
    return sent


def _to_airflow() -> Send:
    from airflow.sdk.observability import stats

    def send(name: str, value: float, tags: Mapping[str, str]) -> None:
        stats.gauge(name, value, tags=dict(tags))

    return send


@contextmanager
def _harmless() -> Iterator[None]:
    """A run must not fail because somebody could not be told how it goes; the log says so."""
    try:
        yield
    except Exception:
        log.exception("Không gửi được số đo vận hành; lượt chạy không bị ảnh hưởng.")
