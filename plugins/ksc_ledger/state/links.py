"""What the link watch remembers: links, their intervals, outages, silences, acknowledgements.

One tick of one estate is one transaction: the links (each compared with what the tick was
decided on), the outages, the intervals and the mails that follow from them. Either all of it
happened or nothing; two watchers, or one and its zombie, can never both bring it about.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ksc_ledger.errors import LedgerError
from ksc_ledger.rules.links_evidence import Cause
from ksc_ledger.rules.links_model import (
    LONGEST_SILENCE,
    Advance,
    Interval,
    IntervalClosed,
    IntervalOpened,
    Link,
    LinkState,
    Mute,
    MuteKind,
    Notice,
    NoticeKind,
    OutageClosed,
    OutageOpened,
    Watch,
)
from ksc_ledger.state import audit, leases, outbox
from ksc_ledger.state.database import reading
from ksc_ledger.state.tables import (
    ACKNOWLEDGEMENT,
    LINK,
    LINK_INTERVAL,
    LINK_WATCH,
    OUTAGE,
    OUTBOX,
    SILENCE,
)

Reached = Callable[[str], None]


def nothing(_: str) -> None:
    """The checkpoint of normal running: a test stops the process here, we go on."""


class LinksMoved(LedgerError):  # noqa: N818 - named for what happened, as LeaseLost
    """Somebody else moved these links since they were read: this tick may not be committed."""

    def __init__(self, code: str) -> None:
        super().__init__(
            "links_moved",
            f"Trạng thái kết nối «{code}» đã được một lượt theo dõi khác cập nhật; lượt này không "
            "ghi gì.",
            "Không cần làm gì: lượt theo dõi kế tiếp sẽ xét lại từ trạng thái mới.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A watch as it was read, with the revisions that a commit compares."""

    watch: Watch
    revision: int = 0
    revisions: Mapping[str, int] = field(default_factory=dict)


def load(engine: Engine, estate_code: str) -> Kept:
    """Read the watch of an estate with the acknowledgements in force; a new one if there is none."""
    with reading(engine) as connection:
        row = connection.execute(
            select(LINK_WATCH.c.revision, LINK_WATCH.c.memory).where(
                LINK_WATCH.c.estate_code == estate_code
            )
        ).one_or_none()
        links = connection.execute(
            select(LINK.c.server_code, LINK.c.revision, LINK.c.memory)
            .where(LINK.c.estate_code == estate_code)
            .order_by(LINK.c.server_code)
        ).all()
        incidents = select(LINK.c.incident_id).where(LINK.c.estate_code == estate_code)
        acknowledged = connection.execute(
            select(ACKNOWLEDGEMENT.c.incident_id, ACKNOWLEDGEMENT.c.until_at)
            .where(ACKNOWLEDGEMENT.c.incident_id.in_(incidents))
            .order_by(ACKNOWLEDGEMENT.c.made_at)
        ).all()
    if row is None:
        return Kept(watch=Watch(estate_code=estate_code))
    until: dict[str, datetime] = {row.incident_id: row.until_at for row in acknowledged}
    watch = msgspec.json.decode(row.memory, type=Watch)
    return Kept(
        watch=replace(watch, links=tuple(_link(one.memory, until) for one in links)),
        revision=row.revision,
        revisions={one.server_code: one.revision for one in links},
    )


def commit(
    engine: Engine,
    lease: leases.Lease,
    kept: Kept,
    moved: Advance,
    identity: outbox.MailIdentity,
    *,
    reached: Reached = nothing,
) -> list[str]:
    """Commit a tick decided on ``kept``, whole or not at all; return the Message-IDs minted.

    Raise LeaseLost when the lease is no longer the caller's, LinksMoved when another watcher was
    faster. A tick that moved nothing writes nothing.
    """
    if not moved.has_moved:
        return []
    estate_code = moved.watch.estate_code
    with engine.begin() as connection:
        leases.guard(connection, lease)
        reached("watch:begun")
        try:
            _put_watch(connection, kept, moved.watch)
            before = {link.server_code: link for link in kept.watch.links}
            for link in moved.watch.links:
                if link != before.get(link.server_code):
                    _put_link(connection, kept, link, estate_code)
        except IntegrityError as error:
            # The first tick of a server inserts its row: of two such ticks one loses here.
            raise LinksMoved(estate_code) from error
        reached("watch:links")
        for effect in moved.effects:
            _put_effect(connection, effect)
        reached("watch:effects")
        notices = [effect for effect in moved.effects if isinstance(effect, Notice)]
        message_ids = outbox.enqueue(
            connection, (_mail(notice, estate_code) for notice in notices), identity
        )
        reached("watch:outbox")
    reached("watch:committed")
    return message_ids


