"""Which server is asked, as whom, how we know that it is the one, and how long it may take."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings

DEFAULT_PORT = 13299
PINS_AT_MOST = 2  # the certificate in use and the announced reserve one
_SERVER_CODE = re.compile(r"[a-z0-9_]{2,32}")
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,253}")
_DOMAIN = re.compile(r"[\w.-]{1,255}", re.ASCII)
_PIN = re.compile(r"[0-9a-f]{64}")
HIDDEN = "•••"
_QUOTING = (quote, quote_plus)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One KSC server and the account that reads it.

    The server is known by ``ca_file`` (its klserver.cer, or the authority that signed it; name
    and dates are then checked too), by ``certificate_sha256`` (SHA-256 of the leaf's DER; an
    expired certificate is then still the one we know), or by both, which must then both hold.
    There is no third way: without either LedgerError is raised.

    ``beyond``: how the console calls the secondary server that answers behind this server's
    gateway; blank when this server answers itself.
    """

    server_code: str
    host: str
    port: int = DEFAULT_PORT
    login: str
    password: str = field(repr=False)
    internal_user: bool = True
    domain: str | None = None
    ca_file: Path | None = None
    certificate_sha256: tuple[str, ...] = ()
    server_hostname: str | None = None
    beyond: str = ""

    def __post_init__(self) -> None:
        """Normalise the pins and the host; refuse what cannot be meant."""
        pins = tuple(pin.replace(":", "").strip().lower() for pin in self.certificate_sha256)
        object.__setattr__(self, "certificate_sha256", pins)
        object.__setattr__(self, "host", self.host.strip().strip("[]"))
        if not _SERVER_CODE.fullmatch(self.server_code):
            raise _wrong(
                self,
                "mã máy chủ không hợp lệ",
                "Dùng 2 đến 32 ký tự a-z, 0-9 và dấu gạch dưới, đúng như trong danh mục máy chủ.",
            )
        if not _HOST.fullmatch(self.host):
            raise _wrong(
                self,
                f"địa chỉ {self.host!r} không hợp lệ",
                "Chỉ ghi tên máy hoặc địa chỉ IP, không kèm https:// và đường dẫn.",
            )
        if not 1 <= self.port <= 65535:
            raise _wrong(self, f"cổng {self.port} không hợp lệ", "Ghi cổng Open API, thường 13299.")
        if not self.login or not self.password:
            raise _wrong(self, "thiếu tài khoản hoặc mật khẩu", "Điền đủ tài khoản và mật khẩu.")
        if self.domain is not None and not _DOMAIN.fullmatch(self.domain):
            raise _wrong(
                self, "tên miền Windows không hợp lệ", "Bỏ trống khi dùng tài khoản nội bộ KSC."
            )
        if self.ca_file is None and not pins:
            raise _wrong(
                self,
                "chưa có cách nhận biết máy chủ nên không kết nối",
                "Khai ca_file (tệp klserver.cer) hoặc certificate_sha256 (vân tay SHA-256 của "
                "chứng thư máy chủ).",
            )
        if len(pins) > PINS_AT_MOST or not all(_PIN.fullmatch(pin) for pin in pins):
            raise _wrong(
                self,
                "vân tay chứng thư không hợp lệ",
                "Ghi một hoặc hai vân tay SHA-256, mỗi vân tay 64 chữ số hệ 16 (không dùng MD5, "
                "SHA-1).",
            )

    @property
    def label(self) -> str:
        """How fault texts name the server."""
        own = f"{self.server_code} ({self.host}:{self.port})"
        return f"{self.beyond} (qua {own})" if self.beyond else own

    @property
    def fingerprint(self) -> str:
        """What identifies this account without telling its password.

        Slow on purpose (some 20 ms): whoever reads it cannot try a dictionary of passwords
        cheaply. Another password gives another fingerprint.
        """
        account = "\0".join((self.server_code, self.login, self.password)).encode()
        return hashlib.pbkdf2_hmac("sha256", account, b"ksc-ledger account", 50_000).hex()

    def authorization(self) -> str:
        """The value of the header ``Authorization`` of a login."""
        parts = [f'user="{_base64(self.login)}"', f'pass="{_base64(self.password)}"']
        if self.domain is not None:
            parts.append(f'domain="{self.domain}"')
        parts.append(f'internal="{int(self.internal_user)}"')
        return "KSCBasic " + ", ".join(parts)

    def without_secrets(self, text: str) -> str:
        """The text with the password blanked, in each form in which it travels or is repeated."""
        in_base64 = _base64(self.password)
        forms = {
            self.password,
            in_base64,
            *(
                quoting(form, safe="")
                for form in (self.password, in_base64)
                for quoting in _QUOTING
            ),
            json.dumps(self.password)[1:-1],
        }
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, HIDDEN)
        return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much time and memory one server may take.

    ``read_seconds`` is for one recv, ``call_seconds`` for one call by the clock on the wall,
    ``server_seconds`` for all of a server's calls and waits together. ``max_body_bytes`` holds for
    a body as sent and as unpacked. ``may_try_again`` False: what goes wrong is told at once, nothing
    is asked a second time, and there is one login at most.
    """

    connect_seconds: float = 5.0
    read_seconds: float = 30.0
    call_seconds: float = 120.0
    server_seconds: float = 600.0
    max_body_bytes: int = 64 * 1024 * 1024
    may_try_again: bool = True

    @classmethod
    def of(cls, settings: Settings) -> Budget:
        return cls(
            connect_seconds=settings.connect_timeout_seconds,
            read_seconds=settings.read_timeout_seconds,
            call_seconds=settings.call_timeout_seconds,
            server_seconds=settings.server_budget_seconds,
            max_body_bytes=settings.max_body_bytes,
        )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _wrong(endpoint: Endpoint, what: str, remedy: str) -> LedgerError:
    return LedgerError(
        "endpoint_invalid", f"Kết nối tới máy chủ {endpoint.server_code!r}: {what}.", remedy
    )
