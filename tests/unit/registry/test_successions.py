"""What rows of successions.csv must not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from ksc_ledger.registry import RegistryError, SuccessionKind, load
from unit.registry.registry_folder import LETTER, UNITS, write_registry

HEADER = "succession_kind,from_unit_code,to_unit_code,effective_date,seat_count,source_document\n"
# The two offices end with 30/06/2025; two communes begin the day after.
REFORMED = (
    UNITS.replace("VHTT,dtp_872,7,2022-09-01,,", "VHTT,dtp_872,7,2022-09-01,2025-06-30,").replace(
        "PNV,dtp_872,2,2022-09-01,,", "PNV,dtp_872,2,2022-09-01,2025-06-30,"
    )
    + f"xa_mot,Xã Một,xa,,,dtp,1,2025-07-01,,{LETTER}\n"
    + f"xa_hai,Xã Hai,xa,,,dtp,2,2025-07-01,,{LETTER}\n"
)


def row(kind: str, before: str, after: str, day: str = "2025-07-01", seats: str = "") -> str:
    return f"{kind},{before},{after},{day},{seats},{LETTER}\n"


def registry(path: Path, rows: str) -> Path:
    files: dict[str, str | bytes | None] = {
        "units.csv": REFORMED,
        "successions.csv": HEADER + rows,
        "unit_aliases.csv": None,
        "server_groups.csv": None,
        "allocations.csv": None,
    }
    return write_registry(path, files)


def test_a_right_sheet_is_read(tmp_path: Path) -> None:
    rows = (
        row("merge", "dtp_872_vhtt", "xa_mot")
        + row("split", "dtp_872_pnv", "xa_mot", seats="7")
        + row("split", "dtp_872_pnv", "xa_hai", seats="5")
        + row("reuse", "dtp_872_pnv", "xa_hai")
        + row("split", "dtp_872", "xa_hai")  # goes on itself
        + row("rename", "dtp", "dtp", "2024-01-01")
    )
    found = load(registry(tmp_path, rows)).successions
    assert [one.succession_kind for one in found][:2] == [
        SuccessionKind.MERGE,
        SuccessionKind.SPLIT,
    ]
    assert [one.seat_count for one in found] == [None, 7, 5, None, None, None]


@pytest.mark.parametrize(
    ("rows", "field", "text"),
    [
        pytest.param(row("merge", "la_ai", "xa_mot"), "from_unit_code", "la_ai", id="unknown"),
        pytest.param(
            row("merge", "dtp_872_vhtt", "xa_mot", "2025-07-02"),
            "from_unit_code", "01/07/2025", id="ended a day too early",
        ),
        pytest.param(
            row("split", "dtp_872_vhtt", "xa_mot", "2025-06-30"),
            "to_unit_code", "30/06/2025", id="the heir is not there yet",
        ),
        pytest.param(row("merge", "dtp_872", "xa_mot"), "from_unit_code", "vẫn còn", id="goes on"),
        pytest.param(
            row("merge", "dtp_872_vhtt", "xa_mot") + row("split", "dtp_872_vhtt", "xa_hai"),
            "succession_kind", "không còn phần nào", id="merged and split",
        ),
        pytest.param(
            row("split", "dtp_872_vhtt", "xa_mot", seats="3") + row("split", "dtp_872_vhtt", "xa_hai"),
            "seat_count", "Các phần khác", id="half a split told",
        ),
        pytest.param(
            row("split", "dtp_872_vhtt", "xa_mot", seats="0"), "seat_count", "Không phần nào", id="none",
        ),
        pytest.param(
            row("merge", "dtp_872_vhtt", "xa_mot", seats="3"), "seat_count", "chia tách", id="seats",
        ),
        pytest.param(row("rename", "dtp", "dtp_872"), "to_unit_code", "Đổi tên", id="renamed"),
        pytest.param(
            row("split", "dtp", "dtp_872") + row("split", "dtp_872", "dtp"),
            "to_unit_code", "chính nó", id="in a circle",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told(tmp_path: Path, rows: str, field: str, text: str) -> None:
    with pytest.raises(RegistryError) as raised:
        load(registry(tmp_path, rows))
    mistakes = raised.value.mistakes
    assert {one.field for one in mistakes} == {field}
    assert text in " ".join(str(one.text) for one in mistakes)
    assert all(one.file.endswith("successions.csv") for one in mistakes)
