"""What grows old is taken away, and the disk is looked at."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from ksc_ledger.clock import vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Settings
from ksc_ledger.warehouse import backup
from ksc_ledger.warehouse.publisher import editions
from ksc_ledger.warehouse.quarantine import clear_quarantine

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_MONTH = re.compile(r"\d{4}-\d{2}")
_MB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """What was taken away: folders of a day, of a month, files of rows, folders of files, files, folders."""

    raw_days: int
    snapshot_months: int
    quarantined_loads: int
    quarantined_files: int
    versions: int
    backups: int

    def __str__(self) -> str:
        return (
            f"Đã dọn {self.raw_days} thư mục ngày ở landing/raw, {self.snapshot_months} thư mục "
            f"tháng ở landing/snapshot, {self.quarantined_loads} tệp dòng bị cách ly, "
            f"{self.quarantined_files} tệp đơn vị gửi bị cách ly, {self.versions} phiên bản xuất bản cũ, {self.backups} bản "
            "sao lưu cũ."
        )


def retain(settings: Settings, *, now: datetime) -> Cleared:
    """Take away what is older than the settings say, counted from the Vietnamese day of ``now``.

    Bodies go by their day, snapshots by whole months, so that no load is ever halved; of the quarantine
    the rows of loads go by their own days, units' files with the snapshots. The newest
    versions and backups stay, however old they are; versions of the registry always stay, because
    printed figures name them.
    """
    places = settings.places
    today = vietnamese_date(now)
    raw_from = today - timedelta(days=settings.raw_days)
    years_from = _years_before(today, settings.snapshot_years)
    month_from = years_from.strftime("%Y-%m")
    raw = [path for path in _folders(places.raw, _DAY) if date.fromisoformat(path.name) < raw_from]
    months = [path for path in _folders(places.snapshot, _MONTH) if path.name < month_from]
    for path in (*raw, *months):
        shutil.rmtree(path)
    loads, files = clear_quarantine(
        places,
        rows_from=today - timedelta(days=settings.quarantine_days),
        files_from=years_from,
    )
    old_versions = [
        path
        for edition in editions(places)
        for path in edition.versions[: -settings.published_versions_kept]
        if path != edition.link.resolve()
    ]
    for path in old_versions:
        path.unlink()
    old_backups = backup.backups(places)[: -settings.backups_kept]
    for path in old_backups:
        shutil.rmtree(path)
    return Cleared(
        raw_days=len(raw),
        snapshot_months=len(months),
        quarantined_loads=loads,
        quarantined_files=files,
        versions=len(old_versions),
        backups=len(old_backups),
    )


def check_space(settings: Settings) -> int:
    """The free megabytes of the home's disk. Raises LedgerError when they are fewer than wanted.

    Wanted is the setting, and in any case three times the warehouse: a build, a copy and a rebuild
    each need as much again.
    """
    file = settings.places.warehouse_file
    size = file.stat().st_size if file.exists() else 0
    wanted = max(settings.free_space_mb, 3 * size // _MB)
    free = shutil.disk_usage(settings.home).free // _MB
    if free < wanted:
        raise LedgerError(
            "disk_nearly_full",
            f"Ổ đĩa của {settings.home} chỉ còn {free} MB, cần ít nhất {wanted} MB.",
            "Giảm KSC_LEDGER_BACKUPS_KEPT, chuyển bớt backups/ sang nơi khác, hoặc mở rộng ổ đĩa.",
        )
    return free


def _folders(root: Path, name: re.Pattern[str]) -> Iterator[Path]:
    """Folders ``<server>/<day or month>`` below ``root``; anything else there is left alone."""
    return (
        path for path in sorted(root.glob("*/*")) if path.is_dir() and name.fullmatch(path.name)
    )


def _years_before(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February
        return day.replace(year=day.year - years, day=28)
