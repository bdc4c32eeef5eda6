"""The end of a rehearsal: each figure beside the letter's, and where everything lies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ksc_ledger.clock import VIETNAM
from ksc_ledger.rehearsal import mails
from ksc_ledger.rehearsal.home import USERS
from ksc_ledger.rehearsal.timeline import ExpectedReport, Figure, WantedLetter
from ksc_ledger.rules.figures import count, percent
from ksc_ledger.settings import Places, Settings
from ksc_ledger.warehouse.reader import query

COLUMNS = {
    "allocated_count": "Được phân bổ",
    "installed_count": "Đã cài đặt",
    "correctly_named_count": "Đặt đúng tên",
    "installed_ratio": "Tỷ lệ cài đặt",
    "correctly_named_ratio": "Đúng tên/đã cài",
    "gap_count": "Còn thiếu",
    "over_count": "Vượt",
    "net_gap_count": "Thiếu ròng",
    "agent_only_count": "Chỉ có tác tử",
    "duplicate_count": "Bản ghi trùng",
    "protected_count": "Được bảo vệ",
    "stale_count": "Lâu không kết nối",
    "old_bases_count": "Cơ sở dữ liệu cũ",
    "antivirus_conflict_count": "Hai phần mềm",
    "endpoint_count": "Số máy",
    "exempt_count": "Được miễn",
    "children_with_seats": "Số đơn vị có bản quyền",
    "reported_count": "Đơn vị báo cáo",
    "observed_count": "Hệ thống đo được",
    "difference_count": "Chênh lệch",
}


FIGURES = ("installed_count", "allocated_count", "correctly_named_count", "installed_ratio")
MAILS = {
    "deadline_reminder": "Thư nhắc hạn",
    "deadline_breach": "Thư báo quá hạn",
    "deadline_digest": "Bản tin thời hạn",
}


@dataclass(frozen=True, slots=True)
class Check:
    """One figure: what the letter says and what the marts say, both as an official reads them."""

    as_of_date: str
    unit_code: str
    unit_name: str
    column: str
    expected: str
    found: str
    holds: bool
    letter: str


@dataclass(frozen=True, slots=True)
class Report:
    checks: tuple[Check, ...]
    published: dict[str, Any]
    servers: tuple[dict[str, Any], ...]
    letters: tuple[LetterLine, ...] = ()
    mails: tuple[dict[str, Any], ...] = ()
    obligations: tuple[dict[str, Any], ...] = ()

    @property
    def holds(self) -> bool:
        return (
            bool(self.checks)
            and all(check.holds for check in self.checks)
            and all(letter.path is not None for letter in self.letters)
        )


@dataclass(frozen=True, slots=True)
class LetterLine:
    """A letter that was asked for; ``path`` None: it is not there."""

    name: str
    path: str | None
    figures: str
    files_beside: int


def report(
    settings: Settings,
    figures: list[Figure],
    letters: Sequence[WantedLetter] = (),
    reports: Sequence[ExpectedReport] = (),
) -> Report:
    """Compare every expected figure with the published marts; find the letters and the breaches."""
    file = settings.places.marts_file
    checks: list[Check] = []
    for figure in figures:
        checks.extend(_checks(file, figure))
    checks.extend(_report_checks(file, reports))
    (published,) = query(file, "select * from marts._published")
    servers = query(
        file,
        """
        select
            s.server_code,
            s.server_name,
            s.newest_observed_at,
            s.is_failing,
            s.last_fault_text
        from marts.rpt_source_age as s
        inner join marts.dim_server as d using (server_code)
        order by d.estate_code, d.server_role desc, d.server_code
        """,
    )
    return Report(
        tuple(checks),
        published,
        tuple(servers),
        tuple(_letter_line(settings.places, letter) for letter in letters),
        tuple(
            query(
                file,
                """
                select
                    mail_kind,
                    count(*) as mail_count,
                    count(sent_at) as sent_count
                from marts.fct_mail
                where mail_kind in (select unnest(?))
                group by mail_kind
                order by mail_kind desc
                """,
                [list(MAILS)],
            )
        ),
        tuple(query(file, _OBLIGATIONS)),
    )


_OBLIGATIONS = """
with held as (
    select
        o.*,
        (
            select any_value(u.unit_name) from marts.dim_unit as u where u.unit_code = o.unit_code
        ) as unit_name
    from marts.fct_obligation_status as o
)

select
    obligation_code,
    any_value(wording) as wording,
    min(due_at) as due_at,
    count(*) as unit_count,
    count(*) filter (where status in ('met', 'waived')) as met_count,
    count(*) filter (where status = 'met_late') as late_count,
    count(*) filter (where status = 'breached') as breached_count,
    count(*) filter (where status = 'undetermined') as undetermined_count,
    list(unit_name order by unit_code) filter (where status = 'breached') as breached_units
