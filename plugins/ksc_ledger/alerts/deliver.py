"""Drain the outbox: claim a mail, bind its recipients, hand it over, note what became of it.

The order is claim, send, note. A process that dies after the relay's answer and before the note
leaves a claim that runs out; whoever takes it over sends the same bytes under the same Message-ID,
marked as a retry. Nothing is dropped: what cannot be delivered in ``give_up_after`` is dead and stays
visible.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ksc_ledger.alerts.compose import Attachment, Sender, compose
from ksc_ledger.alerts.outlets import Outlet, RelayDown
from ksc_ledger.alerts.roles import Directory
from ksc_ledger.errors import LedgerError
from ksc_ledger.state import outbox
from ksc_ledger.state.links import Reached, nothing
from ksc_ledger.state.outbox import Channel, Mail, MailStatus, Recipient, RecipientStatus

if TYPE_CHECKING:
    from sqlalchemy import Engine

log = logging.getLogger(__name__)

_NOBODY = "Không có ai giữ vai trò {role} cho đơn vị {unit}: bổ sung vào contacts.csv."


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a claim holds, how waiting grows, and when a mail is given up on.

    ``limit`` bounds the mails of one drain and ``seconds`` its real time: the next one goes on.
    """

    claim_seconds: float = 300.0
    first_wait: timedelta = timedelta(minutes=1)
    longest_wait: timedelta = timedelta(minutes=60)
    longest_relay_wait: timedelta = timedelta(minutes=15)
    give_up_after: timedelta = timedelta(hours=72)
    limit: int = 200
    seconds: float = 240.0


@dataclass(frozen=True, slots=True)
class Delivered:
    """How many mails ended this drain in which way; ``relay_error`` if the relay took none."""

    counts: Counter[str] = field(default_factory=Counter)
    relay_error: str | None = None


def real_now() -> datetime:
    return datetime.now(UTC)


def deliver(
    engine: Engine,
    channel: Channel,
    outlet: Outlet,
    directory: Directory,
    sender: Sender,
    *,
    owner: str,
    now: datetime,
    real_clock: Callable[[], datetime] = real_now,
    patience: Patience = Patience(),
    jitter: Callable[[], float] = random.random,
    reached: Reached = nothing,
    files: Path | None = None,
) -> Delivered:
    """Send what is due on a channel. ``now`` is on the mode's clock, ``real_clock`` is real time.

    ``files``: the folder in which the files lie that mails name in their fact ``attachment``.
    Two drains at once share the work: a mail is claimed by one of them.
    """
    trouble = outbox.relay_trouble(engine, channel)
    started_at = real_clock()
    if trouble is not None and started_at < trouble.next_try_at:
        return Delivered(relay_error=trouble.last_error)
    drain = _Drain(
        engine=engine,
        channel=channel,
        outlet=outlet,
        directory=directory,
        sender=sender,
        now=now,
        real_clock=real_clock,
        patience=patience,
        jitter=jitter,
        reached=reached,
        files=files,
        relay_failures=trouble.failure_count if trouble else 0,
    )
    counts: Counter[str] = Counter()
    for _ in range(patience.limit):
        if (real_clock() - started_at).total_seconds() >= patience.seconds:
            break
        mail = outbox.claim_next(engine, channel, owner, patience.claim_seconds, real_clock())
        if mail is None:
            break
        reached("mail:claimed")
        try:
            counts[drain.attempt(mail)] += 1
        except RelayDown as error:
            return Delivered(counts, drain.note_relay_down(mail, str(error)))
        except Exception as error:
            # One mail nobody can send must not keep the others waiting.
            log.exception("could not attempt mail %s", mail.message_id)
            drain.postpone(mail, f"{type(error).__name__}: {error}")
            counts["failed"] += 1
    return Delivered(counts)


