"""Files that readers open: versions behind a link, and files written anew when their content changes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ksc_ledger.landing.archive import sync

STAMP = "%Y%m%dT%H%M%S%fZ"
CONTENTS = "contents.json"  # of a folder: what each of its files was written from
_FOR_EVERYBODY = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One published file in all its versions."""

    link: Path
    file_mode: int
    directory_mode: int
    is_masked: bool

    def version(self, version_id: str) -> Path:
        return self.link.with_name(f"{self.link.stem}.{version_id}.duckdb")

    def beside(self, version_id: str) -> Path:
        return self.link.with_name(f".{self.link.stem}.{version_id}.tmp")

    @property
    def versions(self) -> list[Path]:
        """Oldest first; the id in the name sorts as its instant."""
        return sorted(self.link.parent.glob(f"{self.link.stem}.2*.duckdb"))


def next_version_id(versions: Iterable[Path]) -> str:
    """Real time, and in any case later than every version that is there."""
    instant = datetime.now(UTC)
    newest = max((path.stem.rpartition(".")[2] for path in versions), default=None)
    if newest is not None:
        there = datetime.strptime(newest, STAMP).replace(tzinfo=UTC)
        instant = max(instant, there + timedelta(microseconds=1))
    return instant.strftime(STAMP)


@contextmanager
def whole_or_not_at_all(beside: Path) -> Iterator[None]:
    """Make a database file under another name; when that fails, nothing of it stays."""
    try:
        yield
    except BaseException:
        for left in (beside, beside.with_name(beside.name + ".wal")):
            left.unlink(missing_ok=True)
        raise


def link(edition: Edition, version_id: str) -> None:
    """Let the link point at the version, in one step. Relative: the folder may be mounted."""
    beside = edition.link.with_name(f".{edition.link.stem}.lnk")
    beside.unlink(missing_ok=True)
    beside.symlink_to(edition.version(version_id).name)
    beside.replace(edition.link)


def renew(
    folder: Path,
    suffix: str,
    prints: Mapping[str, str],
    write: Callable[[str, Path], None],
) -> None:
    """Bring ``<name><suffix>`` up to date for every name in ``prints``; other files of the kind go.

    A print stands for a content: a file whose print is the one it was written from stays as it is.
    ``write`` is given a name and the path to write to. For files that everybody may read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    memory = folder / CONTENTS
    before = remembered(memory)
    kept = {
        name: found
        for name, found in prints.items()
        if before.get(name) == found and (folder / f"{name}{suffix}").is_file()
    }
    if kept == before == prints:
        return
    # Nothing is said of a file while it is written: whoever dies meanwhile writes it again.
    remember(memory, kept, _FOR_EVERYBODY)
    for name in (one for one in prints if one not in kept):
        beside = folder / f".{name}.{os.getpid()}.tmp"
        try:
            write(name, beside)
            sync(beside)  # it may stand for months; a torn one would be taken for the whole
            beside.replace(folder / f"{name}{suffix}")
        finally:
            beside.unlink(missing_ok=True)
    for old in folder.glob(f"*{suffix}"):
        if old.stem not in prints:
            old.unlink()
    sync(folder)
    remember(memory, prints, _FOR_EVERYBODY)


def remembered(memory: Path) -> dict[str, str]:
    """What each file beside ``memory`` was made from; nothing where that is not known: then anew."""
    try:
        found = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def remember(memory: Path, prints: Mapping[str, str], mode: int) -> None:
    """Write down what each file was made from, whole and on disk."""
    beside = memory.with_name(f".{memory.stem.lstrip('.')}.tmp")
    beside.write_text(json.dumps(prints, indent=0), "utf-8")
    beside.chmod(mode)
    sync(beside)
    beside.replace(memory)
    sync(memory.parent)
