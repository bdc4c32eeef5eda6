"""Files that readers open through a link: immutable versions beside it, the newest one linked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

STAMP = "%Y%m%dT%H%M%S%fZ"


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
