"""What the tasks of ``watch_server_links`` and ``deliver_mail`` do."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import get_current_context
from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import clock_of, vietnamese_date
from ksc_ledger.orchestration.assets import STATE_CHANGED
from ksc_ledger.orchestration.instants import as_of_at
from ksc_ledger.orchestration.links import PAGE, OutageLink, leads_to
from ksc_ledger.orchestration.process import die_with_parent
from ksc_ledger.orchestration.pushing import signs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from airflow.sdk import Context
    from sqlalchemy import Engine

    from ksc_ledger.alerts.outlets import FolderOutlet, SmtpOutlet
    from ksc_ledger.alerts.rounds import Round
    from ksc_ledger.collection.witness import Seen
    from ksc_ledger.registry import Registry
    from ksc_ledger.rules.links_evidence import ProvinceWord
    from ksc_ledger.rules.links_model import Policy
    from ksc_ledger.settings import Settings
    from ksc_ledger.sources.endpoint import Endpoint
    from ksc_ledger.state.outbox import Channel

log = logging.getLogger(__name__)

# What a province may take to answer the watch; several are asked at a time, and a tick is short.
ASKED_WITHIN_SECONDS = 40.0
SMTP_CONNECTIONS = {"alerts": "smtp_alerts", "engineers": "smtp_engineers"}


def watch_links() -> bool:
    """One tick over every estate; True when something changed, and then the marts are woken."""
    from ksc_ledger.alerts.policy import console_names, policy_of
    from ksc_ledger.alerts.registry_watch import note_registry
    from ksc_ledger.alerts.rounds import run_round
    from ksc_ledger.collection.witness import look
    from ksc_ledger.errors import LedgerError
    from ksc_ledger.orchestration.hook import budget
    from ksc_ledger.registry import in_force
    from ksc_ledger.state import open_state
    from ksc_ledger.state.outbox import MailIdentity

    die_with_parent()
    context = get_current_context()
    settings = settings_module.load()
    now = as_of_at(context["dag_run"].conf, clock_of(settings.places))
    found = in_force(settings)
    registry = found.registry
    engine = open_state(settings.state_url)
    day = vietnamese_date(now)
    watched = {one.estate_code for one in registry.servers_on(day)}  # an estate may begin later
    estates = [one for one in registry.estates if one.estate_code in watched]
    asked_in = min(budget().call_seconds, ASKED_WITHIN_SECONDS)
    limits = replace(budget(), call_seconds=asked_in, server_seconds=asked_in)

    signs = signs_of(settings, registry, now)

    def look_at(policy: Policy, known: Mapping[str, ProvinceWord], ask: Sequence[str]) -> Seen:
        return look(
            engine,
            policy.servers,
            console_names(registry, policy.estate_code, day),
            _endpoint,
            limits,
            now=now,
            words=known,
            ask=ask,
            said=signs,
        )

    policies: dict[str, Policy] = {}
    without_policy: dict[str, str] = {}
    for estate in estates:
        try:
            policies[estate.estate_code] = policy_of(registry, estate.estate_code, day)
        except LedgerError as error:
            without_policy[estate.estate_code] = str(error)  # the others are watched all the same
    identity = MailIdentity(
        domain=settings.mail_domain, is_rehearsal=settings.places.rehearsal_mark.exists()
    )
    done = run_round(
        engine,
        policies,
        {one.estate_code: timedelta(minutes=one.question_every_minutes) for one in estates},
        look_at,
        identity,
        now,
        owner=f"{socket.gethostname()}:{os.getpid()}:{context['run_id']}",
    )
    done.failed.update(without_policy)
    told = note_registry(engine, found, identity, now)
    _measure(settings, engine, registry, now)
    _show(context, done)
    _say(done)
    if not done.has_changed and not told:
        raise AirflowSkipException("Không có gì thay đổi.")  # so that the marts are not woken
    context["outlet_events"][STATE_CHANGED].extra = {"as_of_at": now.isoformat()}
    return True


def _endpoint(server_code: str) -> Endpoint:
    """The server behind its Airflow connection; LedgerError also when there is none."""
    from ksc_ledger.errors import LedgerError
    from ksc_ledger.orchestration.hook import KscHook

    try:
        return KscHook(f"ksc_{server_code}").endpoint()
    except AirflowNotFoundException as error:
        raise LedgerError(
            "connection_missing",
            f"Chưa có kết nối ksc_{server_code}.",
            f"Tạo kết nối ksc_{server_code} (loại ksc) trong Admin → Connections.",
        ) from error


def _measure(settings: Settings, engine: Engine, registry: Registry, now: datetime) -> None:
    """Tell a monitoring system how old and how long everything is, where that is wanted."""
    from ksc_ledger.orchestration import metrics

    servers = registry.servers_on(vietnamese_date(now))

    def figures() -> Iterator[metrics.Figure]:
        yield from metrics.source_ages(settings, servers, now)
        yield from metrics.outages(engine, registry, servers)
        yield from metrics.mail_queue(engine, now)
        yield from metrics.published_age(settings, datetime.now(UTC))

    metrics.emit(settings, figures)


def _show(context: Context, done: Round) -> None:
    """Let the task's button lead to the one server whose outage began or ended in this tick."""
    from ksc_ledger.rules.links_model import OutageClosed, OutageOpened

    servers = {
        effect.server_code
        for effects in done.effects.values()
        for effect in effects
        if isinstance(effect, OutageOpened | OutageClosed)
    }
    if len(servers) == 1:
        leads_to(context, OutageLink, f"{PAGE}/may-chu/{servers.pop()}")


