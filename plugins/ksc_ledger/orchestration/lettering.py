"""What the task of ``write_letters`` does."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

from airflow.sdk import get_current_context

from ksc_ledger import settings as settings_module
from ksc_ledger.errors import LedgerError
from ksc_ledger.orchestration.process import die_with_parent

log = logging.getLogger(__name__)


def write_letter() -> list[str]:
    """Write the letter that the run's params name, and its forms; the files below ``letters/``."""
    from ksc_ledger import letters
    from ksc_ledger.letters.model import LetterKind
    from ksc_ledger.obligations import Published, letter_of, report_forms
    from ksc_ledger.registry import in_force, version
    from ksc_ledger.warehouse.reader import query

    die_with_parent()
    params: dict[str, Any] = dict(get_current_context()["params"])
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
    )
    folder = settings.places.letters
    written = letters.write(letter, folder)
    forms = [letters.write_report_form(form, folder) for form in report_forms(words, letter)]
    files = [written.docx, written.xlsx, written.json, *forms]
    for path in files:
        log.info("Đã ghi %s", path)
    return [str(path.relative_to(folder)) for path in files]
