"""The officers' files as text: decoded, levelled, and refused with an explanation when they are not.

Levelled means: no byte order mark, LF line ends, Unicode NFC. A version of the registry is these
texts; nothing is read from the disk a second time.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

import yaml

from ksc_ledger.registry.fields import CODE, shown
from ksc_ledger.registry.mistakes import Mistake
from ksc_ledger.rules.text import ascii_letters, nfc

ESTATE_FILE = "estate.yml"
_BYTES_AT_MOST = 20 * 1024 * 1024
_SECRET = re.compile(r"password|passwd|pwd|matkhau|secret|token|apikey|privatekey|credential")
_AS_UTF8 = "Trong Excel chọn Lưu dưới dạng, kiểu CSV UTF-8 (phân tách bằng dấu phẩy)."


@dataclass(slots=True)
class Folder:
    """What one look at the registry's folder found: texts by relative path, and mistakes."""

    texts: dict[str, str] = field(default_factory=dict)
    estate_codes: list[str] = field(default_factory=list)
    mistakes: list[Mistake] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Cells:
    """One row of a CSV file: its number in a spreadsheet, and its cells by column."""

    row: int
    cells: Mapping[str, str]


def sha256_of(texts: Mapping[str, str]) -> str:
    """The identity of a version: names and levelled contents of its files, in a fixed order."""
    whole = hashlib.sha256()
    for name in sorted(texts):
        content = hashlib.sha256(texts[name].encode()).hexdigest()
        whole.update(f"{name}\t{content}\n".encode())
    return whole.hexdigest()


def look(path: Path, *, required: frozenset[str], optional: frozenset[str]) -> Folder:
    """Read every known file below ``path``, one folder an estate."""
    folder = Folder()
    known = required | optional
    if not path.is_dir():
        folder.mistakes.append(
            Mistake(
                path.name,
                None,
                "",
                "Không có thư mục danh mục này.",
                "Kiểm tra đường dẫn hoặc thiết lập KSC_LEDGER_REGISTRY.",
            )
        )
        return folder
    for file in sorted(path.iterdir()):
        if file.name in known:
            folder.mistakes.append(
                Mistake(
                    file.name,
                    None,
                    "",
                    "Tệp không nằm trong thư mục của một địa bàn.",
                    "Đặt tệp vào <danh mục>/<estate_code>/ và chỉ lệnh vào thư mục <danh mục>.",
                )
            )
        elif file.is_dir() and not file.name.startswith((".", "_")):
            _look_into_estate(file, folder, required, known)
    if not folder.estate_codes and not folder.mistakes:
        folder.mistakes.append(
            Mistake(
                path.name,
                None,
                "",
                "Danh mục chưa có địa bàn nào.",
                "Tạo thư mục <estate_code> với estate.yml, units.csv và servers.csv.",
            )
        )
    return folder


def _look_into_estate(
    estate: Path, folder: Folder, required: frozenset[str], known: frozenset[str]
) -> None:
    if not CODE.fullmatch(estate.name):
        folder.mistakes.append(
            Mistake(
                estate.name,
                None,
                "",
                "Tên thư mục không phải là mã địa bàn hợp lệ.",
                "Đổi tên thư mục: 2 đến 32 ký tự chữ thường không dấu, chữ số, dấu gạch dưới.",
            )
        )
        return
    folder.estate_codes.append(estate.name)
    names = {file.name for file in estate.iterdir() if file.is_file()}
    for name in sorted(required - names):
        folder.mistakes.append(
            Mistake(
                f"{estate.name}/{name}",
                None,
                "",
                "Thiếu tệp bắt buộc này.",
                "Tạo tệp theo mẫu trong docs/registry.md.",
            )
        )
    for name in sorted(names):
        relative = f"{estate.name}/{name}"
        if name in known:
            text = _text_of(estate / name, relative, folder.mistakes)
            if text is not None:
                folder.texts[relative] = text
        elif name.endswith((".csv", ".yml", ".yaml")):
            # A file with a slip in its name would otherwise be passed over in silence.
            for meant in get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.8):
                folder.mistakes.append(
                    Mistake(
                        relative,
                        None,
                        "",
                        "Tên tệp gần giống một tệp của danh mục nên tệp này sẽ bị bỏ qua.",
                        f"Đổi tên thành {meant}, hoặc đưa tệp ra khỏi thư mục.",
                    )
                )


