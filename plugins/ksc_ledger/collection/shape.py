"""A change in the shape of a server's rows, as a verdict that its load carries from the beginning.

It is told once, with the load in which it is first seen; what has become usual for a server is in
``Load.drift`` and in no verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SUITE = "landing.ksc_shape"
_MISSING = "missing"

_DESCRIPTIONS = {
    _MISSING: "Thuộc tính {} từng có ở lần đọc trước, nay không máy nào có.",
    "new": "Máy chủ gửi thuộc tính {} mà hệ thống không hỏi; dữ liệu được giữ nguyên trong tệp thô.",
    "retyped": "Thuộc tính {} được gửi với kiểu dữ liệu khác quy định của giao thức.",
}


def changes(
    drift: Mapping[str, int], before: Mapping[str, int] | None
) -> tuple[dict[str, Any], ...]:
    """A verdict for each part of ``drift`` that the last complete load did not have.

    ``before`` None: there was none, or it had no device. What no device of a server has at the first
    look, none may ever have.
    """
    if before is None:
        fresh = {code: rows for code, rows in drift.items() if _parts(code)[0] != _MISSING}
    else:
        fresh = {code: rows for code, rows in drift.items() if code not in before}
    return tuple(_verdict(code, rows) for code, rows in fresh.items())


def _verdict(code: str, rows: int) -> dict[str, Any]:
    what, attribute = _parts(code)
    return {
        "suite": SUITE,
        "expectation": code,
        "severity": "warn",
        "is_success": False,
        "unexpected_count": rows,
        "description": _DESCRIPTIONS[what].format(attribute),
    }


def _parts(code: str) -> tuple[str, str]:
    what, _, attribute = code.partition(".")
    return what, attribute
