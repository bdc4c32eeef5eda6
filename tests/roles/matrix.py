"""Who may what, as one table: what a real api-server must answer, role by role.

``python tests/roles/matrix.py`` writes it into docs/security.md. The columns are people: nobody
(not signed in), and one person of each role. A number is the HTTP status that must come back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "security.md"
BEGIN, END = "<!-- role matrix: begin -->", "<!-- role matrix: end -->"

PEOPLE = (
    "nobody",
    "unit_officer",
    "auditor",
    "ops",
    "engineer",
    "estate_ops",
    "estate_auditor",
)

# Of two estates: the officer's unit (tm) and the estate of both estate_… are dt; kt is the other one.
# {run}: a run of watch_server_links that was triggered beforehand. "as x": the form or body x below.
TABLE = """
Trang Tình hình                                                     nobody  officer  auditor  ops   engineer  estate_ops  estate_aud.
GET   /tinh-hinh/                                                      401      200      200  200        200         200         200
GET   /tinh-hinh/tom-tat                                               401      200      200  200        200         200         200
GET   /tinh-hinh/static/room.js                                        401      200      200  200        200         200         200
GET   /tinh-hinh/don-vi/tm                                             401      200      200  200        200         200         200
GET   /tinh-hinh/don-vi/lv                                             401      403      200  200        200         200         200
GET   /tinh-hinh/may/e_html                                            401      200      200  200        200         200         200
GET   /tinh-hinh/may/e_lv                                              401      403      200  200        200         200         200
GET   /tinh-hinh/may-chu/s_lv                                          401      403      200  200        200         200         200
GET   /tinh-hinh/don-vi/kt                                             401      403      200  200        200         403         403
GET   /tinh-hinh/may/e_kt                                              401      403      200  200        200         403         403
GET   /tinh-hinh/may-chu/s_kt                                          401      403      200  200        200         403         403
GET   /tinh-hinh/cong-van/kt/2022-10-12-don_doc-kp                     401      403      200  200        200         403         403
GET   /tinh-hinh/so-tay/watchdog                                       401      200      200  200        200         200         200
GET   /tinh-hinh/cong-van                                              401      200      200  200        200         200         200
POST  /tinh-hinh/may-chu/s_lv/tiep-nhan  as acknowledgement            401      403      403  303        303         303         403
POST  /tinh-hinh/may-chu/s_lv/tiep-nhan  as no_token                   401      403      403  403        403         403         403
POST  /tinh-hinh/may-chu/s_lv/tiep-nhan  as foreign_token              401      403      403  403        403         403         403
POST  /tinh-hinh/may-chu/s_lv/tiep-nhan  as other_site                 401      403      403  403        403         403         403
POST  /tinh-hinh/may-chu/s_lv/tam-ngung  as silence                    401      403      403  303        303         303         403
POST  /tinh-hinh/may-chu/s_lv/tam-ngung  as no_token                   401      403      403  403        403         403         403
POST  /tinh-hinh/may-chu/s_kt/tiep-nhan  as others_acknowledgement     401      403      403  303        303         403         403
POST  /tinh-hinh/may-chu/s_kt/tam-ngung  as silence                    401      403      403  303        303         403         403
POST  /tinh-hinh/may-chu/s_lv/tiep-nhan  as others_acknowledgement     401      403      403  400        400         400         403

Data Docs
GET   /chat-luong-du-lieu/                                             401      403      200  200        200         403         403
GET   /chat-luong-du-lieu/runs/20221012T010000Z-landed.html            401      403      200  200        200         403         403

Xem trong Airflow
GET   /api/v2/dags                                                     401      403      200  200        200         403         403
GET   /api/v2/dags/watch_server_links                                  401      403      200  200        200         403         403
GET   /api/v2/dags/watch_server_links/dagRuns                          401      403      200  200        200         403         403
GET   /api/v2/dags/watch_server_links/dagRuns/{run}/taskInstances      401      403      200  200        200         403         403
GET   /api/v2/dags/~/dagRuns/~/taskInstances                           401      403      200  200        200         403         403
GET   {task}/logs/1                                                    401      403      403  200        200         403         403
GET   {task}/xcomEntries                                               401      403      403  200        200         403         403
GET   /api/v2/dagSources/watch_server_links                            401      403      200  200        200         403         403
GET   /api/v2/importErrors                                             401      403      200  200        200         403         403
GET   /api/v2/assets                                                   401      403      200  200        200         403         403
GET   /api/v2/jobs                                                     401      403      200  200        200         403         403
GET   /api/v2/eventLogs                                                401      403      200  403        200         403         403
GET   /api/v2/plugins                                                  401      200      200  200        200         200         200
GET   /api/v2/providers                                                401      403      403  403        200         403         403
GET   /api/v2/config                                                   401      403      403  403        403         403         403
GET   /api/v2/variables                                                401      403      403  403        403         403         403
GET   /api/v2/connections                                              401      403      403  403        200         403         403
GET   /api/v2/connections/ksc_dtp                                      401      403      403  403        200         403         403
GET   /api/v2/pools                                                    401      403      403  403        200         403         403
GET   /ui/dags                                                         401      403      200  200        200         403         403
GET   /ui/dashboard/historical_metrics_data?start_date=2022-10-01      401      403      200  200        200         403         403
GET   /ui/config                                                       401      200      200  200        200         200         200

