"""What the offices say of machines: how weak is too weak, who is exempt, what is no antivirus."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ksc_ledger.registry import RegistryError, load
from ksc_ledger.registry.model import Registry
from unit.registry.registry_folder import LETTER, write_registry

LIMITS = "memory_mb,disk_gb,valid_from_date,valid_to_date,source_document\n"
EXCEPTIONS = "product_text,valid_from_date,valid_to_date,source_document\n"
RETURNS = "return_id,unit_code,machine_count,valid_from_date,valid_to_date,source_document\n"
NAMED = RETURNS.replace("machine_count,", "machine_count,endpoint_id,")
ENDPOINT = "8910f900-3807-4b97-8a97-d49e73ec5ab1"


def read(tmp_path: Path, **files: str) -> Registry:
    return load(write_registry(tmp_path, {f"{name}.csv": text for name, text in files.items()}))


def test_limits_and_exceptions_are_dated_rows(tmp_path: Path) -> None:
    registry = read(
        tmp_path,
        hardware_limits=f"{LIMITS}1024,0,2022-09-01,2023-10-12,{LETTER}\n"
        f"2048,40,2023-10-13,,{LETTER}\n",
        antivirus_exceptions=f"{EXCEPTIONS}Kaspersky,2022-09-01,,{LETTER}\n",
    )
    assert [
        (one.memory_mb, one.disk_gb, one.valid_from_date) for one in registry.hardware_limits
    ] == [(1024, 0, date(2022, 9, 1)), (2048, 40, date(2023, 10, 13))]
    assert [one.product_text for one in registry.antivirus_exceptions] == ["Kaspersky"]


def test_a_return_may_name_its_machine_or_leave_the_column_out(tmp_path: Path) -> None:
    plain = read(
        tmp_path / "a", hardware_returns=f"{RETURNS}r1,dtp_872_pnv,3,2022-09-01,,{LETTER}\n"
    )
    named = read(
        tmp_path / "b",
        hardware_returns=f"{NAMED}r1,dtp_872_pnv,1,{ENDPOINT},2022-09-01,,{LETTER}\n"
        f"r2,dtp_872_pnv,2,,2022-09-01,,{LETTER}\n",
    )
    assert [one.endpoint_id for one in plain.hardware_returns] == [None]
    assert [one.endpoint_id for one in named.hardware_returns] == [ENDPOINT, None]


@pytest.mark.parametrize(
    ("name", "text", "field", "said"),
    [
        pytest.param(
            "hardware_returns",
            f"{NAMED}r1,dtp_872_pnv,2,{ENDPOINT},2022-09-01,,{LETTER}\n",
            "machine_count",
            "ghi 2 máy",
            id="one machine that is two",
        ),
        pytest.param(
            "hardware_returns",
            f"{NAMED}r1,dtp_872_pnv,1,Máy của Lan,2022-09-01,,{LETTER}\n",
            "endpoint_id",
            "không phải là mã máy",
            id="a name and not an id",
        ),
        pytest.param(
            "hardware_limits",
            f"{LIMITS}1024,0,2022-09-01,,{LETTER}\n2048,0,2023-10-13,,{LETTER}\n",
            "memory_mb",
            "Trùng với dòng 2",
            id="two limits on one day",
        ),
        pytest.param(
            "hardware_limits",
            f"{LIMITS}2 GB,0,2022-09-01,,{LETTER}\n",
            "memory_mb",
            "không phải là số nguyên",
            id="a limit with its unit",
        ),
        pytest.param(
            "antivirus_exceptions",
            f"{EXCEPTIONS}Kaspersky,2022-09-01,,{LETTER}\nKASPERSKY,2023-01-01,,{LETTER}\n",
            "product_text",
            "Trùng với dòng 2",
            id="one exception twice",
        ),
    ],
)
def test_a_row_that_cannot_be_meant_is_told(
    tmp_path: Path, name: str, text: str, field: str, said: str
) -> None:
    with pytest.raises(RegistryError) as raised:
        read(tmp_path, **{name: text})
    (mistake,) = raised.value.mistakes
    assert (mistake.file, mistake.field) == (f"dong_thap/{name}.csv", field)
    assert said in mistake.text
