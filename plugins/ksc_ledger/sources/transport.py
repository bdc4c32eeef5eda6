"""One call at a time over one verified TLS connection.

The certificate is checked after the handshake and before the first byte of a request, so a
server that is not the known one learns nothing. Nothing is taken from the environment: no proxy,
no authorities of the system, no key log. Redirects are an error. What may be retried is retried
here and nowhere else.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import random
import secrets
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import urllib3
import urllib3.connection
import urllib3.exceptions

from ksc_ledger.sources import faults
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.sources.faults import CallFault, Trouble

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

log = logging.getLogger(__name__)

PREFIX = "/api/v1.0/"
ALLOWED = frozenset(
    {
        "Session.StartSession",
        "Session.EndSession",
        "HostGroup.GetStaticInfo",
        "HostGroup.FindHosts",
        "HostGroup.FindGroups",
        "ChunkAccessor.GetItemsCount",
        "ChunkAccessor.GetItemsChunk",
        "ChunkAccessor.Release",
        "ServerHierarchy.GetChildServers",
        "HostGroup.GroupIdGroups",
        "HostGroup.GetGroupInfoEx",
        "HostGroup.FindHostsAsync",
        "HostGroup.FindHostsAsyncGetAccessor",
        "HostGroup.FindHostsAsyncCancel",
        "AsyncActionStateChecker.CheckActionState",
        "CgwHelper.GetSlaveServerLocation",
        "GatewayConnection.PrepareGatewayConnection",
        "GatewayConnection.PrepareGatewayConnectionToSecondaryServer",
        "LicenseKeys.EnumKeys",
        "LicenseKeys.AcquireKeyHosts",
        "GroupSyncIterator.GetNextItems",
        "GroupSyncIterator.ReleaseIterator",
        "EventProcessingFactory.CreateEventProcessing2",
        "EventProcessing.GetRecordCount",
        "EventProcessing.GetRecordRange",
        "EventProcessing.ReleaseIterator",
        "SrvView.ResetIterator",
        "SrvView.GetRecordCount",
        "SrvView.GetRecordRange",
        "SrvView.ReleaseIterator",
        "InventoryApi.GetHostInvProducts",
    }
)
"""The only methods that can be called at all. None of them changes anything on a server."""

LOGIN = "Session.StartSession"
NEXT_ITEMS = "GroupSyncIterator.GetNextItems"
TRIES_WHEN_BUSY = 5  # 429, 503
TRIES_WHEN_BROKEN = 3  # other 5xx, a connection that dropped, a body that was cut
RETRY_AFTER_AT_MOST = 300.0
_BACKOFF_BUSY = 2.0
_BACKOFF_BROKEN = 0.5
_BACKOFF_AT_MOST = 60.0
_CLOSING_SECONDS = 5.0
_ERROR_BODY_BYTES = 256 * 1024
_PIECE = 64 * 1024


class MethodNotAllowed(ValueError):  # noqa: N818 - it names the refusal, like PermissionError
    """A method outside ALLOWED was asked for: a mistake of ours; nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer with status 200.

    ``date`` is the server's own clock (header ``Date``). ``is_framed`` is False when only the end
    of the connection told where the body ends: it may then be cut without anybody noticing.
    """

    body: bytes
    date: datetime | None
    is_framed: bool


Keep = Callable[[str, int, bytes, bool], None]
"""Called with method, HTTP status, the body unpacked, and whether it is whole; before parsing."""


def _keep_nothing(method: str, status: int, body: bytes, is_whole: bool) -> None:
    return


class _TimedSocket(ssl.SSLSocket):
    """A TLS socket whose reads end at an instant, however slowly the bytes trickle in.

    A timeout of a socket is per recv; a server that sends one byte now and then would pass it
    for ever, in the headers as well as in the body.
    """

    _read_seconds: float = 30.0
    _end_at: float | None = None

    def limit(self, read_seconds: float, end_at: float) -> None:
        """``end_at`` is on time.monotonic()."""
        self._read_seconds = read_seconds
        self._end_at = end_at

    def recv_into(self, buffer: WriteableBuffer, nbytes: int | None = None, flags: int = 0) -> int:
        if self._end_at is not None:
            left = self._end_at - time.monotonic()
            if left <= 0:
                raise TimeoutError("the call's time is up")
            self.settimeout(min(self._read_seconds, left))
        return super().recv_into(buffer, nbytes, flags)


class Transport:
    """POST to one server. Not for several threads; ``sleep`` and ``chance`` are for tests.

    ``server_seconds`` of the budget begins to run when the object is made, unless ``end_at`` (on
    time.monotonic) says when it is over.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        budget: Budget,
        keep: Keep | None = None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
        end_at: float | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._budget = budget
        self._keep = keep or _keep_nothing
        self._sleep = sleep
        self._chance = chance
        self.end_at = time.monotonic() + budget.server_seconds if end_at is None else end_at
        self._context: ssl.SSLContext | None = None
        self._connection: urllib3.connection.HTTPSConnection | None = None
        self._trace = secrets.token_hex(8)
        self._calls = 0
        self._is_expiry_known = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def connect(self) -> str:
        """Connect and check the certificate, nothing more; the SHA-256 of the one that was seen.

        Raises CallFault.
        """
        connection = self._connected()
        return _leaf_sha256(connection)

    def post(
        self,
        method: str,
        arguments: Mapping[str, Any],
        *,
        session: str | None = None,
        authorization: str | None = None,
        is_patient: bool = True,
    ) -> Answer:
        """One call, with the retries that are safe. Raises CallFault, MethodNotAllowed.

        ``is_patient`` False: one try and a few seconds, beyond the server's budget if need be;
        for goodbyes.
        """
        if method not in ALLOWED:
            raise MethodNotAllowed(f"{method} is not among the questions this product may ask")
        body = json.dumps(arguments, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "gzip",
            "User-Agent": "ksc-ledger",
        }
        if session is not None:
            headers["X-KSC-Session"] = session
        if authorization is not None:
            headers["Authorization"] = authorization
        tries = 0
        while True:
            tries += 1
            now = time.monotonic()
            end_at = min(now + self._budget.call_seconds, self.end_at)
            if not is_patient:
                end_at = now + _CLOSING_SECONDS
            elif end_at <= now:
                raise faults.out_of_budget(self._endpoint, self._budget.server_seconds)
            self._calls += 1
            headers["X-KSC-RequestId"] = f"{self._trace}_{self._calls:016x}"
            try:
                return self._once(method, body, headers, end_at)
            except CallFault as fault:
                may_wait = is_patient and self._budget.may_try_again
                wait = self._wait(method, fault, tries) if may_wait else None
                if wait is None or time.monotonic() + wait >= self.end_at:
                    raise
                log.warning(
                    "%s: %s; hỏi lại lần %d sau %.1f giây",
                    self._endpoint.label,
                    fault.text,
                    tries + 1,
                    wait,
                )
                self._sleep(wait)

    def _wait(self, method: str, fault: CallFault, tries: int) -> float | None:
        """Seconds until the next try; None when there must be none."""
        status = fault.http_status
        if fault.trouble is Trouble.STATUS and status in (429, 503):
            if tries >= TRIES_WHEN_BUSY:
                return None
            if fault.retry_after_seconds is not None:
                asked = min(fault.retry_after_seconds, RETRY_AFTER_AT_MOST)
                # Spread, so that clients told the same do not come back together.
                return asked + self._chance() * min(1 + asked * 0.1, 10.0)
            return self._chance() * min(_BACKOFF_BUSY * (1 << tries), _BACKOFF_AT_MOST)
        if tries >= TRIES_WHEN_BROKEN or (method == NEXT_ITEMS and fault.was_sent):
            # What GetNextItems has handed out it does not hand out a second time.
            return None
        is_broken = (
            fault.trouble in (Trouble.DROPPED, Trouble.CUT)
            or (fault.trouble is Trouble.STATUS and status is not None and status >= 500)
        )  # fmt: skip
        if not is_broken:
            return None
        if method == LOGIN and fault.was_sent and status is None:
            # The server may have counted it as a wrong password; nobody knows. Not twice.
            return None
        return self._chance() * _BACKOFF_BROKEN * (1 << tries)

    def _once(self, method: str, body: bytes, headers: Mapping[str, str], end_at: float) -> Answer:
        connection = self._connected()
        if not self._is_expiry_known and self._endpoint.ca_file is None:
            self._is_expiry_known = True
            self._warn_of_expiry(connection)
        sock = connection.sock
        if not isinstance(sock, _TimedSocket):
            raise TypeError("the connection is not the one this module makes")
        sock.limit(self._budget.read_seconds, end_at)
        try:
            response = self._exchange(connection, method, body, headers)
        except BaseException:
            self.close()
            raise
        is_in_step = False
        try:
            answer = self._read(method, response)
            is_in_step = True
        except CallFault as fault:
            # After an HTTP status with a body read to its end the connection can go on.
            is_in_step = fault.trouble is Trouble.STATUS and fault.body_is_whole
            raise
        finally:
            if not is_in_step:
                response.close()
                self.close()
        return answer

    def _warn_of_expiry(self, connection: urllib3.connection.HTTPSConnection) -> None:
        """An expired certificate is still the one we know by its pin; somebody should renew it."""
        until = _valid_until(connection)
        if until is not None and until <= datetime.now(UTC):
            log.warning(
                "Chứng thư của máy chủ %s đã hết hạn từ %s; vẫn hỏi vì vân tay đúng. Gia hạn chứng "
                "thư trên KSC rồi cập nhật certificate_sha256 trong kết nối.",
                self._endpoint.label,
                f"{until:%d/%m/%Y}",
            )

    def _exchange(
        self,
        connection: urllib3.connection.HTTPSConnection,
        method: str,
        body: bytes,
        headers: Mapping[str, str],
    ) -> urllib3.HTTPResponse:
        endpoint = self._endpoint
        try:
            connection.request(
                "POST",
                PREFIX + method,
                body=body,
                headers=headers,
                preload_content=False,
                decode_content=False,
            )
            return connection.getresponse()
        except TimeoutError as error:
            raise self._timed_out(method) from error
        except (ConnectionError, ssl.SSLError) as error:  # RemoteDisconnected is among them
            raise faults.dropped(endpoint, was_sent=True) from error
        except http.client.HTTPException as error:
            raise faults.not_the_protocol(
                endpoint, method, "phần đầu không phải HTTP/1.1", None
            ) from error
        except OSError as error:
            raise faults.dropped(endpoint, was_sent=True) from error

    def _read(self, method: str, response: urllib3.HTTPResponse) -> Answer:
        """Read the body; keep it, cut or whole; then judge the status."""
        status = response.status
        limit = self._budget.max_body_bytes
        body = _Body(limit if status == 200 else min(limit, _ERROR_BODY_BYTES), response)
        fault: CallFault | None = None
        try:
            body.read_from(response)
        except _TooLarge:
            fault = faults.too_large(self._endpoint, method, limit, status)
        except _NotPacked:
            fault = faults.not_the_protocol(
                self._endpoint,
                method,
                f"thân không nén đúng kiểu {faults.one_line(body.encoding, 20)!r}",
                status,
            )
        except (TimeoutError, urllib3.exceptions.ReadTimeoutError):
            fault = self._timed_out(method)
        except (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError):
            fault = faults.cut(self._endpoint, method, status)
        self._keep(method, status, body.unpacked(), fault is None)
        if status != 200:
            # What the status says outweighs a broken body: a 401 must never look like a cut.
            raise _of_status(self._endpoint, method, response, body_is_whole=fault is None)
        if fault is not None:
            raise fault
        return Answer(body.unpacked(), _date(response), body.is_framed)

    def _timed_out(self, method: str) -> CallFault:
        budget = self._budget
        return faults.timed_out(
            self._endpoint,
            f"không trả lời xong {method} trong hạn ({budget.read_seconds:g} giây mỗi lần chờ, "
            f"{budget.call_seconds:g} giây mỗi câu hỏi)",
            was_sent=True,
        )

    def _connected(self) -> urllib3.connection.HTTPSConnection:
        """The open connection, else a new one whose certificate was just checked."""
        connection = self._connection
        if connection is not None and connection.is_connected:
            return connection
        self.close()
        endpoint = self._endpoint
        if self._context is None:
            self._context = _tls_context(endpoint)
        connection = urllib3.connection.HTTPSConnection(
            endpoint.host,
            endpoint.port,
            timeout=self._budget.connect_seconds,
            ssl_context=self._context,
            server_hostname=endpoint.server_hostname,
        )
        # Never connect behind our back: a connection is used only after its certificate was seen.
        connection.auto_open = 0
        try:
            _open(connection, endpoint, self._budget.connect_seconds)
            seen = _leaf_sha256(connection)
            if endpoint.certificate_sha256 and seen not in endpoint.certificate_sha256:
                raise faults.wrong_pin(endpoint, seen)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection


