"""When a site was last heard of, and how its server answered it then.

A site that only reaches out cannot be knocked at; its own signed word takes the knock's place. A
small file a server, written whole under a lock: the API server writes, tasks read.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ksc_ledger.rules.links_evidence import Knock
from ksc_ledger.settings import Places

_FILE = "seen.json"
_LOCK = ".seen.lock"
_FOLDER_MODE = 0o750


@dataclass(frozen=True, slots=True)
class Sign:
    """``sent_at`` is the site's real time, ``heard_at`` the centre's on the mode's clock."""

    sent_at: datetime
    heard_at: datetime
    knock: Knock


def folder(places: Places, server_code: str) -> Path:
    return places.pushed / server_code


def read(places: Places, server_code: str) -> Sign | None:
    """The newest sign of a site; None when it was never heard of."""
    try:
        raw = json.loads((folder(places, server_code) / _FILE).read_text("utf-8"))
        return Sign(
            sent_at=datetime.fromisoformat(raw["sent_at"]),
            heard_at=datetime.fromisoformat(raw["heard_at"]),
            knock=Knock(raw["knock"]),
        )
    except FileNotFoundError:
        return None


def note(places: Places, server_code: str, sign: Sign) -> bool:
    """Remember a sign. False, and nothing is remembered, unless it was sent after the one before.

    That is what makes a statement good for one time only: of two processes with the same one, one
    gets False.
    """
    own = folder(places, server_code)
    with _locked(own):
        known = read(places, server_code)
        if known is not None and sign.sent_at <= known.sent_at:
            return False
        beside = own / f"{_FILE}.{os.getpid()}.tmp"
        said = {
            "sent_at": sign.sent_at.astimezone(UTC).isoformat(),
            "heard_at": sign.heard_at.astimezone(UTC).isoformat(),
            "knock": sign.knock.value,
        }
        beside.write_text(json.dumps(said), "utf-8")
        beside.replace(own / _FILE)
    return True


def knocks(
    places: Places, server_codes: Iterable[str], *, now: datetime, silent_after: timedelta
) -> dict[str, Knock]:
    """What to take for a knock at sites that only reach out. Never heard of: no evidence."""
    found: dict[str, Knock] = {}
    for code in server_codes:
        sign = read(places, code)
        if sign is None:
            found[code] = Knock.NOT_TRIED
        elif is_silent(sign, now=now, silent_after=silent_after):
            found[code] = Knock.TIMEOUT
        else:
            found[code] = sign.knock
    return found


def is_silent(sign: Sign, *, now: datetime, silent_after: timedelta) -> bool:
    return now - sign.heard_at > silent_after


@contextmanager
def _locked(own: Path) -> Iterator[None]:
    own.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODE)
    own.mkdir(exist_ok=True, mode=_FOLDER_MODE)
    with (own / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
