"""Every version of the registry that was used, and which one is in force.

A version lies in ``state/registry/<sha256>/`` as the levelled texts it was read from; figures name
their version, so it is never changed or taken away. ``last_good`` names the newest good one.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ksc_ledger.errors import LedgerError
from ksc_ledger.registry.mistakes import Mistake, RegistryError
from ksc_ledger.registry.model import Registry
from ksc_ledger.registry.reader import all_mistakes, read
from ksc_ledger.settings import Settings

POINTER = "last_good"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class InForce:
    """``mistakes`` is empty unless the files are wrong; then ``registry`` is the last good one."""

    registry: Registry
    mistakes: tuple[Mistake, ...]
    is_last_good: bool


def in_force(settings: Settings) -> InForce:
    """The registry to work with now.

    A good one is kept as a version and becomes the last good one. While the files are wrong, the
    last good one stays in force. Raises RegistryError when there never was one.
    """
    reading = read(settings.registry)
    mistakes = all_mistakes(reading)
    places = settings.places.registry_versions
    if not mistakes:
        _keep(places, reading.sha256, reading.texts)
        _point(places, reading.sha256)
        return InForce(reading.registry(), (), is_last_good=False)
    try:
        sha256 = (places / POINTER).read_text("ascii").strip()
    except FileNotFoundError:
        raise RegistryError(mistakes) from None
    return InForce(version(settings, sha256), mistakes, is_last_good=True)


def version(settings: Settings, sha256: str) -> Registry:
    """A version that was used before, for replays. Raises LedgerError when it is gone or altered.

    RegistryError means that rows of that day cannot be read by this code.
    Rows are not laid side by side again: the version was good by the rules of its day.
    """
    folder = settings.places.registry_versions / sha256
    if not _SHA256.fullmatch(sha256) or not folder.is_dir():
        raise LedgerError(
            "registry_version_missing",
            f"Không còn phiên bản danh mục {sha256[:12]} trong kho lưu.",
            "Khôi phục thư mục state/registry từ bản sao lưu.",
        )
    reading = read(folder)
    if reading.sha256 != sha256:
        raise LedgerError(
            "registry_version_altered",
            f"Phiên bản danh mục {sha256[:12]} trong kho lưu đã bị thay đổi.",
            "Khôi phục thư mục state/registry từ bản sao lưu; không sửa tệp trong đó.",
        )
    if reading.mistakes:
        raise RegistryError(tuple(reading.mistakes))
    return reading.registry()


def _keep(places: Path, sha256: str, texts: Mapping[str, str]) -> None:
    """Write a version whole or not at all; one that is there already stays as it is."""
    target = places / sha256
    if target.is_dir():
        return
    places.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".", suffix=".tmp", dir=places))
    try:
        for relative, text in texts.items():
            file = beside / relative
            file.parent.mkdir(exist_ok=True)
            _write(file, text)
        beside.chmod(0o750)
        beside.rename(target)
    except OSError:
        # Another process kept the same version in the meantime: the same bytes, so all is well.
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _point(places: Path, sha256: str) -> None:
    pointer = places / POINTER
    if pointer.exists() and pointer.read_text("ascii").strip() == sha256:
        return
    beside = places / f".{POINTER}.{os.getpid()}.tmp"
    _write(beside, sha256 + "\n")
    beside.replace(pointer)


def _write(file: Path, text: str) -> None:
    with file.open("w", encoding="utf-8", newline="\n") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
