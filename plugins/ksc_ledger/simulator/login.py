"""Who is there: the Authorization header in all forms that known clients send."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from http import HTTPStatus
from typing import Final

from ksc_ledger.simulator.estate import Estate
from ksc_ledger.simulator.faults import Fault, FaultKind
from ksc_ledger.simulator.http_message import HttpError, Request
from ksc_ledger.simulator.server import LOGIN, SimulatedServer
from ksc_ledger.simulator.sessions import Session

_PART: Final = re.compile(r"""(\w+)\s*=\s*(?:"([^"]*)"|([^,\s]+))""")


def log_in(request: Request, entrance: SimulatedServer, estate: Estate, method: str) -> Session:
    """Open a session for a login request; HttpError 401 when it may not be opened."""
    scheme, _, rest = request.header("Authorization").partition(" ")
    if scheme == "KSCMFA":
        return _second_step(request, rest, entrance, estate, method)
    _check_virtual_server(request)
    if scheme == "KSCGW":
        target = entrance.sessions.take_gateway_key(rest.strip())
        if target is None:
            raise _unauthorized()
        return entrance.sessions.start(LOGIN, target)
    login = _login_of(scheme, rest, entrance)
    at = estate.clock.now()
    if login is None or estate.faults.take(entrance.code, FaultKind.UNAUTHORIZED, at, method):
        raise _unauthorized()
    if estate.faults.find(entrance.code, FaultKind.SECOND_FACTOR, at, method):
        raise _unfinished(entrance.sessions.half_open(login, entrance))
    return entrance.sessions.start(login, entrance)


def _second_step(
    request: Request, rest: str, entrance: SimulatedServer, estate: Estate, method: str
) -> Session:
    """The code of the second factor; the fault's value is the right one, blank = none is."""
    session_id = request.header("X-KSC-Session")
    given = _parts(rest).get("totp", "")
    at = estate.clock.now()
    fault: Fault | None = estate.faults.find(entrance.code, FaultKind.SECOND_FACTOR, at, method)
    if fault is not None and (not fault.value or given != fault.value):
        raise _unfinished(session_id)
    session = entrance.sessions.finish(session_id)
    if session is None:
        raise _unauthorized()
    return session


def _login_of(scheme: str, rest: str, entrance: SimulatedServer) -> str | None:
    if scheme in ("KSCT", "KSCWT"):
        return entrance.sessions.take_token(rest.strip())
    if scheme != "KSCBasic":
        return None
    parts = _parts(rest)
    user, password = _decoded(parts.get("user")), _decoded(parts.get("pass"))
    if user is None or password is None:
        return None
    # Our account is internal. Known clients write 1, true, or leave it out.
    if parts.get("internal", "1").lower() not in ("1", "true"):
        return None
    is_right = user == LOGIN.encode() and hmac.compare_digest(password, entrance.password.encode())
    return LOGIN if is_right else None


def _parts(text: str) -> dict[str, str]:
    return {
        match[1]: match[2] if match[2] is not None else match[3] for match in _PART.finditer(text)
    }


def _decoded(text: str | None) -> bytes | None:
    """Standard base64 of UTF-8 bytes; None when it is anything else."""
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


def _check_virtual_server(request: Request) -> None:
    """No estate has virtual servers; known clients name the main one by nothing or by ``x``."""
    name = request.header("X-KSC-VServer").strip('"')
    if name not in ("", "x"):
        raise HttpError(HTTPStatus.FORBIDDEN, "Unknown virtual server")


def _unauthorized() -> HttpError:
    return HttpError(HTTPStatus.UNAUTHORIZED, "Authentication failure")


def _unfinished(session_id: str) -> HttpError:
    return HttpError(
        HTTPStatus.UNAUTHORIZED,
        "Authentication not finished",
        {
            "WWW-Authenticate": 'KSCMFA type="totp", lengthHint="6"',
            "X-KSC-Session": session_id,
        },
    )
