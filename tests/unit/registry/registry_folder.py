"""A small right registry for tests; a test replaces the one file it is about."""

from __future__ import annotations

from pathlib import Path

LETTER = '"Công văn số 1, ngày 01/9/2022"'

ESTATE = "estate_code: dong_thap\nestate_name: Tỉnh Đồng Tháp\n"
UNITS = f"""\
unit_code,unit_name,unit_kind,official_code,name_prefix,parent_unit_code,list_order,valid_from_date,valid_to_date,source_document
dtp,Tỉnh Đồng Tháp,tinh,87,,,0,2022-09-01,,{LETTER}
dtp_872,Huyện Tháp Mười,huyen_tp,872,,dtp,1,2022-09-01,,{LETTER}
dtp_872_vhtt,Phòng Văn hóa và Thông tin,phong,,VHTT,dtp_872,7,2022-09-01,,{LETTER}
dtp_872_pnv,Phòng Nội vụ,phong,,PNV,dtp_872,2,2022-09-01,,{LETTER}
"""
SERVERS = f"""\
server_code,server_name,server_role,unit_code,list_order,valid_from_date,valid_to_date,source_document
dtp,Máy chủ KSC tỉnh,province,dtp,0,2022-09-01,,{LETTER}
dtp_872,Máy chủ KSC huyện Tháp Mười,district,dtp_872,1,2022-09-01,,{LETTER}
"""
GROUPS = f"""\
server_code,group_path,unit_code,valid_from_date,valid_to_date,source_document
dtp_872,01. Phòng ban/Phòng VHTT,dtp_872_vhtt,2022-09-01,,{LETTER}
"""
ALIASES = f"""\
alias,unit_code,valid_from_date,valid_to_date,source_document
Phòng VHTT,dtp_872_vhtt,2022-09-01,,{LETTER}
"""
ALLOCATIONS = f"""\
entry_id,entry_kind,from_unit_code,to_unit_code,seat_count,valid_from_date,valid_to_date,source_document
2022-872,grant,,dtp_872,20,2022-09-01,2023-10-12,{LETTER}
2022-vhtt,grant,dtp_872,dtp_872_vhtt,8,2022-09-01,2023-10-12,{LETTER}
2022-pnv,grant,dtp_872,dtp_872_pnv,12,2022-09-01,2023-10-12,{LETTER}
"""
RULES = f"""\
rule_code,unit_code,separator,max_length,allowed_part,min_parts,max_parts,valid_from_date,valid_to_date,source_document
dtp_2022,dtp,-,15,[A-Z0-9]+,1,2,2022-09-01,,{LETTER}
"""
CALENDAR = f"""\
date,kind,name,source_document
2022-10-14,holiday,Nghỉ theo quyết định của tỉnh,{LETTER}
"""
FILES = {
    "estate.yml": ESTATE,
    "units.csv": UNITS,
    "servers.csv": SERVERS,
    "server_groups.csv": GROUPS,
    "unit_aliases.csv": ALIASES,
    "allocations.csv": ALLOCATIONS,
    "naming_rules.csv": RULES,
    "calendar.csv": CALENDAR,
}


def write_registry(
    path: Path, files: dict[str, str | bytes | None] | None = None, *, estate: str = "dong_thap"
) -> Path:
    """Write the small registry with ``files`` put in place of its own; None leaves one out."""
    folder = path / estate
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {**FILES, **(files or {})}.items():
        if isinstance(content, str):
            (folder / name).write_text(content, "utf-8", newline="")
        elif content is not None:
            (folder / name).write_bytes(content)
    return path