@dataclass(slots=True, kw_only=True)
class _Drain:
    engine: Engine
    channel: Channel
    outlet: Outlet
    directory: Directory
    sender: Sender
    now: datetime
    real_clock: Callable[[], datetime]
    patience: Patience
    jitter: Callable[[], float]
    reached: Reached
    relay_failures: int
    files: Path | None = None

    def attempt(self, mail: Mail) -> str:
        """Try one claimed mail; return what became of it."""
        if mail.is_rehearsal is not self.outlet.is_rehearsal:
            raise LedgerError(
                "mail_of_another_mode",
                f"Thư {mail.message_id} thuộc chế độ khác với nơi gửi (diễn tập và thật không "
                "được trộn).",
                "Dùng thư mục dữ liệu diễn tập riêng; kiểm tra tệp .rehearsal.",
            )
        if outbox.yield_to_newer(self.engine, mail, self.now) is not None:
            return "merged"
        bound = self._bind(mail)
        if bound is None:
            self.postpone(mail)
            return "postponed"
        recipients, is_merged = bound
        self.reached("mail:bound")
        waiting = [one for one in recipients if one.status is RecipientStatus.PENDING]
        if not recipients:
            return self._settle(mail, [], error=_NOBODY.format(role=mail.role, unit=mail.unit_code))
        message = compose(
            mail,
            recipients,
            self.sender,
            is_retry=mail.attempt_count > 1,
            is_merged=is_merged,
            attachments=self._attachments(mail),
        )
        self.reached("mail:composed")
        results = (
            self.outlet.send(mail, [one.address for one in waiting], message) if waiting else []
        )
        self.reached("mail:sent")
        if self.relay_failures:
            outbox.note_relay_works(self.engine, self.channel)
            self.relay_failures = 0
        failed = [one.reply for one in results if one.status is not RecipientStatus.SENT]
        return self._settle(mail, results, error="; ".join(failed) or None)

    def postpone(self, mail: Mail, error: str | None = None) -> None:
        """Give the mail back untried, for as long as an attempt of its own would cost."""
        wait = self._wait(mail.attempt_count, self.patience.longest_wait)
        outbox.put_back(self.engine, mail, self.real_clock() + wait, error)

    def note_relay_down(self, mail: Mail, error: str) -> str:
        """Give the mail back and leave the relay alone for a while."""
        self.relay_failures += 1
        wait = self._wait(self.relay_failures, self.patience.longest_relay_wait)
        next_try_at = self.real_clock() + wait
        log.warning("the relay of %s takes no mail: %s", self.channel, error)
        outbox.note_relay_failed(self.engine, self.channel, error, self.real_clock(), next_try_at)
        if self._is_last_try(mail):
            self._settle(mail, [], error=error)
        else:
            outbox.put_back(self.engine, mail, next_try_at, error)
        return error

    def _attachments(self, mail: Mail) -> list[Attachment]:
        """The file a mail names, below the folder of such files; a mail without one goes as well."""
        name = mail.facts.get("attachment")
        if not isinstance(name, str) or self.files is None:
            return []
        file = (self.files / name).resolve()
        if not file.is_relative_to(self.files.resolve()):
            raise LedgerError(
                "attachment_outside",
                f"Thư {mail.message_id} đính kèm một tệp ngoài thư mục công văn.",
                "Xóa thư này khỏi hàng đợi và báo nhóm kỹ thuật.",
            )
        return [Attachment(name=file.name, content=file.read_bytes())]

    def _bind(self, mail: Mail) -> tuple[list[Recipient], bool] | None:
        """The recipients of the mail, kept from its first attempt on; None: not now."""
        holders = self.directory.recipients(mail.role, mail.unit_code)
        if mail.kind == outbox.ENDING_KIND:
            ending = outbox.bind_ending(self.engine, mail, holders, self.now, self.real_clock())
            return None if ending is None else (ending.recipients, ending.is_merged)
        bound = outbox.bind(self.engine, mail, holders, self.now)
        return None if bound is None else (bound, False)

    def _settle(self, mail: Mail, results: list[outbox.Result], *, error: str | None) -> str:
        status = outbox.settle(
            self.engine,
            mail,
            results,
            now=self.now,
            retry_at=self.real_clock() + self._wait(mail.attempt_count, self.patience.longest_wait),
            is_last_try=self._is_last_try(mail),
            error=error,
        )
        self.reached("mail:noted")
        if status is MailStatus.DEAD:
            log.error("gave up on mail %s: %s", mail.message_id, error)
        return "fenced" if status is None else status.value

    def _is_last_try(self, mail: Mail) -> bool:
        return self.now - mail.created_at >= self.patience.give_up_after

    def _wait(self, attempt: int, longest: timedelta) -> timedelta:
        """1, 2, 4 … minutes, each up to a fifth shorter so that waiting mails do not march in step."""
        growth: int = 2 ** min(attempt - 1, 16)
        wait = min(self.patience.first_wait * growth, longest)
        return wait * (1 - 0.2 * self.jitter())
