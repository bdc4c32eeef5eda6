"""What the tasks of ``watch_server_links`` and ``deliver_mail`` do."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow.sdk import get_current_context
from airflow.sdk.bases.hook import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import clock_of, vietnamese_date
from ksc_ledger.orchestration.assets import STATE_CHANGED
from ksc_ledger.orchestration.instants import as_of_at
from ksc_ledger.orchestration.process import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from ksc_ledger.alerts.outlets import FolderOutlet, SmtpOutlet
    from ksc_ledger.rules.links_evidence import ProvinceWord
    from ksc_ledger.rules.links_model import Policy, Watch
    from ksc_ledger.settings import Settings
    from ksc_ledger.state.outbox import Channel

log = logging.getLogger(__name__)

LEASE_SECONDS = 240
SMTP_CONNECTIONS = {"alerts": "smtp_alerts", "engineers": "smtp_engineers"}


def watch_links() -> bool:
    """One tick over every estate; True when something changed, and then the marts are woken."""
    from ksc_ledger.alerts.policy import console_names, policy_of
    from ksc_ledger.alerts.watch import run_tick
    from ksc_ledger.collection.witness import look
    from ksc_ledger.orchestration.hook import KscHook, budget
    from ksc_ledger.registry import in_force
    from ksc_ledger.state import leases, links, open_state, words
    from ksc_ledger.state.outbox import MailIdentity

    die_with_parent()
    context = get_current_context()
    settings = settings_module.load()
    now = as_of_at(context["dag_run"].conf, clock_of(settings.places))
    registry = in_force(settings).registry
    engine = open_state(settings.state_url)
    day = vietnamese_date(now)
    owner = f"{socket.gethostname()}:{os.getpid()}:{context['run_id']}"
    changed = False
    for estate in registry.estates:
        code = estate.estate_code
        if not any(one.estate_code == code for one in registry.servers_on(day)):
            continue  # an estate that begins later
        policy = policy_of(registry, code, day)
        lease = leases.acquire(engine, f"watch:{code}", owner, LEASE_SECONDS, datetime.now(UTC))
        if lease is None:
            log.warning("%s: một lượt theo dõi khác đang chạy", code)
            continue
        try:
            known = words.load(engine)
            every = timedelta(minutes=estate.question_every_minutes)
            seen = look(
                engine,
                policy.servers,
                console_names(registry, code, day),
                lambda server: KscHook(f"ksc_{server}").endpoint(),
                budget(),
                now=now,
                words=known,
                ask=_provinces_to_ask(policy, links.load(engine, code).watch, known, now, every),
            )
            words.remember(engine, seen.new_words)
            identity = MailIdentity(
                domain=settings.mail_domain,
                is_rehearsal=settings.places.rehearsal_mark.exists(),
            )
            ticked = run_tick(engine, lease, seen.tick, policy, identity, now)
        finally:
            leases.release(engine, lease)
        for effect in ticked.effects:
            log.info("%s: %s", code, effect)
        changed |= bool(ticked.effects)
    if not changed:
        raise AirflowSkipException("Không có gì thay đổi.")  # so that the marts are not woken
    context["outlet_events"][STATE_CHANGED].extra = {"as_of_at": now.isoformat()}
    return changed


def _provinces_to_ask(
    policy: Policy,
    watch: Watch,
    words: Mapping[str, ProvinceWord],
    now: datetime,
    every: timedelta,
) -> list[str]:
    """Whom to log in to in this tick: a province whose word is due, or whose word is needed.

    It is needed while a link is not plainly up, because only a fresh word counts against a
    district. An account that was refused is never tried, however much is at stake.
    """
    from ksc_ledger.rules.links import wants_word

    provinces = [one.server_code for one in policy.servers if one.parent_code is None]
    districts = [one.server_code for one in policy.servers if one.parent_code is not None]
    if not districts:
        return []
    newest = [words[code].read_at for code in districts if code in words]
    is_due = len(newest) < len(districts) or now - min(newest) >= every
    return provinces if is_due or wants_word(watch, policy.limits) else []


def deliver_mails() -> dict[str, int]:
    """Drain both channels of the outbox."""
    from ksc_ledger.alerts.compose import Sender
    from ksc_ledger.alerts.deliver import deliver
    from ksc_ledger.alerts.policy import parents_of_units
    from ksc_ledger.alerts.roles import Directory, load_contacts
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
        address=settings.mail_from, name=settings.mail_from_name, reply_to=settings.mail_reply_to
    )
    owner = f"{socket.gethostname()}:{os.getpid()}:{context['run_id']}"
    counts: dict[str, int] = {}
    for channel in Channel:
        if channel not in waiting:
            continue
        with _outlet(settings, channel) as outlet:
            done = deliver(engine, channel, outlet, directory, sender, owner=owner, now=now)
        for name, count in done.counts.items():
            counts[name] = counts.get(name, 0) + count
        if done.relay_error:
            log.error("%s: máy chủ thư không nhận: %s", channel, done.relay_error)
    context["outlet_events"][STATE_CHANGED].extra = {"as_of_at": now.isoformat()}
    return counts


def _outlet(
    settings: Settings, channel: Channel
) -> AbstractContextManager[FolderOutlet | SmtpOutlet]:
    """The folder in a rehearsal, else the relay of the channel's Airflow connection."""
    from ksc_ledger.alerts.outlets import FolderOutlet, Relay, Security, SmtpOutlet
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
    extra = connection.extra_dejson
    security = Security.STARTTLS
    if extra.get("disable_tls") and extra.get("disable_ssl"):
        security = Security.NONE
    elif not extra.get("disable_ssl"):
        security = Security.TLS
    return SmtpOutlet(
        Relay(
            host=connection.host or "localhost",
            port=connection.port or 25,
            bounce_address=str(extra.get("from_email") or settings.mail_from),
            security=security,
            login=connection.login or None,
            password=connection.password or None,
        )
    )
