"""Scenario folders of many invented provinces, for the link watch: servers and nothing in them."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

SINCE = "2022-09-01"
_PAPER = "Số liệu dựng để đo"
_DATED = {"valid_from_date": SINCE, "valid_to_date": "", "source_document": _PAPER}


def province_code(number: int) -> str:
    return f"bt{number:02d}"


def district_code(number: int, district: int) -> str:
    return f"{province_code(number)}_{district:02d}"


def server_codes(provinces: int, servers: int) -> dict[int, list[str]]:
    """``servers`` spread evenly over the provinces, the first of each the province's own."""
    counts = [servers // provinces + (number < servers % provinces) for number in range(provinces)]
    return {
        number: [province_code(number), *(district_code(number, one) for one in range(1, count))]
        for number, count in enumerate(counts)
    }


def write(folder: Path, provinces: int, servers: int) -> list[Path]:
    """A scenario a province. In each the last district takes no connection and says nothing."""
    return [
        _write_province(folder / province_code(number), number, codes)
        for number, codes in server_codes(provinces, servers).items()
    ]


def _write_province(folder: Path, number: int, codes: Sequence[str]) -> Path:
    estate, code = folder / "estate", codes[0]
    (estate / "hosts").mkdir(parents=True)
    (folder / "scenario.yml").write_text(
        f"name: {code}\ntitle: Tỉnh đo thử {number}\nestate_code: {code}\n"
        f'timeline:\n  - {{at: "{SINCE}T08:00:00+07:00", do: watch}}\n'
        f'ends_at: "{SINCE}T08:00:00+07:00"\n',
        "utf-8",
    )
    (folder / "expected.yml").write_text("figures: []\n", "utf-8")
    for one in codes:
        write_rows(
            estate / "hosts" / f"{one}.csv",
            [],
            ("host_id", "from_at", "to_at", "display_name", "group_path"),
        )
    write_rows(estate / "groups.csv", [], ("server_code", "group_path", "from_at", "to_at"))
    write_rows(
        estate / "servers.csv",
        [
            {
                "server_code": one,
                "parent_server_code": "" if one == code else code,
                "display_name": _console_name(one),
                "version": "14.2.0.26967",
                "is_passive": 0,
                "address": "10.0.0.10:13000",
                "clock_skew_seconds": 0,
                "from_at": "",
                "to_at": "",
            }
            for one in codes
        ],
    )
    write_rows(
        estate / "events.csv",
        [
            {
                "server_code": codes[-1],
                "from_at": f"{SINCE}T00:00:00+07:00",
                "to_at": "",
                "kind": "syn_blackhole",
                "value": "",
            }
        ],
    )
    write_registry(folder / "registry" / code, number, codes)
    return folder


def write_registry(folder: Path, number: int, codes: Sequence[str]) -> None:
    """A province's estate, units and servers: nothing else, which is all a link watch needs."""
    folder.mkdir(parents=True)
    (folder / "estate.yml").write_text(
        f"estate_code: {codes[0]}\nestate_name: Tỉnh đo thử {number}\n"
        "old_bases_days: 15\nstale_working_days: 7\n",
        "utf-8",
    )
    write_rows(folder / "units.csv", unit_rows(codes))
    write_rows(
        folder / "servers.csv",
        [
            {
                "server_code": one,
                "server_name": f"Máy chủ KSC {one}",
                "server_role": "district" if place else "province",
                "unit_code": one,
                "list_order": place,
                "console_name": _console_name(one) if place else "",
                **_DATED,
            }
            for place, one in enumerate(codes)
        ],
    )


def unit_rows(codes: Sequence[str]) -> list[dict[str, object]]:
    """A unit a server, the province's above the others."""
    return [
        {
            "unit_code": one,
            "unit_name": f"Đơn vị {one}",
            "unit_kind": "huyen_tp" if place else "tinh",
            "official_code": "",
            "name_prefix": "",
            "parent_unit_code": codes[0] if place else "",
            "list_order": place,
            **_DATED,
        }
        for place, one in enumerate(codes)
    ]


def _console_name(code: str) -> str:
    return f"KSC-{code.upper().replace('_', '-')}"


def write_rows(
    file: Path, rows: Sequence[Mapping[str, object]], columns: Sequence[str] | None = None
) -> None:
    """A CSV file; ``columns`` are those of the first row unless they are given."""
    names = list(columns or rows[0])
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
