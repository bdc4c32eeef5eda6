"""Taking a person's text out of what was landed: the one case in which landed files are changed."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import zstandard

from ksc_ledger.settings import Places

_TEXT_FILES = ("*.json", "*.jsonl", "*.ndjson")


def erase_in_files(places: Places, text: str, replacement: str) -> list[Path]:
    """Replace a text, whatever its case, in bodies, split rows, manifests and quarantined samples.

    Found both as it is and as JSON escapes it. Each file is changed whole or not at all. The changed
    files; typed Parquet is not looked at here.
    """
    change = _changer(text, replacement)
    in_members = _tar(change)
    changed = [
        path
        for path in sorted(places.raw.rglob("*.zst*"))
        if _rewrite(path, in_members if ".tar.zst" in path.name else change, is_zstd=True)
    ]
    plain = [
        path
        for folder in (places.home / "landing", places.quarantine)
        for pattern in _TEXT_FILES
        for path in sorted(folder.rglob(pattern))
    ]
    return changed + [path for path in plain if _rewrite(path, change, is_zstd=False)]


def _changer(text: str, replacement: str) -> Callable[[bytes], bytes]:
    forms = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    # Longest first: an escaped form may hold a shorter one.
    pattern = re.compile(
        "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True)), re.IGNORECASE
    )

    def change(content: bytes) -> bytes:
        decoded = content.decode("utf-8", "surrogateescape")
        return pattern.sub(lambda _: replacement, decoded).encode("utf-8", "surrogateescape")

    return change


def _tar(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """The same for every member of an archive; one that was cut is changed as plain bytes."""

    def in_members(content: bytes) -> bytes:
        made = io.BytesIO()
        is_changed = False
        try:
            with (
                tarfile.open(fileobj=io.BytesIO(content)) as old,
                tarfile.open(fileobj=made, mode="w") as new,
            ):
                for member in old:
                    body = old.extractfile(member)
                    before = body.read() if body is not None else b""
                    after = change(before)
                    is_changed = is_changed or after != before
                    member.size = len(after)
                    new.addfile(member, io.BytesIO(after))
        except tarfile.TarError:
            return change(content)
        return made.getvalue() if is_changed else content

    return in_members


def _rewrite(path: Path, change: Callable[[bytes], bytes], *, is_zstd: bool) -> bool:
    raw = path.read_bytes()
    content = raw
    if is_zstd:
        reader = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True)
        content = reader.decompress(raw)  # of a file that was cut: as much as there is
    after = change(content)
    if after == content:
        return False
    mode = path.stat().st_mode & 0o777
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with beside.open("wb") as file:
        file.write(zstandard.ZstdCompressor().compress(after) if is_zstd else after)
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(mode)
    beside.replace(path)
    return True