def silence(
    engine: Engine,
    silence_id: str,
    mute: Mute,
    *,
    reason: str,
    owner: str,
    made_at: datetime,
    actor: str | None = None,
) -> None:
    """Keep a silence made by an operator; it must have a reason, an owner and an end.

    ``actor``: who entered it, where that is not the owner. The deed is kept in the audit.
    """
    if not reason.strip() or not owner.strip() or mute.to_at <= mute.from_at:
        raise LedgerError(
            "silence_incomplete",
            "Việc tạm ngừng cảnh báo phải có lý do, người chịu trách nhiệm và thời điểm kết thúc "
            "sau thời điểm bắt đầu.",
            "Ghi đủ ba mục rồi thực hiện lại.",
        )
    if mute.to_at <= made_at or mute.to_at - mute.from_at > LONGEST_SILENCE:
        raise LedgerError(
            "silence_period_refused",
            f"Thời gian tạm ngừng cảnh báo đã qua hoặc dài quá {LONGEST_SILENCE.days} ngày.",
            "Chọn thời điểm kết thúc ở tương lai và gần hơn; còn cần thì tạm ngừng lại sau.",
        )
    with engine.begin() as connection:
        connection.execute(
            insert(SILENCE).values(
                silence_id=silence_id,
                server_code=mute.server_code,
                from_at=mute.from_at,
                to_at=mute.to_at,
                reason=reason,
                owner=owner,
                made_at=made_at,
            )
        )
        deed = audit.Deed(
            made_at=made_at,
            actor=actor or owner,
            action=audit.Action.SILENCED,
            subject=mute.server_code,
            details={
                "silence_id": silence_id,
                "from_at": mute.from_at.isoformat(),
                "to_at": mute.to_at.isoformat(),
                "owner": owner,
                "reason": reason,
            },
        )
        audit.note(connection, deed)


