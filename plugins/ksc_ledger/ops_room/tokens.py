"""Tokens against forged forms: only a page that we gave to a person can send a form in his name.

The session cookie alone is not enough, because a browser adds it to a form of any other page of
the same site. A token is bound to the person and ends by itself.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

LIFETIME = timedelta(hours=12)


def secret_of(state: Path) -> bytes:
    """The secret of this home, made at its first use, readable by the owner only."""
    file = state / "page_secret"
    with suppress(FileNotFoundError):
        return file.read_bytes()
    state.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(f".{os.getpid()}.tmp")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(secrets.token_bytes(32))
    with suppress(FileExistsError):
        os.link(beside, file)  # of two processes that begin at once, the first one's stays
    beside.unlink()
    return file.read_bytes()


def make(secret: bytes, user_name: str, real_now: datetime) -> str:
    ends = int((real_now + LIFETIME).timestamp())
    return f"{ends}.{_sign(secret, user_name, ends)}"


def is_good(token: str, secret: bytes, user_name: str, real_now: datetime) -> bool:
    """Whether we gave this token to this person less than twelve hours ago."""
    ends, _, signature = token.partition(".")
    if not (ends.isascii() and ends.isdigit() and len(ends) <= 12):
        return False
    is_ours = hmac.compare_digest(signature.encode(), _sign(secret, user_name, int(ends)).encode())
    return is_ours and real_now.timestamp() < int(ends)


def _sign(secret: bytes, user_name: str, ends: int) -> str:
    return hmac.new(secret, f"{ends}\n{user_name}".encode(), hashlib.sha256).hexdigest()
