from __future__ import annotations

from pathlib import Path

from ksc_ledger.registry import check
from unit.registry.registry_folder import ALLOCATIONS, UNITS, write_registry

NO_NUMBER = "«330.5» không phải là số nguyên từ 0 đến 999999."


def test_there_is_nothing_to_say_about_a_right_registry(tmp_path: Path) -> None:
    assert check(write_registry(tmp_path)) == []


def test_every_mistake_is_an_entry_with_what_to_do(tmp_path: Path) -> None:
    path = write_registry(
        tmp_path,
        {
            "units.csv": UNITS.replace(",tinh,", ",,"),
            "allocations.csv": ALLOCATIONS.replace(",8,", ",330.5,"),
        },
    )
    seats, kind = check(path)
    assert seats.splitlines() == [
        f"dong_thap/allocations.csv, dòng 3, cột seat_count: {NO_NUMBER}",
        "    → Chỉ ghi chữ số, không có dấu chấm, dấu phẩy, chữ hay dấu âm; ví dụ 1077.",
    ]
    assert kind.startswith("dong_thap/units.csv, dòng 2, cột unit_kind: ")
