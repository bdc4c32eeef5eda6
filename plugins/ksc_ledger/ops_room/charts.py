"""Small SVG drawings for the page: geometry here, the shapes in ``templates/charts.html.j2``.

Hand-made, because a whole province is a few dozen shapes: no library, no script, no inline style,
so that the strictest content policy holds. Mails and letters have a PNG of their own
(``letters.chart``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from ksc_ledger.ops_room.words import PARTS, STATES, day, instant, number


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Widths in hundredths of the allocation; ``over`` is what exceeds it, cut at 25."""

    named: float
    installed: float
    over: float
    label: str


def coverage_bar(row: Mapping[str, Any]) -> Bar | None:
    """A unit's machines against its allocation; None without an allocation or a source."""
    allocated, installed = row["allocated_count"], row["installed_count"]
    if not allocated or installed is None:
        return None
    named = row["correctly_named_count"] or 0
    share = 100 / allocated
    return Bar(
        named=round(min(named * share, 100), 2),
        installed=round(min(installed * share, 100), 2),
        over=round(min(max(installed - allocated, 0) * share, 25), 2),
        label=(
            f"{number(installed)} máy đã cài trên {number(allocated)} bản quyền, "
            f"{number(named)} máy đúng tên"
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    css: str
    points: str
    last: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A drawing of 640 × 200 with room for the words on the left and below."""

    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    first_day: str
    last_day: str
    label: str


_LINES = (
    ("allocated_count", "Phân bổ", "line-allocated"),
    ("installed_count", "Đã cài", "line-installed"),
    ("correctly_named_count", "Đúng tên", "line-named"),
    ("protected_count", "Được bảo vệ", "line-protected"),
)
LEFT, TOP, WIDTH, HEIGHT = 56.0, 12.0, 570.0, 150.0


def trend(rows: Sequence[Mapping[str, Any]]) -> Trend | None:
    """The figures over time, steps between the days; None for fewer than two days."""
    if len(rows) < 2:
        return None
    top = max((row[name] or 0 for row in rows for name, _, _ in _LINES), default=0)
    top = _rounded_up(top)
    first: date = rows[0]["snapshot_date"]
    last: date = rows[-1]["snapshot_date"]
    span = (last - first).days
    lines = []
    for name, word, css in _LINES:
        dots = [
            (
                LEFT + WIDTH * (row["snapshot_date"] - first).days / span,
                TOP + HEIGHT * (1 - row[name] / top),
            )
            for row in rows
            if row[name] is not None
        ]
        if dots:
            points = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
            lines.append(Line(name=word, css=css, points=points, last=number(rows[-1][name])))
    ticks = tuple(
        (TOP + HEIGHT * (1 - part / 4), number(round(top * part / 4))) for part in range(5)
    )
    said = "; ".join(f"{line.name} {line.last}" for line in lines)
    return Trend(
        lines=tuple(lines),
        ticks=ticks,
        first_day=day(first),
        last_day=day(last),
        label=f"Diễn biến từ {day(first)} đến {day(last)}. Ngày cuối: {said}.",
    )


def _rounded_up(value: int) -> int:
    """The next number that four equal steps make readable (4, 8, 20, 40, 80, …)."""
    size = 4
    while True:
        for top in (size, 2 * size, 5 * size):
            if top >= value:
                return top
        size *= 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a bar in hundredths of the whole."""

    at: float
    width: float
    css: str
    label: str


def gap_pieces(parts: Mapping[str, int]) -> tuple[Piece, ...]:
    """A unit's allocation, parted into what became of it; what exceeds it is not drawn."""
    whole = sum(size for reason, size in parts.items() if size > 0)
    pieces = []
    at = 0.0
    for reason, word in PARTS.items():
        size = parts.get(reason, 0)
        if size > 0 and whole:
            width = 100 * size / whole
            pieces.append(
                Piece(
                    at=round(at, 2),
                    width=round(width, 2),
                    css=f"part-{reason.replace('_', '-')}",
                    label=f"{word}: {number(size)}",
                )
            )
            at += width
    return tuple(pieces)


def link_pieces(
    rows: Sequence[Mapping[str, Any]], since: datetime, until: datetime
) -> tuple[Piece, ...]:
    """How a link was over a span of time, left to right."""
    span = (until - since).total_seconds()
    return tuple(
        Piece(
            at=round(100 * (row["started_at"] - since).total_seconds() / span, 3),
            width=round(100 * (row["ended_at"] - row["started_at"]).total_seconds() / span, 3),
            css=f"state-{row['state']}",
            label=(
                f"{STATES.get(row['state'], row['state'])}: {instant(row['started_at'])}"
                f" đến {instant(row['ended_at'])}"
            ),
        )
        for row in rows
        if span > 0
    )
