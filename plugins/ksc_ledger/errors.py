"""The errors this product raises on purpose.

One family, so that a caller at the edge (a task, a command) can show any of them the same way:
what is wrong, where, and what to do. ``text`` and ``remedy`` are read by officials and are
Vietnamese; ``code`` is for machines and never changes once released.
"""

from __future__ import annotations

from enum import StrEnum


class LedgerError(Exception):
    """Something a person can mend. ``str()`` gives text and remedy in one line."""

    def __init__(self, code: str, text: str, remedy: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.text} Cách khắc phục: {self.remedy}" if self.remedy else self.text


class FaultCode(StrEnum):
    """Why a server could not be read whole. Every failed load carries exactly one."""

    UNREACHABLE = "unreachable"  # no TCP, no DNS, time is up, connection dropped
    CERTIFICATE = "certificate"  # the server is not the one we know; nothing was sent to it
    CREDENTIALS = "credentials"  # 401: never tried a second time
    SECOND_FACTOR = "second_factor"  # the account is asked for a code no service can give
    PROTOCOL = "protocol"  # an answer that is not the documented protocol
    SERVER_ERROR = "server_error"  # 5xx, or a business error (PxgError)
    INCOMPLETE = "incomplete"  # counts disagree, a body was cut, the set was lost while reading
    SUSPICIOUS = "suspicious"  # whole, but not believable without a confirmation
    INTERNAL = "internal"  # our own mistake


class SourceFault(LedgerError):  # noqa: N818 (a fault is the house word for it)
    """A server did not give a whole, believable answer."""

    def __init__(self, code: FaultCode, text: str, remedy: str = "") -> None:
        super().__init__(code.value, text, remedy)
        self.fault_code = code
