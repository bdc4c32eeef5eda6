"""Groups as consoles spell them, and the units in which their devices count."""

from __future__ import annotations

import unicodedata

import pytest

from ksc_ledger.rules.organisation import mapped_unit, normalised_path, unit_of_group

MAPPINGS = {
    normalised_path(path): unit
    for path, unit in {
        "01. Phòng ban": "dtp_872",
        "01. Phòng ban/Phòng VHTT": "dtp_872_vhtt",
        "02. Xã, thị trấn/UBND xã Mỹ Quý": "dtp_872_30055",
        "02. Xã, thị trấn/Xã Thanh Mỹ": "dtp_872_30073",
        "02. Xã, thị trấn/Thị trấn Mỹ An": "dtp_872_30037",
        "03. Đơn vị sự nghiệp/TT Văn hóa - Thể thao": "dtp_872_ttvh",
    }.items()
}


@pytest.mark.parametrize(
    ("group_path", "unit_code"),
    [
        pytest.param("01. Phòng ban/Phòng VHTT", "dtp_872_vhtt", id="the group itself"),
        pytest.param("01. Phòng ban/Phòng VHTT/Tầng 2/Máy in", "dtp_872_vhtt", id="far below"),
        pytest.param("01. Phòng ban/Phòng khác", "dtp_872", id="the nearer ancestor"),
        pytest.param("01. Phòng ban/Phòng VHTT ", "dtp_872_vhtt", id="a trailing blank"),
        pytest.param("01. PHÒNG BAN/phòng vhtt", "dtp_872_vhtt", id="case"),
        pytest.param("02. Xã, thị trấn/UBND xã Mỹ Qúy", "dtp_872_30055", id="the tone elsewhere"),
        pytest.param(
            unicodedata.normalize("NFD", "02. Xã, thị trấn/UBND xã Mỹ Quý"),
            "dtp_872_30055",
            id="NFD",
        ),
        pytest.param(
            "03. Ðơn vị sự nghiệp/TT Văn hoá–Thể thao", "dtp_872_ttvh", id="Eth, dash and tone"
        ),
        pytest.param("/01. Phòng ban//Phòng VHTT/", "dtp_872_vhtt", id="stray slashes"),
    ],
)
def test_the_nearest_mapped_group_gives_the_unit(group_path: str, unit_code: str) -> None:
    assert mapped_unit(group_path, MAPPINGS) == unit_code
    assert unit_of_group(group_path, MAPPINGS, "dtp_872_other") == unit_code


@pytest.mark.parametrize(
    "group_path",
    [
        pytest.param("02. Xã, thị trấn", id="above every mapping"),
        pytest.param("02. Xã, thị trấn/Xã Thạnh Mỹ", id="another accent is another commune"),
        pytest.param("02. Xã, thị trấn/TT My An", id="no accents"),
        pytest.param("01. Phòng ban khác", id="a name that begins alike"),
        pytest.param("Phòng VHTT", id="the same name elsewhere"),
        pytest.param("", id="the root"),
        pytest.param(None, id="unassigned"),
    ],
)
def test_what_nobody_mapped_counts_for_the_servers_unit(group_path: str | None) -> None:
    assert mapped_unit(group_path, MAPPINGS) is None
    assert unit_of_group(group_path, MAPPINGS, "dtp_872") == "dtp_872"


def test_an_untidy_group_is_mapped_by_a_row_of_its_own() -> None:
    mappings = MAPPINGS | {normalised_path("02. Xã, thị trấn/TT My An"): "dtp_872_30037"}
    assert mapped_unit("02. Xã, thị trấn/TT My An", mappings) == "dtp_872_30037"
