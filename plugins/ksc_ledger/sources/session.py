"""A session with one server: log in, ask, log out, and ask anew what was lost on the way."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NoReturn, Self, TypeVar
from urllib.parse import quote

import msgspec

from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.landing.archive import Archive
from ksc_ledger.sources import faults, wire
from ksc_ledger.sources.endpoint import HIDDEN, Budget, Endpoint
from ksc_ledger.sources.faults import CallFault, ServerSaidNo
from ksc_ledger.sources.transport import LOGIN, Answer, Transport
from ksc_ledger.sources.wire import NotTheWire, Parsed

log = logging.getLogger(__name__)

SET_READS_AT_MOST = 3
_READERS = ("ChunkAccessor.", "EventProcessing.", "SrvView.Get", "GroupSyncIterator.")
_KEY_GIVERS = ("GatewayConnection.",)  # their answers open a session
_REPEATING_AT_MOST = 64 * 1024  # bytes; what is longer holds rows and does not repeat our question
_SESSION = re.compile(r"[\x21-\x7e]{1,4096}")

T = TypeVar("T")
Record = TypeVar("Record", bound=msgspec.Struct)


class SessionGone(Exception):  # noqa: N818 - internal signal of this room
    """401 or 403 after a login that had been accepted."""

    def __init__(self, fault: CallFault, method: str) -> None:
        super().__init__(method)
        self.fault = fault
        self.is_reading = method.startswith(_READERS)


class SetDisagrees(Exception):  # noqa: N818 - internal signal of this room
    """A set contradicts itself or is gone; only a new set can help."""

    def __init__(self, what: str, fault: SourceFault | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Gateway:
    """The way to a secondary server: ``key`` gets a one-time key from the server before it.

    ``end_at`` (time.monotonic) is when the time of the server before it is up.
    """

    key: Callable[[], str]
    end_at: float


class KscSession:
    """Logs in on entry, logs out on exit, whatever happened between.

    ``archive`` gets every body before it is parsed, except those that hold a session or a key.
    ``now`` is the mode's clock. All methods raise SourceFault and nothing else on account of the
    server.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        budget: Budget,
        archive: Archive | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        sleep: Callable[[float], None] = time.sleep,
        gateway: Gateway | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._budget = budget
        self._archive = archive
        self._now = now
        self._sleep = sleep
        self._gateway = gateway
        self._transport = Transport(
            endpoint,
            budget,
            self._keep,
            sleep=sleep,
            end_at=None if gateway is None else gateway.end_at,
        )
        self._session: str | None = None
        self._logins = 0

    def __enter__(self) -> Self:
        try:
            self._log_in()
        except BaseException:
            self._transport.close()
            raise
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._session is not None:
                self._say_goodbye("Session.EndSession", {}, self._session)
        finally:
            self._session = None
            self._transport.close()

    def _whole(self, read: Callable[[], T]) -> T:
        """What ``read`` gives, read anew as a whole when it does not add up.

        At most SET_READS_AT_MOST times in all and over one new login; then SourceFault.
        """
        reads = 0
        while True:
            reads += 1
            try:
                return read()
            except SetDisagrees as lost:
                log.warning("%s: %s (lần đọc %d)", self._endpoint.label, lost.what, reads)
                if reads >= SET_READS_AT_MOST:
                    raise lost.fault or faults.set_disagrees(
                        self._endpoint, lost.what, reads
                    ) from lost
            except SessionGone as gone:
                self._log_in_again(gone)

    def _ask(self, method: str, arguments: Mapping[str, Any]) -> tuple[Parsed, datetime | None]:
        """A call that stands alone: after a lost session it is simply asked again, once."""
        return self._whole(lambda: self._call(method, arguments))

    def _ask_if_offered(self, method: str, arguments: Mapping[str, Any]) -> Parsed:
        """The same for a question that not every server knows. Raises NotOffered too."""
        return self._whole(lambda: self._open(method, arguments))

    def _open(self, method: str, arguments: Mapping[str, Any]) -> Parsed:
        """The first call of such a question. Raises NotOffered too."""
        try:
            return self._call(method, arguments)[0]
        except CallFault as fault:
            if faults.is_absence(fault):
                raise faults.NotOffered(self._endpoint, method, fault) from fault
            raise

    def _call(self, method: str, arguments: Mapping[str, Any]) -> tuple[Parsed, datetime | None]:
        """One call in the session: the parsed answer and the server's clock."""
        answer = self._post(method, arguments)
        return self._parsed(method, answer), answer.date

    def _call_again(self, method: str, arguments: Mapping[str, Any]) -> Parsed:
        """A later call on what the server holds for us: a business error means that it is gone."""
        return self._still_there(method, self._post(method, arguments))

    def _still_there(self, method: str, answer: Answer) -> Parsed:
        try:
            return self._parsed(method, answer)
        except ServerSaidNo as fault:
            raise SetDisagrees("tập kết quả không còn đọc được", fault) from fault

    def _post(self, method: str, arguments: Mapping[str, Any]) -> Answer:
        """One call in the session."""
        try:
            return self._transport.post(method, arguments, session=self._session)
        except CallFault as fault:
            if fault.http_status in (401, 403):
                raise SessionGone(fault, method) from fault
            raise

    def _parsed(self, method: str, answer: Answer) -> Parsed:
        try:
            parsed = wire.parse(answer.body)
        except NotTheWire as error:
            if not answer.is_framed and answer.body:
                # Only the end of the connection marked the end: most likely it came too early.
                raise faults.cut(self._endpoint, method, 200) from error
            self._refuse(method, error)
        if "PxgError" in parsed.value:
            raise self._business_error(method, parsed.value["PxgError"])
        return parsed

    def _business_error(self, method: str, error: Any) -> ServerSaidNo:
        facts = error if isinstance(error, dict) else {}
        number = facts.get("code")
        return ServerSaidNo(
            self._endpoint,
            method,
            module=faults.one_line(self._discreet(str(facts.get("module") or "")), 40),
            number=number if type(number) is int else 0,
            message=self._discreet(str(facts.get("message") or "")),
        )

    def _unwrapped(self, method: str, answer: Parsed, name: str = "PxgRetVal") -> Any:
        try:
            return wire.unwrap(answer.value.get(name))
        except NotTheWire as error:
            self._refuse(method, error)

    def _text(self, method: str, answer: Parsed, name: str) -> str:
        """A member that must be there, such as the id of an iterator."""
        value = answer.value.get(name)
        if not isinstance(value, str) or not value:
            self._refuse(method, NotTheWire(f"thiếu {name}"))
        return value

    def _record(self, method: str, facts: Any, kind: type[Record]) -> Record:
        try:
            return msgspec.convert(facts, kind)
        except msgspec.ValidationError as error:
            log.warning("%s: %s: %s", self._endpoint.label, method, error)
            self._refuse(method, NotTheWire("bản ghi thiếu thuộc tính hoặc sai kiểu"))

    def _refuse(self, method: str, error: NotTheWire) -> NoReturn:
        raise faults.not_the_protocol(self._endpoint, method, str(error)) from error

    def _log_in(self) -> None:
        self._session = None
        self._logins += 1
        gateway = self._gateway
        authorization = (
            self._endpoint.authorization() if gateway is None else f"KSCGW {gateway.key()}"
        )
        try:
            answer = self._transport.post(LOGIN, {}, authorization=authorization)
        except CallFault as fault:
            if fault.pending_session and _SESSION.fullmatch(fault.pending_session):
                self._say_goodbye("Session.EndSession", {}, fault.pending_session)
            if gateway is not None and fault.fault_code is FaultCode.CREDENTIALS:
                raise faults.gateway_refused(self._endpoint) from fault
            raise
        parsed = self._parsed(LOGIN, answer)
        session = parsed.value.get("PxgRetVal")
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            self._refuse(LOGIN, NotTheWire("thiếu mã phiên làm việc"))
        self._session = session

    def _log_in_again(self, gone: SessionGone) -> None:
        """The one new login a client may make; the second loss is a fault."""
        if not self._budget.may_try_again:
            raise gone.fault from gone
        if self._logins > 1:
            raise (faults.set_lost(self._endpoint) if gone.is_reading else gone.fault) from gone
        log.warning("%s: phiên làm việc bị kết thúc, đăng nhập lại.", self._endpoint.label)
        self._log_in()

    def _say_goodbye(self, method: str, arguments: Mapping[str, Any], session: str | None) -> None:
        """Free what the server holds for us. It frees it by itself in time, so failing is no harm."""
        try:
            self._transport.post(method, arguments, session=session, is_patient=False)
        except CallFault as fault:
            log.info("%s (%s)", fault.text, method)

    def _keep(self, method: str, status: int, body: bytes, is_whole: bool) -> None:
        if self._archive is None or (method.startswith(_KEY_GIVERS) and status == 200):
            return
        is_session = status == 200 and body.lstrip()[:1] in (b"{", b"")
        if method == LOGIN and (self._gateway is not None or is_session):
            return  # holds the session's id, or may repeat a gateway's key
        if len(body) <= _REPEATING_AT_MOST:
            text = body.decode(errors="surrogateescape")
            body = self._discreet(text).encode(errors="surrogateescape")
        self._archive.keep(method, status, body, is_whole=is_whole)

    def _discreet(self, text: str) -> str:
        """What a server said, without the password and the session, should it have repeated them."""
        if self._session is not None:
            for form in (self._session, quote(self._session, safe="")):
                text = text.replace(form, HIDDEN)
        return self._endpoint.without_secrets(text)
