"""What lies in the inbox: ``inbox/<unit_code>/<file>``, and since when.

Whoever delivers a file writes it under another name (``.…``, ``….part``, ``….tmp``) and renames it, or
simply copies it: a file whose size or time changes between two looks is left for the next run. The
mailbox reader puts ``<file>.received.json`` down first: ``{"received_at": ISO instant with offset,
"message_id": text or null}``.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ksc_ledger.intake.reasons import Reason, Refused
from ksc_ledger.rules.text import is_invisible

SIDECAR = ".received.json"
SETTLE_SECONDS = 3.0
# Older files are taken at the first look: nobody copies for that long without a new time.
_FRESH_SECONDS = 120.0
_NAME_BYTES = 255

_UNFINISHED = re.compile(r"^(?:\.(?!\.)|~\$)|\.(?:part|partial|tmp|crdownload|filepart|swp)$", re.I)
_NOBODYS = {"thumbs.db", "desktop.ini", ".ds_store"}
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?:\..*)?", re.I)
_CODE = re.compile(r"[a-z0-9_]{2,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A file that waits. ``sidecar_fault`` tells that its sidecar could not be read."""

    folder: str
    path: Path
    received_at: datetime
    size: int
    modified_ns: int
    is_plain_file: bool
    message_id: str | None = None
    sidecar_fault: str | None = None

    @property
    def sidecar(self) -> Path:
        return sidecar_of(self.path)


def sidecar_of(path: Path) -> Path:
    """Where the sidecar of a file lies, also beside a name that leaves no room for a suffix."""
    name = path.name + SIDECAR
    if len(os.fsencode(name)) > _NAME_BYTES:
        name = f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}{SIDECAR}"
    return path.with_name(name)


def settle() -> None:
    """The pause between two looks at files that have just come."""
    time.sleep(SETTLE_SECONDS)


def waiting(inbox: Path, now: datetime, pause: Callable[[], None] = settle) -> list[Arrival]:
    """The files that are whole, by arrival.

    ``now`` is the mode's clock: nothing is received later than now. ``pause`` is called once, and
    only when a file has just come.
    """
    first = {one.path: one for one in _look(inbox, now)}
    if any(_is_fresh(one) for one in first.values()):
        pause()
        second = {one.path: one for one in _look(inbox, now)}
        first = {
            path: one for path, one in first.items() if path in second and _same(one, second[path])
        }
    return sorted(first.values(), key=lambda one: (one.received_at, one.folder, one.path.name))


def check_name(name: str) -> None:
    """Refuse a file name that could lead somewhere, or could not be written down everywhere.

    For whoever takes names from outside (a mailbox); the intake itself never builds a path from one.
    """
    what = _fault_of(name)
    if what:
        raise Refused(Reason.FILE_NAME, what=what)


def is_unit_code(text: str) -> bool:
    return bool(_CODE.fullmatch(text))


def _fault_of(name: str) -> str:
    if not name.strip(" ."):
        return "tên trống"
    if "/" in name or "\\" in name or ".." in name.split("."):
        return "có dấu phân cách đường dẫn"
    if len(unicodedata.normalize("NFC", name).encode(errors="replace")) > _NAME_BYTES:
        return "tên quá dài"
    if any(is_invisible(sign) or unicodedata.category(sign) == "Cc" for sign in name):
        return "có ký tự điều khiển hoặc không nhìn thấy"
    if _RESERVED.fullmatch(name):
        return "tên dành riêng của Windows"
    return ""


def _look(inbox: Path, now: datetime) -> Iterator[Arrival]:
    if not inbox.is_dir():
        return
    for entry in sorted(inbox.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            for path in sorted(entry.iterdir()):
                yield from _arrival(entry.name, path, now)
        else:
            yield from _arrival("", entry, now)


def _arrival(folder: str, path: Path, now: datetime) -> Iterator[Arrival]:
    name = path.name
    if name.endswith(SIDECAR) or _UNFINISHED.search(name) or name.lower() in _NOBODYS:
        return
    try:
        facts = path.lstat()
    except FileNotFoundError:
        return  # taken away between the listing and the look
    received_at, message_id, fault = _received(path, facts.st_mtime, facts.st_ctime, now)
    yield Arrival(
        folder=folder,
        path=path,
        received_at=received_at,
        size=facts.st_size,
        modified_ns=facts.st_mtime_ns,
        is_plain_file=stat.S_ISREG(facts.st_mode),
        message_id=message_id,
        sidecar_fault=fault,
    )


def _received(
    path: Path, modified: float, changed: float, now: datetime
) -> tuple[datetime, str | None, str | None]:
    """When the file arrived, and what its sidecar says beside that."""
    try:
        raw = json.loads(sidecar_of(path).read_text("utf-8"))
        at = datetime.fromisoformat(raw["received_at"])
        if at.tzinfo is None:
            raise ValueError("received_at has no offset")
        message_id = raw.get("message_id")
        return min(at.astimezone(UTC), now), message_id and str(message_id), None
    except FileNotFoundError:
        return _arrived(modified, changed, now), None, None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return _arrived(modified, changed, now), None, f"{type(error).__name__}: {error}"


def _arrived(modified: float, changed: float, now: datetime) -> datetime:
    """Programs that copy keep the time of the original; the change of the inode they cannot keep.

    On a rehearsal's clock the inode's time lies in the future and says nothing.
    """
    times = [datetime.fromtimestamp(one, UTC) for one in (modified, changed)]
    past = [one for one in times if one <= now]
    return max(past, default=now)


def _is_fresh(one: Arrival) -> bool:
    age = time.time() - one.modified_ns / 1e9
    return one.is_plain_file and age < _FRESH_SECONDS and not one.sidecar.exists()


def _same(one: Arrival, other: Arrival) -> bool:
    return (one.size, one.modified_ns) == (other.size, other.modified_ns)
