"""What the task of ``write_letters`` does."""

from __future__ import annotations

import logging
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import get_current_context

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import clock_of
from ksc_ledger.errors import LedgerError
from ksc_ledger.orchestration.links import PAGE, LetterLink, leads_to
from ksc_ledger.orchestration.process import die_with_parent

if TYPE_CHECKING:
    from ksc_ledger.letters.model import Letter, ReportForm, UnitSheet
    from ksc_ledger.obligations import Reported
    from ksc_ledger.settings import Settings

log = logging.getLogger(__name__)


class Sheets(StrEnum):
    """What becomes of the units' one-pagers."""

    NONE = "none"
    WRITE = "write"
    MAIL = "mail"


def write_letter() -> list[str]:
    """Write the letter that the run's params name, its forms and one-pagers.

    Returns the files by their paths below ``letters/``. One-pagers name machines, so they are mailed
    to the units only, and only when the run asks for it.
    """
    from ksc_ledger import letters
    from ksc_ledger.letters.model import LetterKind
    from ksc_ledger.obligations import Published, letter_of, report_forms, unit_sheets
    from ksc_ledger.registry import in_force, version
    from ksc_ledger.warehouse.reader import query

    die_with_parent()
    context = get_current_context()
    params: dict[str, Any] = dict(context["params"])
    settings = settings_module.load()
    words = in_force(settings).registry
    estate, unit_code = str(params["estate"]), str(params["unit_code"])
    if words.estate(estate).estate_code != words.estate_of(unit_code):
        raise LedgerError(
            "letter_unit_of_another_estate",
            f"Đơn vị {unit_code} không thuộc địa bàn {estate}.",
            "Kiểm tra hai tham số estate và unit_code.",
        )
    file = settings.places.marts_file
    (published,) = query(file, "select registry_sha256 from marts._published")
    letter = letter_of(
        words,
        Published(file=file, registry=version(settings, str(published["registry_sha256"]))),
        LetterKind(params["kind"]),
        unit_code,
        date.fromisoformat(str(params["as_of"])),
        _reported(settings),
    )
    folder = settings.places.letters
    written = letters.write(letter, folder)
    files = [written.docx, written.xlsx, written.json]
    leads_to(context, LetterLink, f"{PAGE}/cong-van/{letter.estate_code}/{written.json.stem}")
    files += [_form(form, folder) for form in report_forms(words, letter)]
    wanted = Sheets(params["unit_sheets"])
    if wanted is not Sheets.NONE:
        sheets = unit_sheets(words, letter, settings.places.named_marts_file)
        files += _sheets(sheets, letter, settings, is_mailed=wanted is Sheets.MAIL)
    for path in files:
        log.info("Đã ghi %s", path)
    return [str(path.relative_to(folder)) for path in files]


def _reported(settings: Settings) -> list[Reported]:
    """What units wrote in the forms that the inbox accepted."""
    from ksc_ledger.intake.store import accepted_rows
    from ksc_ledger.obligations import Reported

    return [
        Reported(
            unit_code=row["unit_code"],
            received_at=datetime.fromisoformat(row["received_at"]),
            computer_count=row["computers_count"],
            weak_count=row["weak_hardware_count"],
            requested_count=row["requested_count"],
            difficulties=row["difficulties"],
        )
        for row in accepted_rows(settings.places)
        if row["sender_unit_code"] == row["unit_code"]
    ]


def _form(form: ReportForm, folder: Path) -> Path:
    """The form that the inbox recognises when it comes back."""
    from ksc_ledger.intake.prefilled_form import FormLine, make_form

    lines = [
        FormLine(
            unit_code=row.unit_code,
            unit_name=row.unit_name,
            allocated_count=row.allocated_count,
            installed_count=row.installed_count,
            correctly_named_count=row.correctly_named_count,
        )
        for row in form.rows
    ]
    return make_form(
        form.unit_code, form.unit_name, lines, form.as_of_date, folder / form.estate_code
    )


def _sheets(
    sheets: list[UnitSheet], letter: Letter, settings: Settings, *, is_mailed: bool
) -> list[Path]:
    from ksc_ledger import letters
    from ksc_ledger.alerts.roles import load_contacts
    from ksc_ledger.obligations import sheet_mail
    from ksc_ledger.obligations.sheet_mails import UNIT_ROLE
    from ksc_ledger.state import open_state
    from ksc_ledger.state.outbox import MailIdentity, enqueue_missing

    folder = settings.places.letters
    now = clock_of(settings.places).now()
    # A sheet names machines: where the unit has nobody of its own, it goes to nobody above it.
    reached = set()
    if is_mailed:
        contacts = load_contacts(settings.contacts)
        reached = {one.unit_code for one in contacts if one.role == UNIT_ROLE}
    files: list[Path] = []
    mails = []
    for sheet in sheets:
        written = letters.write_unit_sheet(sheet, folder)
        files += [written.docx, written.json]
        if sheet.unit_code in reached:
            mails.append(sheet_mail(sheet, str(written.docx.relative_to(folder)), now))
        elif is_mailed:
            log.warning("%s: không có địa chỉ của chính đơn vị, không gửi phiếu", sheet.unit_code)
    if is_mailed:
        identity = MailIdentity(
            domain=settings.mail_domain, is_rehearsal=settings.places.rehearsal_mark.exists()
        )
        engine = open_state(settings.state_url)
        with engine.begin() as connection:
            sent = enqueue_missing(connection, mails, identity)
        log.info("%s: %d phiếu gửi đơn vị, %d thư mới", letter.unit_code, len(sheets), len(sent))
    return files