Làm trong Airflow
POST  /api/v2/dags/watch_server_links/dagRuns  as run                  401      403      403  200        200         403         403
POST  /api/v2/dags/watch_server_links/clearTaskInstances  as clear     401      403      403  200        200         403         403
PATCH /api/v2/dags/watch_server_links  as pause                        401      403      403  200        200         403         403
DELETE /api/v2/dags/watch_server_links                                 401      403      403  403        403         403         403
DELETE /api/v2/dags/watch_server_links/dagRuns/{run}                   401      403      403  403        403         403         403
POST  /api/v2/variables  as variable                                   401      403      403  403        403         403         403
POST  /api/v2/connections  as connection                               401      403      403  403        201         403         403
PATCH /api/v2/connections/ksc_dtp  as password                         401      403      403  403        200         403         403
POST  /api/v2/connections/test  as connection                          401      403      403  403        200         403         403
POST  /api/v2/pools  as pool                                           401      403      403  403        201         403         403
GET   /auth/fab/v1/users                                               401      403      403  403        403         403         403
GET   /auth/fab/v1/roles                                               401      403      403  403        403         403         403

Không cần đăng nhập
GET   /api/v2/monitor/health                                           200      200      200  200        200         200         200
GET   /api/v2/version                                                  200      200      200  200        200         200         200
"""

# What others than the owner and his group may do with a published file, after a whole publication.
FILES = """
marts/ksc_ledger.duckdb                        r--r--r--  everybody on the host: names are masked
marts/parquet/                                 rwxr-xr-x  as above
marts/xlsx/                                    rwxr-xr-x  as above
marts/restricted/                              rwxr-x---  owner and group
marts/restricted/ksc_ledger_named.duckdb       rw-r-----  owner and group: with names
marts/units/                                   rwxr-x---  owner and group
marts/units/<unit_code>.duckdb                 rw-r-----  owner and group: one unit's subtree, with names
warehouse/                                     rwxr-x---  owner and group
state/state.sqlite                             rw-r-----  owner and group
state/mask_salt                                rw-------  owner only: whoever has it can guess names
state/page_secret                              rw-------  owner only: signs the page's forms
"""

_LINE = re.compile(
    r"(?P<method>[A-Z]+)\s+(?P<path>\S+)(?:\s+as (?P<form>\w+))?\s+(?P<said>(?:\d{3}\s*){7})"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One address; ``expected`` by person."""

    method: str
    path: str
    form: str | None
    expected: dict[str, int]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}" + (f" as {self.form}" if self.form else "")


def rows() -> Iterator[Row]:
    """The table's rows; ValueError for a line that is neither a heading nor a row."""
    for line in TABLE.strip().splitlines():
        found = _LINE.fullmatch(line.strip())
        if found:
            said = [int(word) for word in found["said"].split()]
            yield Row(
                method=found["method"],
                path=found["path"],
                form=found["form"],
                expected=dict(zip(PEOPLE, said, strict=True)),
            )
        elif re.match(r"[A-Z]+\s+[/{]", line):
            raise ValueError(line)


def files() -> Iterator[tuple[str, str]]:
    """Path below the home, and its mode as ``ls`` shows it."""
    for line in FILES.strip().splitlines():
        path, mode, _ = line.split(maxsplit=2)
        yield path, mode


def section() -> str:
    return f"{BEGIN}\n```text\n{TABLE.strip()}\n```\n\n```text\n{FILES.strip()}\n```\n{END}"


def page_with_section(text: str) -> str:
    before, rest = text.split(BEGIN)
    return before + section() + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page_with_section(PAGE.read_text("utf-8")), "utf-8")
