"""What only several servers tell together: whose clock is wrong, and who knows whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from ksc_ledger.doctor.findings import Check, Finding, failed, warned, well
from ksc_ledger.doctor.servers import SKEW_FAILS, SKEW_WARNS
from ksc_ledger.registry import Server, ServerRole
from ksc_ledger.rules.text import matching_key
from ksc_ledger.sources.client import ChildServer

ACTIVE = 1
_TOGETHER = timedelta(minutes=1)  # skews as alike as this have one cause
_SERVERS_AT_LEAST = 3


def clocks(skews: Mapping[str, int]) -> list[Finding]:
    """One finding a server; ``skews`` are the seconds by which each is ahead of us.

    When all of several servers are wrong by the same, it is our own clock that is wrong.
    """
    if _is_our_own(list(skews.values())):
        seconds = sorted(skews.values())[len(skews) // 2]
        return [
            failed(
                Check.CLOCK,
                "",
                "own_clock",
                f"Cả {len(skews)} máy chủ cùng lệch {_how_far(seconds)}: đồng hồ của chính máy chạy hệ "
                "thống sai.",
                "Bật đồng bộ thời gian (NTP) trên máy này: timedatectl set-ntp true, rồi chạy lại.",
            )
        ]
    return [_clock(code, seconds) for code, seconds in skews.items()]


def _is_our_own(skews: Sequence[int]) -> bool:
    if len(skews) < _SERVERS_AT_LEAST or abs(min(skews, key=abs)) <= SKEW_WARNS.total_seconds():
        return False
    return max(skews) - min(skews) <= _TOGETHER.total_seconds()


def _clock(code: str, seconds: int) -> Finding:
    away = abs(seconds)
    remedy = (
        "Đồng bộ thời gian (NTP) trên máy chủ KSC. Trong lúc chờ, tuổi kết nối và hạn cơ sở dữ liệu vi-rút "
        "của máy chủ này có thể sai."
    )
    said = f"Đồng hồ máy chủ lệch {_how_far(seconds)}."
    if away > SKEW_FAILS.total_seconds():
        return failed(Check.CLOCK, code, "clock_wrong", said, remedy)
    if away > SKEW_WARNS.total_seconds():
        return warned(Check.CLOCK, code, "clock_skewed", said, remedy)
    return well(Check.CLOCK, code, f"Đồng hồ máy chủ lệch {away} giây, trong giới hạn.")


def _how_far(seconds: int) -> str:
    way = "nhanh" if seconds > 0 else "chậm"
    hours, rest = divmod(abs(seconds), 3600)
    parts = [f"{hours} giờ"] if hours else []
    parts.append(f"{rest // 60} phút" if rest >= 60 or hours else f"{rest} giây")
    return f"{way} {' '.join(parts)}"


def districts(
    servers: Iterable[Server], heard: Mapping[str, Sequence[ChildServer]]
) -> list[Finding]:
    """What each province that was heard says of the districts that the registry puts below it."""
    listed = list(servers)
    found: list[Finding] = []
    for province in listed:
        if province.server_role is not ServerRole.PROVINCE or province.server_code not in heard:
            continue
        below = [
            one
            for one in listed
            if one.estate_code == province.estate_code and one.server_role is ServerRole.DISTRICT
        ]
        found += _below(province, below, heard[province.server_code])
    return found


def _below(
    province: Server, below: Sequence[Server], children: Sequence[ChildServer]
) -> list[Finding]:
    by_name = {matching_key(child.display_name or ""): child for child in children}
    found: list[Finding] = []
    for server in below:
        child = by_name.pop(matching_key(server.console_name or ""), None)
        found.append(_district(province, server, child))
    if by_name:
        names = ", ".join(f"«{child.display_name}»" for child in by_name.values())
        found.append(
            warned(
                Check.DISTRICTS,
                province.server_code,
                "secondaries_unlisted",
                f"Máy chủ tỉnh có {len(by_name)} máy chủ cấp dưới không dòng nào trong danh mục nêu: {names}.",
                "Thêm máy chủ vào servers.csv kèm console_name đúng như tên này; nếu chủ ý không theo dõi thì "
                "không cần làm gì.",
            )
        )
    elif below and all(one.is_well for one in found):
        said = (
            f"Máy chủ tỉnh biết cả {len(below)} máy chủ huyện trong danh mục và đang nối với chúng."
        )
        return [well(Check.DISTRICTS, province.server_code, said)]
    return [one for one in found if not one.is_well]


def _district(province: Server, server: Server, child: ChildServer | None) -> Finding:
    code = server.server_code
    if not server.console_name:
        return warned(
            Check.DISTRICTS,
            code,
            "console_name_missing",
            "Danh mục chưa ghi tên máy chủ này trên bảng điều khiển của tỉnh nên không nghe được tỉnh nói gì về "
            "đường nối của nó.",
            "Ghi cột console_name trong servers.csv đúng như tên hiện trên bảng điều khiển KSC của tỉnh.",
        )
    if child is None:
        return failed(
            Check.DISTRICTS,
            code,
            "district_unknown",
            f"Máy chủ tỉnh {province.server_code} không có máy chủ cấp dưới nào tên «{server.console_name}».",
            "Sửa console_name trong servers.csv cho đúng tên trên bảng điều khiển của tỉnh; nếu máy chủ huyện "
            "chưa được nối vào tỉnh thì nối (thêm máy chủ cấp dưới) trên KSC.",
        )
    if child.status != ACTIVE:
        return warned(
            Check.DISTRICTS,
            code,
            "district_inactive",
            f"Máy chủ tỉnh thấy «{server.console_name}» không hoạt động: đường nối từ huyện về tỉnh đang đứt.",
            "Kiểm tra đường truyền và cổng 13000 giữa huyện và tỉnh, chứng thư máy chủ tỉnh trên máy chủ huyện.",
        )
    return well(Check.DISTRICTS, code, "Máy chủ tỉnh đang nối với máy chủ này.")
