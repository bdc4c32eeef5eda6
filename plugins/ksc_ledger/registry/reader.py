"""From the officers' files to a checked registry: strict, and telling every mistake at once."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from ksc_ledger.registry import files
from ksc_ledger.registry.checks import contradictions
from ksc_ledger.registry.mistakes import Mistake, RegistryError
from ksc_ledger.registry.model import Estate, Registry
from ksc_ledger.registry.sheets import Line, R, Reading, Sheet

# What other rows refer to: a row that was refused is not told a second time where it is missed.
_CODE_COLUMNS = ("unit_code", "server_code", "directive_code", "obligation_code", "issuer_code")


def read(path: Path) -> Reading:
    """Read the files row by row; what rows say about each other is left to ``checks``."""
    reading = Reading()
    required = {reading.estates.name, reading.units.name, reading.servers.name}
    known = {reading.estates.name, *(sheet.name for sheet in reading.tables)}
    folder = files.look(path, required=frozenset(required), optional=frozenset(known - required))
    reading.texts = folder.texts
    reading.sha256 = files.sha256_of(folder.texts)
    reading.mistakes = folder.mistakes
    for estate_code in folder.estate_codes:
        _read_estate(reading, estate_code)
        for sheet in reading.tables:
            _read_table(reading, sheet, estate_code)
    return reading


def load(path: Path) -> Registry:
    """The registry in ``path``. Raises RegistryError with every mistake, never a part of it."""
    return checked(read(path))


def checked(reading: Reading) -> Registry:
    """The registry of a reading; raises RegistryError when a row, or rows together, are wrong."""
    mistakes = all_mistakes(reading)
    if mistakes:
        raise RegistryError(mistakes)
    return reading.registry()


def all_mistakes(reading: Reading) -> tuple[Mistake, ...]:
    """Every mistake of a reading, by file and row."""
    found = [*reading.mistakes, *contradictions(reading)]
    return tuple(sorted(found, key=lambda one: (one.file, one.row or 0, one.field)))


def _read_estate(reading: Reading, estate_code: str) -> None:
    relative = f"{estate_code}/{files.ESTATE_FILE}"
    text = reading.texts.get(relative)
    if text is None:
        return
    keys = tuple(Estate.model_fields)
    settings = files.settings_of(text, relative, keys, reading.mistakes)
    if settings is None:
        return
    rows = {name: _row_of_key(text, name) for name in settings}
    if settings.get("estate_code", estate_code) != estate_code:
        reading.mistakes.append(
            Mistake(
                relative,
                rows["estate_code"],
                "estate_code",
                f"Mã địa bàn khác tên thư mục {estate_code}.",
                "Sửa mã trong tệp hoặc đổi tên thư mục cho giống nhau.",
            )
        )
        return
    try:
        record = Estate.model_validate(settings)
    except ValidationError as error:
        for name, wrong, remedy in _told(error):
            reading.mistakes.append(Mistake(relative, rows.get(name, 1), name, wrong, remedy))
        return
    reading.estates.lines.append(Line(record, relative, 1))


def _row_of_key(text: str, key: str) -> int:
    for row, line in enumerate(text.splitlines(), start=1):
        if line.lstrip("\"' ").startswith(key):
            return row
    return 1


def _read_table(reading: Reading, sheet: Sheet[R], estate_code: str) -> None:
    relative = f"{estate_code}/{sheet.name}"
    text = reading.texts.get(relative)
    if text is None:
        # Missing, though it may be optional, or refused: in the second case it was said.
        sheet.is_whole &= relative not in {mistake.file for mistake in reading.mistakes}
        return
    rows = files.rows_of(
        text, relative, sheet.columns, reading.mistakes, optional=sheet.optional_columns
    )
    if rows is None:
        sheet.is_whole = False
        return
    for cells in rows:
        try:
            record = sheet.model.model_validate({**cells.cells, "estate_code": estate_code})
        except ValidationError as error:
            sheet.broken.update(cells.cells[name] for name in _CODE_COLUMNS if name in cells.cells)
            for name, wrong, remedy in _told(error):
                reading.mistakes.append(Mistake(relative, cells.row, name, wrong, remedy))
            continue
        sheet.lines.append(Line(record, relative, cells.row))


def _told(error: ValidationError) -> list[tuple[str, str, str]]:
    """Field, text and remedy of every mistake in one row."""
    found = []
    for one in error.errors(include_url=False, include_input=False):
        told = one.get("ctx", {})
        name = str(told.get("field") or (one["loc"][0] if one["loc"] else ""))
        if one["type"] == "refused":
            found.append((name, str(told["text"]), str(told["remedy"])))
        elif one["type"] == "missing":
            found.append((name, "Thiếu mục này.", "Thêm mục vào tệp."))
        else:
            found.append((name, "Giá trị không hợp lệ.", "Xem mẫu trong docs/registry.md."))
    return found
