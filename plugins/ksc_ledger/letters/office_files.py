"""Word and Excel files that are the same bytes for the same content.

Both formats are zip archives that carry the hour of their making in several places. A letter that
can be replayed has none of that: entries are stamped with the zip format's first day, the document's
own dates with the as-of day.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.exceptions import PackageNotFoundError
from docx.shared import Mm
from docxtpl import DocxTemplate, InlineImage
from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from ksc_ledger.errors import LedgerError

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_STAMPS = re.compile(
    rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(</dcterms:(?:created|modified)>)"
)
_READ_BY_OFFICE = 0o640


def filled_template(
    file: Path,
    context: Mapping[str, Any],
    as_of: date,
    picture: tuple[str, bytes, int] | None = None,
) -> bytes:
    """A Word template with its tags replaced.

    ``picture``: the tag it stands for, the PNG, its width in millimetres. Raises LedgerError naming
    the template when it is missing, no Word file, or has a tag that is none of ours.
    """
    try:
        template = DocxTemplate(file)
        template.init_docx()
    except (OSError, PackageNotFoundError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise LedgerError(
            "letter_template_unreadable",
            f"Không mở được mẫu {file.name}.",
            "Lưu lại mẫu trong Word dưới dạng .docx, hoặc lấy lại mẫu gốc.",
        ) from error
    _drop_foreign_properties(template)
    values = dict(context)
    if picture is not None:
        tag, png, width_mm = picture
        values[tag] = InlineImage(template, io.BytesIO(png), width=Mm(width_mm))
    # A template comes from an office, not from us: it may read the values and nothing else.
    environment = SandboxedEnvironment(undefined=StrictUndefined, autoescape=True)
    try:
        template.render(values, environment)
    except TemplateError as error:
        raise LedgerError(
            "letter_template_broken",
            f"Mẫu {file.name} có thẻ không dùng được: {error}.",
            "Sửa thẻ theo docs/letters.md, hoặc lấy lại mẫu gốc.",
        ) from error
    made = io.BytesIO()
    template.save(made)
    return stamped(made.getvalue(), as_of)


def _drop_foreign_properties(template: DocxTemplate) -> None:
    """Let go of properties that LibreOffice files under a type of its own.

    python-docx would add a second part of the same name, and Word calls such a file damaged.
    """
    relations = template.docx.part.package.rels
    for name, relation in list(relations.items()):
        kind = relation.reltype
        if kind.endswith("/core-properties") and kind != RELATIONSHIP_TYPE.CORE_PROPERTIES:
            del relations[name]


def stamped(archive: bytes, as_of: date) -> bytes:
    """The same archive without any trace of when it was made."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(archive)) as old,
        zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                stamp = f"{as_of.isoformat()}T00:00:00Z".encode()
                content = _STAMPS.sub(rb"\g<1>" + stamp + rb"\g<2>", content)
            entry = zipfile.ZipInfo(name, ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(entry, content)
    return made.getvalue()


def put(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all; it may name machines, so others cannot read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{os.getpid()}.tmp")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.chmod(_READ_BY_OFFICE)
    beside.replace(path)
    return path