from held
group by obligation_code
order by due_at, obligation_code
"""


def _letter_line(places: Places, letter: WantedLetter) -> LetterLine:
    """What lies in ``letters/`` for it, with the figures of its own proof."""
    name = f"{letter.as_of_date.isoformat()}-{letter.kind}-{letter.unit_code}"
    folder = places.letters / letter.estate_code
    proof = folder / f"{name}.json"
    files = [folder / f"{name}.docx", folder / f"{name}.xlsx", proof]
    if not all(file.is_file() for file in files):
        return LetterLine(name, None, "", 0)
    content = json.loads(proof.read_text("utf-8"))
    shown = {
        figure["name"]: figure["shown"]
        for figure in content["figures"]
        if figure["unit_code"] == letter.unit_code
    }
    figures = [f"{COLUMNS[n].lower()} {shown[n]}" for n in FIGURES if shown.get(n)]
    rows = {figure["unit_code"] for figure in content["figures"]} - {letter.unit_code}
    figures.append(f"{len(rows)} dòng phụ lục")
    beside = sum(
        file not in files and letter.as_of_date.isoformat() in file.name
        for file in folder.rglob("*")
        if file.is_file()
    )
    return LetterLine(name, str(files[0]), ", ".join(figures), beside)


def show(
    made: Report,
    console: Console,
    places: Places,
    url: str,
    passwords: dict[str, str],
    failed: list[str],
) -> None:
    """Print the summary and keep it as a file."""
    paper = StringIO()
    for target in (console, Console(file=paper, width=140)):
        _print(made, target, places, url, passwords if target is console else {}, failed)
    (places.home / "summary.txt").write_text(paper.getvalue(), "utf-8")
    as_json = {
        "holds": made.holds,
        "failed_runs": failed,
        "checks": [asdict(c) for c in made.checks],
    }
    (places.home / "summary.json").write_text(
        json.dumps(as_json, ensure_ascii=False, indent=1), "utf-8"
    )


def _checks(file: Path, figure: Figure) -> list[Check]:
    day = date.fromisoformat(figure.as_of_date)
    rows = query(
        file,
        """
        select c.*, u.unit_name
        from marts.fct_unit_coverage_daily as c
        left join marts.dim_unit as u
            on u.unit_code = c.unit_code
            and u.valid_from_date <= c.snapshot_date
            and coalesce(u.valid_to_date, date '9999-12-31') >= c.snapshot_date
        where c.unit_code = ? and c.snapshot_date = ?
        """,
        [figure.unit_code, day],
    )
    row: dict[str, Any] = rows[0] if rows else {}
    wanted: dict[str, tuple[str, str]] = {
        name: (count(value), "" if row.get(name) is None else count(row[name]))
        for name, value in figure.columns.items()
    }
    for name, text in figure.shown.items():
        ratio = row.get(name)
        wanted[name] = (text, "" if ratio is None else percent(ratio))
    if figure.children_with_seats is not None:
        found = query(
            file,
            """
            select count(*) as n
            from marts.fct_unit_coverage_daily as c
            inner join marts.dim_unit as u
                on u.unit_code = c.unit_code
                and u.valid_from_date <= c.snapshot_date
                and coalesce(u.valid_to_date, date '9999-12-31') >= c.snapshot_date
            where u.parent_unit_code = ? and c.snapshot_date = ? and c.allocated_count > 0
            """,
            [figure.unit_code, day],
        )
        wanted["children_with_seats"] = (count(figure.children_with_seats), count(found[0]["n"]))
    return [
        Check(
            as_of_date=figure.as_of_date,
            unit_code=figure.unit_code,
            unit_name=str(row.get("unit_name") or figure.unit_code),
            column=name,
            expected=expected,
            found=found_text,
            holds=expected.replace(" ", "") == found_text.replace(" ", ""),
            letter=figure.letter,
        )
        for name, (expected, found_text) in wanted.items()
    ]


def _report_checks(file: Path, wanted: Sequence[ExpectedReport]) -> list[Check]:
    """What units reported, held against the published marts."""
    rows = query(
        file,
        """
        select r.*, u.unit_name
        from marts.rpt_reported_vs_observed as r
        left join marts.dim_unit as u
            on u.unit_code = r.unit_code
            and u.valid_from_date <= r.report_date
            and coalesce(u.valid_to_date, date '9999-12-31') >= r.report_date
        """,
    )
    found = {(row["unit_code"], row["report_date"]): row for row in rows}
    made = []
    for one in wanted:
        row = found.get((one.unit_code, one.report_date), {})
        made += [
            Check(
                as_of_date=one.report_date.isoformat(),
                unit_code=one.unit_code,
                unit_name=str(row.get("unit_name") or one.unit_code),
                column=name,
                expected=count(expected),
                found="" if row.get(name) is None else count(row[name]),
                holds=row.get(name) == expected,
                letter="",
            )
            for name, expected in one.counts.items()
        ]
    return made


def _print(
    made: Report,
    console: Console,
    places: Places,
    url: str,
    passwords: dict[str, str],
    failed: list[str],
) -> None:
    told = [check for check in made.checks if check.letter or not check.holds]
    shown = told if any(check.letter for check in made.checks) else list(made.checks)
    console.print("[bold]Số liệu của kho, đặt cạnh số liệu của công văn hoặc của kịch bản[/]")
    # One table a document and day: a terminal is eighty columns wide.
    for (day, letter), group in groupby(shown, key=lambda one: (one.as_of_date, one.letter)):
        when = f"{date.fromisoformat(day):%d/%m/%Y}"
        table = Table(title=f"{when} · {letter}" if letter else when, title_justify="left")
        table.add_column("Đơn vị", ratio=1)
        table.add_column("Chỉ tiêu")
        table.add_column("Mong đợi", justify="right")
        table.add_column("Kho số liệu", justify="right")
        table.add_column("")
        unit = ""
        for check in group:
            table.add_row(
                check.unit_name if check.unit_name != unit else "",
                COLUMNS.get(check.column, check.column),
                check.expected,
                check.found or "không có",
                "[green]đúng[/]" if check.holds else "[red]SAI[/]",
            )
            unit = check.unit_name
        console.print(table)
    others = len(made.checks) - len(shown)
    if others:
        console.print(f"Ngoài ra {others} số liệu theo từng đơn vị đều khớp kịch bản.")

    servers = Table(title="Máy chủ", title_justify="left")
    for heading in ("Mã", "Máy chủ", "Lần đọc đủ gần nhất", "Lần hỏi gần nhất"):
        servers.add_column(heading)
    for server in made.servers:
        last = server["newest_observed_at"]
        servers.add_row(
            server["server_code"],
            server["server_name"],
            f"{last.astimezone(VIETNAM):%d/%m/%Y %H:%M}" if last else "chưa có",
            str(server["last_fault_text"]) if server["is_failing"] else "đọc đủ",
        )
    console.print(servers)

    _print_letters(made, console)
    mails.show(places, console)

    lines = [
        f"Bảng số liệu (che tên máy):   {places.marts_file}",
        f"Bảng số liệu (có tên máy):    {places.named_marts_file}",
        f"Parquet:                      {places.marts / 'parquet'}",
        f"Phiên bản:                    {made.published['version_id']}",
        f"Giao diện Airflow:            {url}",
    ]
    lines += [
        f"  đăng nhập {user} ({USERS[user]}): {password}" for user, password in passwords.items()
    ]
    console.print("\n".join(lines), highlight=False, soft_wrap=True)
    for run in failed:
        console.print(f"[red]Lượt chạy thất bại:[/] {run}")
    verdict = "MỌI SỐ LIỆU ĐỀU KHỚP" if made.holds and not failed else "CÓ SỐ LIỆU KHÔNG KHỚP"
    console.print(f"[bold]{verdict}[/]")


def _print_letters(made: Report, console: Console) -> None:
    """The letters, the mails about deadlines, and who has not done what was due."""
    if made.letters:
        console.print("[bold]Công văn dự thảo[/] (mỗi công văn có phụ lục .xlsx và .json số liệu)")
    for letter in made.letters:
        if letter.path is None:
            console.print(f"  [red]thiếu[/] {letter.name}", highlight=False)
            continue
        console.print(f"  {letter.path}", highlight=False, soft_wrap=True)
        console.print(f"    {letter.figures}", highlight=False)
        if letter.files_beside:
            console.print(f"    {letter.files_beside} tệp kèm theo (mẫu báo cáo, phiếu đơn vị)")
    for mail in made.mails:
        console.print(
            f"{MAILS[mail['mail_kind']]}: {count(mail['mail_count'])}, "
            f"đã gửi {count(mail['sent_count'])}",
            highlight=False,
        )
    if not made.obligations:
        return
    table = Table(title="Thời hạn", title_justify="left")
    table.add_column("Nghĩa vụ", ratio=1)
    table.add_column("Hạn cuối")
    for heading in ("Đơn vị", "Xong", "Trễ", "Quá hạn", "Chưa rõ"):
        table.add_column(heading, justify="right")
    names = ("unit_count", "met_count", "late_count", "breached_count", "undetermined_count")
    for one in made.obligations:
        table.add_row(
            one["obligation_code"],
            f"{one['due_at'].astimezone(VIETNAM):%H:%M %d/%m/%Y}",
            *(count(one[name]) for name in names),
        )
    console.print(table)
    for one in made.obligations:
        if one["breached_count"]:
            units = "; ".join(one["breached_units"])
            console.print(
                f"Quá hạn {one['obligation_code']} ({one['wording']}): {units}.", highlight=False
            )
