"""Bodies as they were received, and the rows split out of them.

Below ``landing/raw/<server_code>/<YYYY-MM-DD>/`` one attempt to read a server leaves files of one
stem: ``.tar.zst`` with every body in order, ``.hosts.ndjson.zst``, ``.groups.ndjson.zst`` and one
for each ``manifest.ExtraKind`` that was read. A file ends in ``.partial`` until it is whole and on
disk; one that never became so keeps that ending, and what was written into it can still be read.
"""

from __future__ import annotations

import io
import os
import secrets
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import zstandard

from ksc_ledger.settings import Places

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_FILE_MODE = 0o640
_FOLDER_MODE = 0o750
_LEVEL = 1  # six times as fast as the default for a file a tenth larger


class Archive:
    """The raw files of one attempt. A context manager: left by an exception, they stay partial.

    Files are made when there is something to write. ``observed_at`` gives folder and stem.
    """

    def __init__(self, places: Places, server_code: str, observed_at: datetime) -> None:
        instant = observed_at.astimezone(UTC)
        self._home = places.home
        self._folder = places.raw / server_code / f"{instant:%Y-%m-%d}"
        # The instant stands still in a rehearsal, and a retry must not write over its forerunner.
        self._stem = f"{instant:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self._bodies: _Bodies | None = None
        self._rows: dict[str, RowFile] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is None:
            self.close()
        else:
            self.abort()

    @property
    def raw_path(self) -> str | None:
        """The file of bodies as it is called now, relative to the home; None: nothing received."""
        return None if self._bodies is None else self._relative(self._bodies.file)

    def keep(self, method: str, status: int, body: bytes, *, is_whole: bool) -> None:
        """Add one body. It has left this process when this returns."""
        if self._bodies is None:
            self._bodies = _Bodies(_File(self._path("tar"), self._home))
        self._bodies.add(method, status, body, is_whole=is_whole)

    def rows(self, kind: str) -> RowFile:
        """The file of split rows of a kind (``hosts``, ``groups``, an ExtraKind)."""
        if kind not in self._rows:
            self._rows[kind] = RowFile(self._path(f"{kind}.ndjson"), self._home)
        return self._rows[kind]

    def rows_path(self, kind: str) -> str | None:
        """That file, relative to the home; None unless it was finished."""
        rows = self._rows.get(kind)
        return self._relative(rows.path) if rows is not None and rows.is_finished else None

    def close(self) -> None:
        """Bring everything to disk and give the bodies their final name."""
        try:
            if self._bodies is not None:
                self._bodies.finish()
        finally:
            for rows in self._rows.values():
                rows.abort()

    def abort(self) -> None:
        """Keep what was written, marked ``.partial``. Never raises for a file already lost."""
        if self._bodies is not None:
            self._bodies.abort()
        for rows in self._rows.values():
            rows.abort()

    def _path(self, kind: str) -> Path:
        return self._folder / f"{self._stem}.{kind}.zst"

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._home).as_posix()


class RowFile:
    """One JSON object a line. Whole only after ``finish``; ``begin`` forgets all that was written.

    Rows go in as they are: whoever writes sees to it that a row is one line.
    """

    def __init__(self, path: Path, home: Path) -> None:
        self.path = path
        self._home = home
        self.count = 0
        self.expected: int | None = None
        self.is_finished = False
        self._file: _File | None = None

    def begin(self, expected: int) -> None:
        self.count = 0
        self.expected = expected
        if self._file is None:
            self._file = _File(self.path, self._home)
        else:
            self._file.restart()

    def write(self, rows: Iterable[ReadableBuffer]) -> None:
        if self._file is None:
            raise ValueError("begin() comes before write()")
        lines = list(rows)
        if lines:
            self._file.write(b"\n".join([*lines, b""]))
            self.count += len(lines)

    def finish(self) -> None:
        """Bring the file to disk and give it its final name."""
        if self._file is None:
            raise ValueError("begin() comes before finish()")
        self._file.finish()
        self.is_finished = True

    def abort(self) -> None:
        if self._file is not None and not self.is_finished:
            self._file.abort()


class _Bodies:
    """A tar of bodies in the order in which they came."""

    def __init__(self, file: _File) -> None:
        self._out = file
        # Not the stream mode "w|", which holds back the last kilobytes. To write, a tar needs no
        # more of a file than write() and tell().
        self._tar = tarfile.TarFile(
            fileobj=file,  # type: ignore[arg-type]
            mode="w",
            format=tarfile.PAX_FORMAT,
        )
        self._count = 0

    @property
    def file(self) -> Path:
        return self._out.path

    def add(self, method: str, status: int, body: bytes, *, is_whole: bool) -> None:
        self._count += 1
        name = f"{self._count:04d}-{method}"
        if status != 200:
            name += f".http{status}"
        if not is_whole:
            name += ".cut"
        member = tarfile.TarInfo(f"{name}.json")
        member.size = len(body)
        member.mode = _FILE_MODE
        member.mtime = int(datetime.now(UTC).timestamp())
        self._tar.addfile(member, io.BytesIO(body))
        self._out.flush()

    def finish(self) -> None:
        self._tar.close()
        self._out.finish()

    def abort(self) -> None:
        with suppress(OSError, ValueError):
            self._tar.close()
        self._out.abort()


class _File:
    """A zstd file that gets its final name when it is whole and on disk."""

    def __init__(self, final: Path, home: Path) -> None:
        _make_folder(final.parent, home)
        self._final = final
        self.path = final.with_name(final.name + ".partial")
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        os.fchmod(descriptor, _FILE_MODE)  # whatever the umask is
        self._raw = os.fdopen(descriptor, "wb")
        self._zstd = self._frame()
        self._written = 0

    def write(self, data: bytes) -> int:
        self._zstd.write(data)
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        """How much was written, unpacked."""
        return self._written

    def flush(self) -> None:
        """Hand everything to the operating system, readable up to here."""
        self._zstd.flush(zstandard.FLUSH_BLOCK)
        self._raw.flush()

    def restart(self) -> None:
        self._zstd.flush(zstandard.FLUSH_FRAME)
        self._raw.seek(0)
        self._raw.truncate()
        self._zstd = self._frame()

    def finish(self) -> None:
        self._settle()
        self.path = self.path.rename(self._final)
        sync(self.path.parent)

    def abort(self) -> None:
        with suppress(OSError):
            self._settle()

    def _settle(self) -> None:
        if self._raw.closed:
            return
        try:
            self._zstd.flush(zstandard.FLUSH_FRAME)
            self._raw.flush()
            os.fsync(self._raw.fileno())
        finally:
            self._raw.close()

    def _frame(self) -> zstandard.ZstdCompressionWriter:
        return zstandard.ZstdCompressor(level=_LEVEL).stream_writer(self._raw, closefd=False)


def _make_folder(folder: Path, home: Path) -> None:
    """Make the folders below the home that are missing, closed to others whatever the umask is."""
    missing = [one for one in (folder, *folder.parents) if home in one.parents and not one.exists()]
    home.mkdir(parents=True, exist_ok=True)
    for one in reversed(missing):
        with suppress(FileExistsError):  # another server's attempt was quicker
            one.mkdir()
            one.chmod(_FOLDER_MODE)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