def _text_of(file: Path, relative: str, mistakes: list[Mistake]) -> str | None:
    def refuse(row: int | None, text: str, remedy: str) -> None:
        mistakes.append(Mistake(relative, row, "", text, remedy))

    try:
        with file.open("rb") as opened:
            raw = opened.read(_BYTES_AT_MOST + 1)
    except OSError as error:
        refuse(None, f"Không đọc được tệp ({error.strerror}).", "Kiểm tra quyền đọc tệp.")
        return None
    if len(raw) > _BYTES_AT_MOST:
        refuse(None, "Tệp lớn hơn 20 MB.", "Kiểm tra lại; danh mục không thể lớn đến thế.")
        return None
    if raw.startswith(b"PK\x03\x04"):
        refuse(None, "Đây là tệp Excel chỉ được đổi đuôi.", _AS_UTF8)
        return None
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        refuse(None, "Tệp được lưu theo UTF-16.", _AS_UTF8)
        return None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        refuse(row, "Tệp không phải là UTF-8 (bảng mã cũ như TCVN3, VNI, Windows-1258).", _AS_UTF8)
        return None
    if "\0" in text:
        row = text.count("\n", 0, text.index("\0")) + 1
        refuse(row, "Tệp có ký tự NUL, có thể đã hỏng.", "Lấy lại bản sao tốt của tệp.")
        return None
    text = nfc(text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.strip():
        refuse(None, "Tệp trống.", "Ghi ít nhất dòng tiêu đề các cột, hoặc xóa tệp không bắt buộc.")
        return None
    return text


def rows_of(
    text: str,
    relative: str,
    columns: tuple[str, ...],
    mistakes: list[Mistake],
    *,
    optional: frozenset[str] = frozenset(),
) -> list[Cells] | None:
    """The rows of a CSV text below its header; None when the header is not usable.

    Rows of blanks are passed over, but counted, so that numbers are those of a spreadsheet.
    """
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    found: list[Cells] = []
    number = 0
    try:
        for cells in reader:
            number += 1
            if not any(cell.strip() for cell in cells):
                continue
            while cells and len(cells) > len(header or ()) and not cells[-1].strip():
                cells.pop()  # columns that a spreadsheet added and nobody filled
            if header is None:
                header = [cell.strip() for cell in cells]
                if not _is_header(header, relative, number, columns, optional, mistakes):
                    return None
            elif len(cells) == len(header):
                found.append(Cells(number, dict(zip(header, cells, strict=True))))
            else:
                mistakes.append(
                    Mistake(
                        relative,
                        number,
                        "",
                        f"Dòng có {len(cells)} ô, tiêu đề có {len(header)} cột.",
                        "Đặt ô có dấu phẩy trong dấu ngoặc kép; thêm hoặc bớt ô cho đủ.",
                    )
                )
    except csv.Error as error:
        mistakes.append(
            Mistake(
                relative,
                number + 1,
                "",
                f"Từ dòng này tệp không đúng dạng CSV ({error}).",
                'Kiểm tra dấu ngoặc kép: mỗi dấu " mở ra phải được đóng lại.',
            )
        )
        return None
    return found


def _is_header(
    header: list[str],
    relative: str,
    row: int,
    columns: tuple[str, ...],
    optional: frozenset[str],
    mistakes: list[Mistake],
) -> bool:
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        kind = "dấu chấm phẩy" if ";" in header[0] else "ký tự tab"
        mistakes.append(
            Mistake(relative, row, "", f"Các cột được phân tách bằng {kind}.", _AS_UTF8)
        )
        return False
    before = len(mistakes)
    for name in header:
        if header.count(name) > 1 and name not in {m.field for m in mistakes[before:]}:
            mistakes.append(Mistake(relative, row, name, "Cột này có hai lần.", "Xóa bớt một cột."))
    mistakes += [
        unknown_name(relative, row, name, columns, "Cột")
        for name in dict.fromkeys(header)
        if name not in columns
    ]
    mistakes += [
        Mistake(relative, row, name, "Thiếu cột này.", "Thêm cột vào dòng tiêu đề.")
        for name in columns
        if name not in header and name not in optional
    ]
    return len(mistakes) == before


def unknown_name(relative: str, row: int, name: str, known: tuple[str, ...], what: str) -> Mistake:
    """A column or key that nobody reads; one that holds a secret is told apart."""
    if _SECRET.search(re.sub(r"[^a-z0-9]", "", ascii_letters(name).lower())):
        return Mistake(
            relative,
            row,
            name,
            f"{what} này trông như mật khẩu hoặc khóa bí mật; danh mục không được chứa bí mật.",
            "Xóa khỏi tệp, đổi mật khẩu đã lộ, và ghi vào kết nối ksc_<server_code> của Airflow.",
        )
    close = get_close_matches(name.lower(), known, n=1)
    remedy = f"Có phải là {close[0]}?" if close else f"Chỉ dùng: {', '.join(known)}."
    return Mistake(relative, row, name, f"{what} {shown(name)} không được dùng.", remedy)


def settings_of(
    text: str, relative: str, keys: tuple[str, ...], mistakes: list[Mistake]
) -> dict[str, str] | None:
    """The plain ``key: value`` lines of a YAML text, every value as it is written.

    Values are not typed by YAML: ``no`` is a name, ``010`` a number of ten. None when unusable.
    """

    def refuse(row: int, field_name: str, text: str, remedy: str) -> None:
        mistakes.append(Mistake(relative, row, field_name, text, remedy))

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        refuse(
            mark.line + 1 if mark else 1,
            "",
            "Tệp không đúng dạng YAML.",
            "Mỗi dòng một cặp «tên: giá trị», thụt lề bằng dấu cách, không dùng tab.",
        )
        return None
    if not isinstance(root, yaml.MappingNode):
        refuse(1, "", "Tệp không gồm các cặp «tên: giá trị».", "Xem mẫu trong docs/registry.md.")
        return None
    before = len(mistakes)
    found: dict[str, str] = {}
    for key, value in root.value:
        row = key.start_mark.line + 1
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        is_plain = isinstance(value, yaml.ScalarNode) and not value.tag.startswith(
            ("!", "tag:yaml.org,2002:python")
        )
        if name not in keys:
            mistakes.append(unknown_name(relative, row, name, keys, "Mục"))
        elif name in found:
            refuse(row, name, "Mục này có hai lần.", "Xóa bớt một dòng.")
        elif not is_plain:
            refuse(row, name, "Giá trị phải là một chữ hoặc một số.", "Bỏ danh sách, nhãn, lồng.")
        else:
            found[name] = value.value
    return found if len(mistakes) == before else None
