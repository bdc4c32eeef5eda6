"""The data folder of a rehearsal: marked, locked, begun afresh, with secrets of its own."""

from __future__ import annotations

import base64
import contextlib
import csv
import fcntl
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Places

# What a new rehearsal begins without. The published marts stay until the first new version takes
# their place, so that a reader never finds the door closed.
BEGUN_AFRESH = (
    "airflow",
    "landing",
    "warehouse",
    "state",
    "quarantine",
    "inbox",
    "mail",
    "letters",
    "data_docs",
    "simulator",
    "registry",
    "run",
)

# Airflow's simple auth manager knows four roles of its own; these are the ones in Airflow.
USERS = {"quantri": "admin", "vanhanh": "op", "canbo": "viewer", "kiemtra": "viewer"}
# And these are the ones on the page; an officer's unit is a fact of a scenario (page_users.csv).
PAGE_ROLES = {"quantri": "engineer", "vanhanh": "ops", "kiemtra": "auditor"}


@dataclass(frozen=True, slots=True)
class Secrets:
    """Generated at each start, readable by the owner only, never printed but for the passwords."""

    passwords: dict[str, str]
    fernet_key: str
    jwt_secret: str
    api_secret: str


@contextlib.contextmanager
def opened(home: Path) -> Iterator[Places]:
    """Take the folder for one rehearsal and empty it of the last one.

    Raises:
        LedgerError: the folder holds something that is no rehearsal, or another one is running.
    """
    places = Places(home)
    if home.exists() and any(home.iterdir()) and not places.rehearsal_mark.exists():
        raise LedgerError(
            "home_is_not_a_rehearsal",
            f"Thư mục {home} đã có dữ liệu và không mang dấu diễn tập (.rehearsal).",
            "Đặt KSC_LEDGER_HOME sang một thư mục trống; dữ liệu thật không bao giờ bị diễn tập ghi đè.",
        )
    home.mkdir(parents=True, exist_ok=True, mode=0o750)
    with places.rehearsal_mark.open("a+") as mark:
        try:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LedgerError(
                "rehearsal_is_running",
                f"Một buổi diễn tập khác đang chạy trên {home}.",
                "Dừng nó (Ctrl-C ở cửa sổ kia), hoặc đặt KSC_LEDGER_HOME sang thư mục khác.",
            ) from error
        for name in BEGUN_AFRESH:
            shutil.rmtree(home / name, ignore_errors=True)
        yield places


def make_secrets(places: Places) -> Secrets:
    """Generate passwords and keys; the passwords also go to a 0600 file for whoever runs the demo."""
    made = Secrets(
        passwords={user: secrets.token_urlsafe(12) for user in USERS},
        fernet_key=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        jwt_secret=secrets.token_hex(48),
        api_secret=secrets.token_hex(32),
    )
    places.airflow.mkdir(parents=True, exist_ok=True)
    write_private(passwords_file(places), json.dumps(made.passwords, indent=1))
    return made


def passwords_file(places: Places) -> Path:
    return places.airflow / "passwords.json"


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


CONTACT_COLUMNS = ("role", "unit_code", "name", "address")
PAGE_USER_COLUMNS = ("user_name", "role", "unit_code")
PAGE_USER_PLACES = (*PAGE_USER_COLUMNS, "estate_codes")


def gather_contacts(scenarios: list[Path], target: Path) -> None:
    """Put the invented contacts of all scenarios into the home's file, closed to everybody else.

    Columns may stand in any order, and a spreadsheet may have put a mark before the first one.
    Raises LedgerError when one is missing.
    """
    rows = _rows_of([one / "contacts.csv" for one in scenarios], CONTACT_COLUMNS, "contacts")
    _write_rows(target, CONTACT_COLUMNS, rows)


def gather_page_users(scenarios: list[Path], target: Path) -> None:
    """Say who sees what on the page: our own users, and the officers that scenarios name.

    A user of the same name in a later scenario is left out: the first one's unit counts. Files are
    read as those of contacts are.
    """
    rows = {user: {"user_name": user, "role": role} for user, role in PAGE_ROLES.items()}
    files = [one / "page_users.csv" for one in scenarios]
    for row in _rows_of(files, PAGE_USER_COLUMNS, "page_users"):
        rows.setdefault(row["user_name"], row)
    _write_rows(target, PAGE_USER_PLACES, rows.values())


def _rows_of(files: list[Path], columns: Sequence[str], what: str) -> Iterator[dict[str, str]]:
    """The rows of those files that are there, without empty ones."""
    for file in files:
        if not file.exists():
            continue
        with file.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened, skipinitialspace=True)
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise LedgerError(
                    f"{what}_columns_missing",
                    f"Tệp {file} thiếu cột {', '.join(sorted(missing))}.",
                    f"Dòng đầu phải có đủ: {', '.join(columns)}.",
                )
            yield from (row for row in reader if any(row[name] for name in columns))


def _write_rows(target: Path, columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> None:
    made = io.StringIO()
    writer = csv.DictWriter(made, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_private(target, made.getvalue())


def gather_registry(scenarios: list[Path], target: Path) -> Path:
    """Put the registries of all scenarios side by side, one folder an estate."""
    target.mkdir(parents=True, exist_ok=True)
    for scenario in scenarios:
        for estate in sorted((scenario / "registry").iterdir()):
            if estate.is_dir():
                if (target / estate.name).exists():
                    raise LedgerError(
                        "estate_in_two_scenarios",
                        f"Hai kịch bản cùng mô tả {estate.name}: {scenario} và một kịch bản trước đó.",
                        "Mỗi địa bàn chỉ nằm trong một kịch bản; đổi tên thư mục registry/<estate_code>.",
                    )
                shutil.copytree(estate, target / estate.name)
    return target
