"""Data Docs: what every gate said, as pages for people, with their history.

Pages hold counts, codes and our own sentences: no value of a source, so no name of a machine and
nothing that a machine could be named to do harm. They fetch nothing and run nothing. A page of a
run is written once; the index lists the newest RUNS_KEPT.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from ksc_ledger.clock import VIETNAM
from ksc_ledger.settings import Places

log = logging.getLogger(__name__)

RUNS_KEPT = 500
_TEMPLATES = Path(__file__).with_name("templates")
_TITLE = "Kiểm tra chất lượng dữ liệu"


class Kind(StrEnum):
    LANDED = "landed"
    REPORTS = "reports"
    MARTS = "marts"


KINDS = {
    Kind.LANDED: "Số liệu vừa thu thập từ máy chủ KSC",
    Kind.REPORTS: "Tệp báo cáo của đơn vị",
    Kind.MARTS: "Các bảng số liệu trước khi xuất bản",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run in the index."""

    run_id: str
    kind: Kind
    at: str
    sources_count: int
    rules_count: int
    failed_count: int
    warned_count: int


def record(
    kind: Kind, verdicts: Sequence[Mapping[str, Any]], places: Places, now: datetime
) -> Path | None:
    """Write the page of one run of a gate and the index anew; the page, None without verdicts.

    ``verdicts`` are those of ``Verdict.to_json`` with a ``load_id`` (a load, a receipt, a build).
    """
    if not verdicts:
        return None
    by_source: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in verdicts:
        by_source[str(one["load_id"])].append(one)
    sources: list[dict[str, object]] = [
        {
            "source": source,
            "verdict": _said(found),
            "verdicts": sorted(found, key=_worst_first),
        }
        for source, found in by_source.items()
    ]
    is_rehearsal = places.rehearsal_mark.exists()
    with _locked(places.data_docs):
        history = _history(places.data_docs)
        line = RunLine(
            run_id=_run_id(kind, now, {one.run_id for one in history}),
            kind=kind,
            at=now.astimezone(UTC).isoformat(),
            sources_count=len(sources),
            rules_count=len({(one["suite"], one["expectation"]) for one in verdicts}),
            failed_count=sum(_is(one, "fail") for one in verdicts),
            warned_count=sum(_is(one, "warn") for one in verdicts),
        )
        page = places.data_docs / "runs" / f"{line.run_id}.html"
        title = f"{KINDS[kind]}, {_instant(line.at)}"
        _write(page, "run.html.j2", title=title, sources=sources, is_rehearsal=is_rehearsal)
        runs = sorted([line, *history], key=lambda one: (one.at, one.run_id), reverse=True)
        _write_text(
            _history_file(places.data_docs),
            json.dumps([asdict(one) for one in runs[:RUNS_KEPT]], ensure_ascii=False),
        )
        _write(
            places.data_docs / "index.html",
            "index.html.j2",
            title=_TITLE,
            runs=runs[:RUNS_KEPT],
            kinds=KINDS,
            is_rehearsal=is_rehearsal,
        )
        for old in runs[RUNS_KEPT:]:
            (page.parent / f"{old.run_id}.html").unlink(missing_ok=True)
    return page


def _is(verdict: Mapping[str, Any], severity: str) -> bool:
    return not verdict["is_success"] and str(verdict["severity"]) == severity


def _said(verdicts: Sequence[Mapping[str, Any]]) -> str:
    failed = sum(_is(one, "fail") for one in verdicts)
    warned = sum(_is(one, "warn") for one in verdicts)
    if failed:
        return f"Bị chặn: {failed} quy tắc không đạt, {warned} cảnh báo."
    return f"Được dùng: {warned} cảnh báo." if warned else "Được dùng: mọi quy tắc đều đạt."


def _worst_first(verdict: Mapping[str, Any]) -> tuple[bool, bool, str, str]:
    return (
        bool(verdict["is_success"]),
        str(verdict["severity"]) != "fail",
        str(verdict["suite"]),
        str(verdict["expectation"]),
    )


def _run_id(kind: Kind, now: datetime, taken: set[str]) -> str:
    stamp = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{kind}"
    run_id, number = stamp, 2
    while run_id in taken:
        run_id, number = f"{stamp}-{number}", number + 1
    return run_id


def _instant(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(VIETNAM):%H:%M:%S ngày %d/%m/%Y}"


def _history_file(folder: Path) -> Path:
    return folder / "runs" / "history.json"


def _history(folder: Path) -> list[RunLine]:
    try:
        raw = json.loads(_history_file(folder).read_text("utf-8"))
        return [RunLine(**{**one, "kind": Kind(one["kind"])}) for one in raw]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        # The pages are still there; a list that cannot be read must not stop what judges data.
        log.warning("Không đọc được danh sách các lần kiểm tra cũ, lập lại từ đầu: %s", error)
        return []


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two gates may end at the same time; the index is written by one after the other."""
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, template: str, **facts: object) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["instant"] = _instant
    _write_text(path, environment.get_template(template).render(facts))


def _write_text(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    beside.write_text(text, "utf-8")
    beside.chmod(0o640)
    beside.replace(path)