def _tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """TLS 1.2 or later; trusts the endpoint's file only, or the pin that is checked afterwards."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TimedSocket
    if endpoint.ca_file is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    # klserver.cer need not be an authority's certificate: it may itself be the end of the chain.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cafile=endpoint.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise faults.ca_file_unusable(endpoint) from error
    return context


def _open(
    connection: urllib3.connection.HTTPSConnection, endpoint: Endpoint, seconds: float
) -> None:
    """TCP and TLS; classify what goes wrong. Nothing of ours was sent in any of these cases."""
    try:
        connection.connect()
    except (urllib3.exceptions.NameResolutionError, urllib3.exceptions.LocationParseError) as error:
        raise faults.unknown_name(endpoint) from error
    except urllib3.exceptions.NewConnectionError as error:
        # Before the next: urllib3 makes this one a kind of ConnectTimeoutError.
        raise faults.refused(endpoint) from error
    except (urllib3.exceptions.ConnectTimeoutError, TimeoutError) as error:
        what = f"không nối được trong {seconds:g} giây"
        raise faults.timed_out(endpoint, what, was_sent=False) from error
    except ssl.SSLCertVerificationError as error:
        raise faults.untrusted(endpoint, error.verify_code) from error
    except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError) as error:
        raise faults.dropped(endpoint, was_sent=False) from error
    except ssl.SSLError as error:
        raise faults.not_tls(endpoint) from error
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise faults.refused(endpoint) from error


def _leaf_sha256(connection: urllib3.connection.HTTPSConnection) -> str:
    sock = connection.sock
    if not isinstance(sock, ssl.SSLSocket):
        raise TypeError("the connection carries no TLS")
    return hashlib.sha256(sock.getpeercert(binary_form=True) or b"").hexdigest()


def _valid_until(connection: urllib3.connection.HTTPSConnection) -> datetime | None:
    """When the certificate ends; None when it is too odd to be read (its pin is right all the same)."""
    # An unverified certificate is not taken apart by ``ssl``, and who has an authority needs none.
    from cryptography import x509

    sock = connection.sock
    der = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    try:
        return x509.load_der_x509_certificate(der or b"").not_valid_after_utc
    except ValueError:
        return None


class _TooLarge(Exception):  # noqa: N818 - internal signal
    """The body passed its cap, as sent or unpacked."""


class _NotPacked(Exception):  # noqa: N818 - internal signal
    """The body is not packed the way its header says."""


class _Body:
    """Collects a body, unpacks gzip as it comes, and stops at the cap instead of after it."""

    def __init__(self, limit: int, response: urllib3.HTTPResponse) -> None:
        headers = response.headers
        self.encoding = headers.get("Content-Encoding", "").strip().lower()
        self.is_framed = (
            "Content-Length" in headers or "chunked" in headers.get("Transfer-Encoding", "").lower()
        )
        self._left = limit
        self._pieces: list[bytes] = []
        self._gzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if self.encoding == "gzip" else None

    def read_from(self, response: urllib3.HTTPResponse) -> None:
        """Raises _TooLarge, _NotPacked, and what the connection raises."""
        if self.encoding not in ("", "identity", "gzip"):
            raise _NotPacked
        received = 0
        cap = self._left
        announced = response.headers.get("Content-Length", "")
        if announced.isascii() and announced.isdigit() and int(announced[:18]) > cap:
            raise _TooLarge
        while piece := response.read1(_PIECE):
            received += len(piece)
            if received > cap:
                raise _TooLarge
            self._take(piece)
        if self._gzip is not None and received and not self._gzip.eof:
            raise http.client.IncompleteRead(b"")

    def unpacked(self) -> bytes:
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def _take(self, piece: bytes) -> None:
        if self._gzip is not None:
            try:
                # One byte more than allowed tells a body at the cap from one beyond it.
                piece = self._gzip.decompress(piece, self._left + 1)
            except zlib.error as error:
                raise _NotPacked from error
            if self._gzip.unused_data:
                raise _NotPacked
        if len(piece) > self._left:
            raise _TooLarge
        self._left -= len(piece)
        if piece:
            self._pieces.append(piece)


def _of_status(
    endpoint: Endpoint, method: str, response: urllib3.HTTPResponse, *, body_is_whole: bool
) -> CallFault:
    headers = response.headers
    wants_second_factor = headers.get("WWW-Authenticate", "").lstrip().upper().startswith("KSCMFA")
    return faults.bad_status(
        endpoint,
        method,
        response.status,
        is_login=method == LOGIN,
        wants_second_factor=wants_second_factor,
        retry_after_seconds=_retry_after(response),
        pending_session=headers.get("X-KSC-Session") if wants_second_factor else None,
        body_is_whole=body_is_whole,
    )


def _date(response: urllib3.HTTPResponse) -> datetime | None:
    return _http_date(response.headers.get("Date", ""))


def _http_date(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _retry_after(response: urllib3.HTTPResponse) -> float | None:
    """Seconds asked for; an HTTP date is taken against the server's own clock."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    until = _http_date(text)
    if until is None:
        return None
    return max(0.0, (until - (_date(response) or datetime.now(UTC))).total_seconds())