def _say(done: Round) -> None:
    """Log a round; raise when an estate could not be watched at all, so that the task is red."""
    from ksc_ledger.errors import LedgerError

    for code, effects in done.effects.items():
        for effect in effects:
            log.info("%s: %s", code, effect)
    for code in done.late:
        log.warning("%s: chưa nhìn thấy trong thời gian của lượt này; coi như không rõ", code)
    for code in done.busy:
        log.warning("%s: một lượt theo dõi khác đang chạy", code)
    if done.failed:
        raise LedgerError(
            "estates_not_watched",
            f"Không theo dõi được {len(done.failed)} địa bàn: "
            + "; ".join(f"{code}: {said}" for code, said in sorted(done.failed.items())),
            "Các địa bàn khác đã được theo dõi bình thường. Xem nhật ký của lượt chạy này.",
        )


def deliver_mails() -> dict[str, int]:
    """Drain both channels of the outbox.

    The marts are not woken: with mail waiting for a relay that would be a build a minute, and the
    outbox itself is what is looked at. The next build has what became of each mail.
    """
    from ksc_ledger.alerts.compose import Sender
    from ksc_ledger.alerts.deliver import deliver
    from ksc_ledger.alerts.policy import parents_of_units
    from ksc_ledger.alerts.roles import Directory, load_contacts
    from ksc_ledger.errors import LedgerError
    from ksc_ledger.orchestration import metrics
    from ksc_ledger.registry import in_force
    from ksc_ledger.state import open_state, outbox
    from ksc_ledger.state.outbox import Channel

    die_with_parent()
    context = get_current_context()
    settings = settings_module.load()
    now = as_of_at(context["dag_run"].conf, clock_of(settings.places))
    engine = open_state(settings.state_url)
    waiting = outbox.waiting_channels(engine)
    if not waiting:
        raise AirflowSkipException("Không có thư chờ gửi.")
    registry = in_force(settings).registry
    directory = Directory(
        contacts=tuple(load_contacts(settings.contacts)),
        parents=parents_of_units(registry, vietnamese_date(now)),
    )
    sender = Sender(
        address=settings.mail_from,
        name=settings.mail_from_name,
        reply_to=settings.mail_reply_to,
        page=settings.page_url,
    )
    owner = f"{socket.gethostname()}:{os.getpid()}:{context['run_id']}"
    counts: dict[str, int] = {}
    wrong: list[LedgerError] = []
    for channel in Channel:
        if channel not in waiting:
            continue
        try:
            with _outlet(settings, channel) as outlet:
                done = deliver(
                    engine,
                    channel,
                    outlet,
                    directory,
                    sender,
                    owner=owner,
                    now=now,
                    files=settings.places.letters,
                )
        except LedgerError as error:
            # A connection that is wrong must not keep the mails of the other one waiting.
            wrong.append(error)
            continue
        for name, count in done.counts.items():
            counts[name] = counts.get(name, 0) + count
        if done.relay_error:
            log.error("%s: máy chủ thư không nhận: %s", channel, done.relay_error)
    metrics.emit(settings, lambda: metrics.mail_queue(engine, now))
    if wrong:
        raise wrong[0]
    return counts


def _outlet(
    settings: Settings, channel: Channel
) -> AbstractContextManager[FolderOutlet | SmtpOutlet]:
    """The folder in a rehearsal, else the relay of the channel's Airflow connection."""
    from ksc_ledger.alerts.outlets import FolderOutlet, SmtpOutlet
    from ksc_ledger.alerts.relays import relay_of
    from ksc_ledger.errors import LedgerError

    if settings.places.rehearsal_mark.exists():
        return nullcontext(FolderOutlet(settings.places.mail))
    name = SMTP_CONNECTIONS[channel]
    try:
        connection = BaseHook.get_connection(name)
    except AirflowNotFoundException as error:
        raise LedgerError(
            "smtp_connection_missing",
            f"Chưa có kết nối thư {name}.",
            f"Tạo kết nối {name} (loại SMTP) trong Admin → Connections.",
        ) from error
    return SmtpOutlet(
        relay_of(
            name,
            host=connection.host,
            port=connection.port,
            login=connection.login,
            password=connection.password,
            extra=connection.extra_dejson,
            usual_sender=settings.mail_from,
        )
    )
