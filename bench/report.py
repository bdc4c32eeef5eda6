"""What a run found: rows of figures, targets with their verdicts, and the page they go into."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

BEGIN = "<!-- bench:begin (written by python -m bench) -->"
END = "<!-- bench:end -->"


class Standing(StrEnum):
    PASS = "pass"  # noqa: S105
    FAIL = "FAIL"
    REFUSED = "refused"  # the cases did not do the same work, so there is no figure to judge
    SMALL = "not judged"  # the sizes of this run are not those of the target


@dataclass(frozen=True, slots=True)
class Judgement:
    """One target. ``measured`` is None where it was refused; ``note`` says why."""

    target: str
    limit: str
    measured: float | None
    standing: Standing
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class Section:
    """One group of cases. ``lines`` are sentences on what was measured and found."""

    title: str
    lines: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)


def at_most(
    target: str, measured: float | None, limit: float, *, is_full_size: bool, note: str = ""
) -> Judgement:
    """A target that holds when the measured figure is not above the limit."""
    return _judged(
        target, f"≤ {limit:g}", measured, lambda value: value <= limit, is_full_size, note
    )


def at_least(
    target: str, measured: float | None, limit: float, *, is_full_size: bool, note: str = ""
) -> Judgement:
    """A target that holds when the measured figure is not below the limit."""
    return _judged(
        target, f"≥ {limit:g}", measured, lambda value: value >= limit, is_full_size, note
    )


def _judged(
    target: str,
    limit: str,
    measured: float | None,
    holds: Callable[[float], bool],
    is_full_size: bool,
    note: str,
) -> Judgement:
    if measured is None:
        standing = Standing.REFUSED
    elif not is_full_size:
        standing = Standing.SMALL
    else:
        standing = Standing.PASS if holds(measured) else Standing.FAIL
    return Judgement(target, limit, measured, standing, note)


def failed(group: str, why: str) -> Section:
    """A group that could not be measured at all: refused, whatever its targets are."""
    section = Section(group, lines=[f"refused: {why}"])
    section.judgements.append(Judgement(group, "–", None, Standing.REFUSED, why.splitlines()[0]))
    return section


def is_good(sections: Sequence[Section]) -> bool:
    """Whether nothing was refused and no judged target was missed."""
    bad = {Standing.FAIL, Standing.REFUSED}
    return not any(one.standing in bad for section in sections for one in section.judgements)


def as_markdown(head: Sequence[str], sections: Sequence[Section]) -> str:
    """The whole result: the run, all targets together, then each group with all its rows."""
    lines = [*head, "", "### Targets", ""]
    targets = [one for section in sections for one in section.judgements]
    lines += _table(
        Table(
            ("target", "limit", "measured", "verdict", "note"),
            tuple(
                (one.target, one.limit, number(one.measured), one.standing.value, one.note)
                for one in targets
            ),
        )
    )
    for section in sections:
        lines += ["", f"### {section.title}", ""]
        for table in section.tables:
            lines += [*_table(table), ""]
        lines += [f"- {line}" for line in section.lines]
    return "\n".join(lines).rstrip() + "\n"


def write_page(page: Path, result: str) -> None:
    """Put the result between the page's marks; all else on the page stays."""
    text = page.read_text("utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page} does not have the marks {BEGIN!r} and {END!r} once each")
    pattern = re.compile(re.escape(BEGIN) + ".*?" + re.escape(END), re.DOTALL)
    page.write_text(pattern.sub(lambda _: f"{BEGIN}\n{result}{END}", text), "utf-8")


def number(value: float | None) -> str:
    """Three digits that matter: 0.0123, 1.23, 12.3, 1,234."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3 if abs(value) >= 0.01 else 4
    return f"{value:.{digits}f}"


def _table(table: Table) -> list[str]:
    """A Markdown table whose columns stand straight on a terminal too."""
    rows = [table.header, *table.rows]
    widths = [max(len(row[place]) for row in rows) for place in range(len(table.header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]
