"""Where the dashboard keeps what is its own, below ``KSC_LEDGER_HOME/bi``, and its secrets."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ksc_ledger.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[1]
ASSETS = REPOSITORY / "bi" / "assets"
WORDS = REPOSITORY / "bi" / "i18n"

ADMIN = "quantri"
VIEWER = "xem"


@dataclass(frozen=True, slots=True)
class Places:
    """``marts_file`` is the link, never a version: each query follows it anew."""

    folder: Path
    marts_file: Path

    @property
    def database(self) -> Path:
        """Superset's own: users, charts as provisioned, what people saved. No figures."""
        return self.folder / "superset.db"

    @property
    def secret_key(self) -> Path:
        return self.folder / "secret_key"

    @property
    def passwords(self) -> Path:
        return self.folder / "passwords.json"

    @property
    def words(self) -> Path:
        """What is made of the Vietnamese words: a catalogue for Python, one for the browser."""
        return self.folder / "i18n"

    @property
    def mark(self) -> Path:
        """Of which program and which file the database was provisioned."""
        return self.folder / "provisioned"

    @property
    def log(self) -> Path:
        return self.folder / "superset.log"


def of(settings: Settings) -> Places:
    """The places of this home; nothing is made."""
    return Places(settings.home / "bi", settings.places.marts_file)


def make(places: Places) -> None:
    """The folder (0700) and the key (0600), where they are missing."""
    places.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not places.secret_key.exists():
        write_secret(places.secret_key, secrets.token_urlsafe(42))


def passwords(places: Places, users: Iterable[str]) -> tuple[dict[str, str], set[str]]:
    """Everybody's password by name, and for whom one was made just now."""
    known: dict[str, str] = {}
    with suppress(FileNotFoundError):
        known = json.loads(places.passwords.read_text("utf-8"))
    made = {name for name in users if name not in known}
    if made:
        known |= {name: secrets.token_urlsafe(12) for name in sorted(made)}
        write_secret(places.passwords, json.dumps(known, indent=1))
    return known, made


def write_secret(path: Path, text: str) -> None:
    """Whole or not at all, and at no time readable by others."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    beside.replace(path)
