"""What runs at the site: collect as the centre would, keep it, send what was not sent yet.

A small home of its own (``KSC_LEDGER_HOME``) holds what landed and up to where the centre has it.
Nothing listens here; the one way out is HTTPS to the centre, whose certificate is verified.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import logging
import os
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ksc_ledger.clock import Clock
from ksc_ledger.collection import collect_under_lease, knock
from ksc_ledger.errors import FaultCode, LedgerError
from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import Load, LoadStatus
from ksc_ledger.push.bundle import Bundle, NotABundle, pack
from ksc_ledger.rules.links_evidence import Knock
from ksc_ledger.settings import Places, Settings
from ksc_ledger.sources.endpoint import Budget, Endpoint

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

log = logging.getLogger(__name__)

CONNECT_SECONDS = 15.0
ANSWER_SECONDS = 120.0
ANSWER_BYTES_AT_MOST = 64 * 1024
MANIFEST_MONTHS_KEPT = 13
_NOT_FOR_GOOD = frozenset({401, 403, 404, 405, 408, 409, 429})
_HOUSE = "push"

_KNOCKS = {
    FaultCode.UNREACHABLE: Knock.TIMEOUT,
    FaultCode.CERTIFICATE: Knock.CERTIFICATE,
    FaultCode.CREDENTIALS: Knock.CREDENTIALS,
    FaultCode.SECOND_FACTOR: Knock.CREDENTIALS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """Where to send: ``https://host[:port]/path``. ``ca_file`` None: the system's authorities."""

    url: str
    ca_file: Path | None = None

    def connect(self) -> tuple[http.client.HTTPSConnection, str]:
        """A connection that is not open yet, and the path. Raises LedgerError."""
        parts = urlsplit(self.url)
        if parts.scheme != "https" or not parts.hostname or parts.query or parts.username:
            raise LedgerError(
                "push_address_wrong",
                f"Địa chỉ trung tâm {self.url!r} không dùng được.",
                "Ghi dạng https://ksc-ledger.example/gui-so-lieu/v1, đúng như trung tâm thông báo.",
            )
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            port = parts.port
        except (OSError, ValueError) as error:
            raise LedgerError(
                "push_ca_unreadable",
                f"Không dùng được tệp chứng thư {self.ca_file} hoặc cổng trong địa chỉ.",
                "Kiểm tra --ca-file (tệp PEM) và địa chỉ trung tâm.",
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        connection = http.client.HTTPSConnection(
            parts.hostname, port, timeout=CONNECT_SECONDS, context=context
        )
        return connection, parts.path or "/"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the centre said. ``said`` is its JSON, empty when it was none."""

    status: int
    said: dict[str, Any]

    @property
    def is_taken(self) -> bool:
        return self.status == 200 and "max_bytes" in self.said

    @property
    def is_for_good(self) -> bool:
        """Whether the same bundle would be refused again however often it is sent."""
        return 400 <= self.status < 500 and self.status not in _NOT_FOR_GOOD

    @property
    def text(self) -> str:
        return _one_line(self.said.get("text"), f"Trung tâm trả lời HTTP {self.status}.")

    @property
    def remedy(self) -> str:
        return _one_line(
            self.said.get("remedy"), "Kiểm tra địa chỉ trung tâm; hỏi người quản trị trung tâm."
        )


@dataclass(slots=True)
class Sent:
    """What one run did. ``refused``: loads that the centre will not take, each with its reason."""

    taken: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One server's site: what it asks, as whom it signs, where it sends."""

    settings: Settings
    endpoint: Endpoint
    key: Ed25519PrivateKey
    centre: Centre
    clock: Clock
    real_now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    @property
    def places(self) -> Places:
        return self.settings.places

    @property
    def server_code(self) -> str:
        return self.endpoint.server_code

    def collect(self) -> Load:
        """One attempt to read the server, as the centre's own; a fault is in the Load."""
        from ksc_ledger.state import open_state

        engine = open_state(self.settings.state_url)
        try:
            return collect_under_lease(
                engine,
                self.endpoint,
                estate_code="",  # the centre knows to which estate a server belongs
                places=self.places,
                budget=Budget.of(self.settings),
                chunk_size=self.settings.chunk_size,
                as_of_at=self.clock.now(),
                clock=self.clock,
                owner=f"{socket.gethostname()}:{os.getpid()}:push",
            )
        finally:
            engine.dispose()

    def sign(self) -> None:
        """Tell the centre that we are here and how our server answers. Raises LedgerError."""
        found = knock(self.endpoint, Budget.of(self.settings))
        self._greet(Knock(found.outcome.value))

    def send(self, seen: Knock | None = None) -> Sent:
        """Send every load that the centre does not have, the oldest first.

        ``seen``: how the server answered just now; None: as in the newest load. A load that is
        refused for good is passed over and told; anything else ends the run with LedgerError, and
        the next run begins where this one ended.
        """
        with self._alone():
            waiting = list(self.waiting())
            newest = waiting[-1] if waiting else None
            at_most = self._greet(seen or _knock_of(newest))
            done = Sent()
            for load in waiting:
                answer = self._send_one(load, at_most)
                if answer.is_taken:
                    done.taken.append(load.load_id)
                    self._forget_rows(load)
                elif answer.is_for_good:
                    done.refused[load.load_id] = f"{answer.text} {answer.remedy}"
                else:
                    raise _not_taken(answer)
                self._note_sent(load)
            self._tidy()
            return done

    def waiting(self) -> Iterator[Load]:
        """The loads after the last one that the centre answered for good, the oldest first."""
        last = self._last_sent()
        found = (self.places.snapshot / self.server_code).glob("*/*.json")
        for path in sorted(found, key=lambda one: one.stem):
            if path.stem > last:
                yield manifest.read(path)

    def _greet(self, seen: Knock) -> int:
        """Say who we are before anything large is sent; the size the centre takes at most."""
        answer = self._post(self._packed(None, seen))
        if not answer.is_taken:
            raise _not_taken(answer)
        return int(answer.said["max_bytes"])

    def _send_one(self, load: Load, at_most: int) -> Answer:
        try:
            bundle = self._packed(load, _knock_of(load))
        except (NotABundle, FileNotFoundError) as error:
            what = {"text": f"Lần tải {load.load_id} không đóng gói được ({error}).", "remedy": ""}
            return Answer(422, what)
        if bundle.length > at_most:
            return Answer(
                413,
                {
                    "text": f"Lần tải {load.load_id} lớn hơn giới hạn {at_most} byte của trung tâm.",
                    "remedy": "Trung tâm tăng KSC_LEDGER_PUSH_MAX_BYTES.",
                },
            )
        return self._post(bundle)

    def _packed(self, load: Load | None, seen: Knock) -> Bundle:
        return pack(
            load,
            self.places,
            self.key,
            server_code=self.server_code,
            knock=seen,
            sent_at=self.real_now(),
        )

    def _post(self, bundle: Bundle) -> Answer:
        connection, path = self.centre.connect()
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(bundle.length),
            "Accept": "application/json",
        }
        try:
            connection.connect()
            connection.sock.settimeout(ANSWER_SECONDS)
            connection.request("POST", path, body=iter(bundle), headers=headers)
            answer = connection.getresponse()
            raw = answer.read(ANSWER_BYTES_AT_MOST)
        except ssl.SSLCertVerificationError as error:
            raise LedgerError(
                "push_centre_unknown",
                f"Máy trả lời ở {self.centre.url} không chứng minh được là trung tâm "
                f"({error.verify_message}); không gửi gì.",
                "Kiểm tra địa chỉ, --ca-file, ngày giờ của máy này; không bỏ qua kiểm tra chứng thư.",
            ) from error
        except (OSError, http.client.HTTPException) as error:
            raise LedgerError(
                "push_centre_unreachable",
                f"Không gửi được tới {self.centre.url} ({type(error).__name__}).",
                "Kiểm tra đường truyền và tường lửa (HTTPS ra ngoài). Số liệu được giữ lại, lần chạy sau "
                "tự gửi tiếp.",
            ) from error
        finally:
            connection.close()
        return Answer(answer.status, _object(raw))

    @property
    def _house(self) -> Path:
        return self.places.home / _HOUSE / self.server_code

    @property
    def _cursor(self) -> Path:
        return self._house / "sent_up_to"

    def _last_sent(self) -> str:
        try:
            return self._cursor.read_text("utf-8").strip()
        except FileNotFoundError:
            return ""

    def _note_sent(self, load: Load) -> None:
        beside = self._cursor.with_suffix(".tmp")
        with beside.open("w", encoding="utf-8") as file:
            file.write(load.load_id)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._cursor)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Two timers at once must not send the same twice or move the cursor back."""
        self._house.mkdir(parents=True, exist_ok=True, mode=0o750)
        with (self._house / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise LedgerError(
                    "push_already_running",
                    "Một lần gửi khác đang chạy trên máy này.",
                    "Không cần làm gì; lần chạy sau sẽ gửi tiếp.",
                ) from error
            yield

    def _forget_rows(self, load: Load) -> None:
        """The centre has them now. Bodies stay for their days: they are this site's own evidence."""
        paths = (load.hosts_path, load.groups_path, *(one.path for one in load.extras.values()))
        for path in paths:
            if path is not None:
                (self.places.home / path).unlink(missing_ok=True)

    def _tidy(self) -> None:
        """Bodies go after KSC_LEDGER_RAW_DAYS, manifests after a year and a month."""
        today = self.clock.now().astimezone(UTC).date()
        last_raw = today - timedelta(days=self.settings.raw_days)
        last_month = (today - timedelta(days=31 * MANIFEST_MONTHS_KEPT)).strftime("%Y-%m")
        for day in (self.places.raw / self.server_code).glob("????-??-??"):
            if date.fromisoformat(day.name) < last_raw:
                shutil.rmtree(day)
        for month in (self.places.snapshot / self.server_code).glob("????-??"):
            if month.name < last_month:
                shutil.rmtree(month)


def _knock_of(load: Load | None) -> Knock:
    """How the server answered, by what a load says of it."""
    if load is None:
        return Knock.NOT_TRIED
    if load.status is LoadStatus.COMPLETE or load.fault_code is None:
        return Knock.OK
    return _KNOCKS.get(FaultCode(load.fault_code), Knock.PROTOCOL)


def _not_taken(answer: Answer) -> LedgerError:
    return LedgerError("push_not_taken", answer.text, answer.remedy)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _one_line(value: object, usual: str) -> str:
    """The centre's words as a terminal may show them."""
    if not isinstance(value, str) or not value:
        return usual
    return "".join(sign for sign in value if sign.isprintable())[:1000]