def end_silence(engine: Engine, silence_id: str, *, actor: str, made_at: datetime) -> SilenceRow:
    """End an operator's silence now; raise LedgerError when there is none that still lasts."""
    with engine.begin() as connection:
        row = connection.execute(
            select(SILENCE).where(SILENCE.c.silence_id == silence_id, SILENCE.c.to_at > made_at)
        ).one_or_none()
        if row is None:
            raise LedgerError(
                "silence_unknown",
                f"Không có lần tạm ngừng cảnh báo {silence_id} nào còn hiệu lực.",
                "Xem mã bằng ksc-ledger links list; dòng trong silences.csv thì sửa trong danh mục.",
            )
        ended = update(SILENCE).where(SILENCE.c.silence_id == silence_id)
        # One that was to begin later never was.
        connection.execute(ended.values(to_at=max(made_at, row.from_at)))
        deed = audit.Deed(
            made_at=made_at,
            actor=actor,
            action=audit.Action.SILENCE_ENDED,
            subject=row.server_code,
            details={"silence_id": silence_id, "to_at_before": row.to_at.isoformat()},
        )
        audit.note(connection, deed)
        return _silence_row(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class SilenceRow:
    """A silence made by an operator."""

    silence_id: str
    mute: Mute
    owner: str
    reason: str


def silence_rows(engine: Engine, at: datetime) -> list[SilenceRow]:
    """The operators' silences that are not over at ``at``, with who answers for them and why."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(SILENCE)
            .where(SILENCE.c.to_at > at)
            .order_by(SILENCE.c.from_at, SILENCE.c.server_code)
        ).all()
    return [_silence_row(row) for row in rows]


def _silence_row(row: Any) -> SilenceRow:
    return SilenceRow(
        silence_id=row.silence_id,
        mute=Mute(
            kind=MuteKind.SILENCE,
            server_code=row.server_code,
            from_at=row.from_at,
            to_at=row.to_at,
        ),
        owner=row.owner,
        reason=row.reason,
    )


def silences(engine: Engine, at: datetime) -> tuple[Mute, ...]:
    """The operators' silences that are not over at ``at``."""
    return tuple(row.mute for row in silence_rows(engine, at))


def acknowledge(
    engine: Engine,
    incident_id: str,
    *,
    server_code: str | None = None,
    until_at: datetime,
    owner: str,
    note: str,
    made_at: datetime,
) -> None:
    """Take an outage on: no reminder and no escalation until ``until_at``.

    The newest acknowledgement of an outage counts. The deed is kept in the audit. With ``server_code``
    an outage of another server is refused: it was not for this server that somebody was asked.
    """
    with engine.begin() as connection:
        outage = connection.execute(
            select(OUTAGE.c.server_code).where(
                OUTAGE.c.incident_id == incident_id, OUTAGE.c.ended_at.is_(None)
            )
        ).first()
        is_other = outage is not None and server_code not in (None, outage.server_code)
        if outage is None or is_other or until_at <= made_at:
            raise LedgerError(
                "acknowledgement_refused",
                f"Không tiếp nhận được sự cố {incident_id}: sự cố không còn mở hoặc thời hạn tiếp "
                "nhận đã qua.",
                "Kiểm tra mã sự cố và chọn thời hạn ở tương lai.",
            )
        taken_on = insert(ACKNOWLEDGEMENT).values(
            incident_id=incident_id,
            made_at=made_at,
            until_at=until_at,
            owner=owner,
            note=note,
        )
        try:
            connection.execute(taken_on)
        except IntegrityError as error:  # two people at one instant, or a clock that stands still
            raise LedgerError(
                "acknowledgement_refused",
                f"Sự cố {incident_id} vừa được tiếp nhận đúng lúc này.",
                "Tải lại trang để xem ai đã tiếp nhận; cần đổi thì thử lại sau ít phút.",
            ) from error
        deed = audit.Deed(
            made_at=made_at,
            actor=owner,
            action=audit.Action.ACKNOWLEDGED,
            subject=incident_id,
            details={
                "server_code": outage.server_code,
                "until_at": until_at.isoformat(),
                "note": note,
            },
        )
        audit.note(connection, deed)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRow:
    """A row of fct_server_link."""

    server_code: str
    started_at: datetime
    state: LinkState
    cause: Cause | None
    ended_at: datetime | None
    is_maintenance: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageRow:
    """A row of fct_server_outage.

    ``notified_at`` and ``recovered_notified_at`` are when the first mail of the loss and of the
    return left.
    """

    incident_id: str
    server_code: str
    started_at: datetime
    confirmed_at: datetime
    ended_at: datetime | None
    duration_seconds: int | None
    cause: Cause
    inhibited_by: str | None
    is_in_maintenance: bool
    is_retired: bool
    notified_at: datetime | None
    recovered_notified_at: datetime | None


def intervals(engine: Engine) -> list[IntervalRow]:
    """How every link was shown, by server and time; the newest interval of each is open."""
    with reading(engine) as connection:
        rows = connection.execute(
            select(LINK_INTERVAL).order_by(LINK_INTERVAL.c.server_code, LINK_INTERVAL.c.started_at)
        ).mappings()
        return [
            IntervalRow(
                server_code=row["server_code"],
                started_at=row["started_at"],
                state=LinkState(row["state"]),
                cause=Cause(row["cause"]) if row["cause"] else None,
                ended_at=row["ended_at"],
                is_maintenance=row["is_maintenance"],
            )
            for row in rows
        ]


def outages(engine: Engine) -> list[OutageRow]:
    """Every confirmed outage, oldest first, with when people were told."""
    with reading(engine) as connection:
        rows = (
            connection.execute(select(OUTAGE).order_by(OUTAGE.c.started_at, OUTAGE.c.server_code))
            .mappings()
            .all()
        )
        sent = connection.execute(
            select(OUTBOX.c.incident_id, OUTBOX.c.mail_kind, OUTBOX.c.sent_at)
            .where(OUTBOX.c.sent_at.is_not(None))
            .order_by(OUTBOX.c.sent_at.desc())
        ).all()
    notified: dict[str, datetime] = {}
    recovered: dict[str, datetime] = {}
    for incident_id, kind, sent_at in sent:
        if kind in outbox.LOSS_KINDS:
            notified[incident_id] = sent_at
        elif kind == NoticeKind.BACK.value:
            recovered[incident_id] = sent_at
    return [
        OutageRow(
            incident_id=row["incident_id"],
            server_code=row["server_code"],
            started_at=row["started_at"],
            confirmed_at=row["confirmed_at"],
            ended_at=row["ended_at"],
            duration_seconds=(
                int((row["ended_at"] - row["started_at"]).total_seconds())
                if row["ended_at"]
                else None
            ),
            cause=Cause(row["cause"]),
            inhibited_by=row["inhibited_by"],
            is_in_maintenance=row["is_in_maintenance"],
            is_retired=row["is_retired"],
            notified_at=notified.get(row["incident_id"]),
            recovered_notified_at=recovered.get(row["incident_id"]),
        )
        for row in rows
    ]


def _link(memory: str, acknowledged_until: Mapping[str, datetime]) -> Link:
    link = msgspec.json.decode(memory, type=Link)
    if link.outage is None:
        return link
    until = acknowledged_until.get(link.outage.incident_id)
    return replace(link, outage=replace(link.outage, acknowledged_until=until))


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _put_watch(connection: Connection, kept: Kept, watch: Watch) -> None:
    values = {"ticked_at": watch.ticked_at, "memory": _text(replace(watch, links=()))}
    if kept.revision == 0:
        connection.execute(
            insert(LINK_WATCH).values(estate_code=watch.estate_code, revision=1, **values)
        )
        return
    changed = connection.execute(
        update(LINK_WATCH)
        .where(
            LINK_WATCH.c.estate_code == watch.estate_code,
            LINK_WATCH.c.revision == kept.revision,
        )
        .values(revision=kept.revision + 1, **values)
    )
    if changed.rowcount != 1:
        raise LinksMoved(watch.estate_code)


def _put_link(connection: Connection, kept: Kept, link: Link, estate_code: str) -> None:
    values = {
        "estate_code": estate_code,
        "state": link.state.value,
        "evidence_at": link.evidence_at,
        "incident_id": link.outage.incident_id if link.outage else None,
        "is_retired": link.is_retired,
        "memory": _text(link),
    }
    revision = kept.revisions.get(link.server_code)
    if revision is None:
        connection.execute(insert(LINK).values(server_code=link.server_code, revision=1, **values))
        return
    changed = connection.execute(
        update(LINK)
        .where(LINK.c.server_code == link.server_code, LINK.c.revision == revision)
        .values(revision=revision + 1, **values)
    )
    if changed.rowcount != 1:
        raise LinksMoved(link.server_code)


def _put_effect(connection: Connection, effect: object) -> None:
    match effect:
        case IntervalOpened(server_code=code, interval=interval):
            _end_interval(connection, code, interval.started_at)
            _start_interval(connection, code, interval)
        case IntervalClosed(server_code=code, ended_at=ended_at):
            _end_interval(connection, code, ended_at)
        case OutageOpened(server_code=code, outage=outage):
            connection.execute(
                insert(OUTAGE).values(
                    incident_id=outage.incident_id,
                    server_code=code,
                    started_at=outage.started_at,
                    confirmed_at=outage.confirmed_at,
                    cause=outage.cause.value,
                    inhibited_by=outage.inhibited_by,
                    is_in_maintenance=outage.is_in_maintenance,
                    was_never_connected=outage.was_never_connected,
                    is_retired=False,
                )
            )
        case OutageClosed(incident_id=incident_id, ended_at=ended_at, is_retired=is_retired):
            connection.execute(
                update(OUTAGE)
                .where(OUTAGE.c.incident_id == incident_id)
                .values(ended_at=ended_at, is_retired=is_retired)
            )


def _end_interval(connection: Connection, server_code: str, at: datetime) -> None:
    """End the open interval; one of no length never was."""
    is_open = (LINK_INTERVAL.c.server_code == server_code) & LINK_INTERVAL.c.ended_at.is_(None)
    connection.execute(delete(LINK_INTERVAL).where(is_open, LINK_INTERVAL.c.started_at >= at))
    connection.execute(update(LINK_INTERVAL).where(is_open).values(ended_at=at))


def _start_interval(connection: Connection, server_code: str, interval: Interval) -> None:
    connection.execute(
        insert(LINK_INTERVAL).values(
            server_code=server_code,
            started_at=interval.started_at,
            state=interval.state.value,
            cause=interval.cause.value if interval.cause else None,
            is_maintenance=interval.is_maintenance,
        )
    )


def _mail(notice: Notice, estate_code: str) -> outbox.NewMail:
    is_ours = notice.kind is NoticeKind.TROUBLE
    return outbox.NewMail(
        kind=notice.kind.value,
        incident_id=notice.incident_id,
        step=notice.step,
        role=notice.role,
        estate_code=estate_code,
        unit_code=notice.unit_code,
        server_code=notice.server_code,
        channel=outbox.Channel.ENGINEERS if is_ours else outbox.Channel.ALERTS,
        created_at=notice.created_at,
        facts=notice.facts,
    )
