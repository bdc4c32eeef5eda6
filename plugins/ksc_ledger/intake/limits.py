"""How much one file may cost. A report of a province's departments is a hundredth of this."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``memory_bytes`` (address space) and both times bound the process that reads one file.

    ``archive_ratio`` holds for archives of more than ``ratio_free_bytes`` unpacked: below, no
    ratio can hurt.
    """

    file_bytes: int = 20 * MEGABYTE
    archive_bytes: int = 200 * MEGABYTE
    archive_ratio: int = 100
    ratio_free_bytes: int = MEGABYTE
    archive_members: int = 2000
    rows: int = 5000
    columns: int = 60
    sheets: int = 50
    cell_characters: int = 4000
    answer_bytes: int = 64 * MEGABYTE
    memory_bytes: int = 768 * MEGABYTE
    cpu_seconds: int = 20
    wall_seconds: float = 40.0


LIMITS = Limits()
