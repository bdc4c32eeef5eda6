"""What the doctor says on a terminal, and to a program."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from ksc_ledger.doctor.findings import LABELS, Finding, Verdict, worst

EXIT_STATUS = {Verdict.OK: 0, Verdict.WARN: 1, Verdict.FAIL: 2}
_MARKS = {Verdict.OK: "[ĐẠT]", Verdict.WARN: "[CHÚ Ý]", Verdict.FAIL: "[LỖI]"}


def as_text(findings: Sequence[Finding], *, is_whole: bool = False) -> str:
    """Complaints with what to do, then what is well by the thing it is about, then a sum.

    ``is_whole``: every finding in its place instead.
    """
    lines: list[str] = []
    for one in findings:
        if is_whole or not one.is_well:
            lines.append(f"{_MARKS[one.verdict]} {one.looked_at}: {one.said}")
        if one.remedy:
            lines.append(f"        Cách khắc phục: {one.remedy}")
    if not is_whole:
        well = _what_is_well(findings)
        lines += [
            f"{_MARKS[Verdict.OK]} {thing}: {', '.join(seen)}." for thing, seen in well.items()
        ]
    counts = Counter(one.verdict for one in findings)
    if worst(findings) is Verdict.OK:
        lines.append(f"Đã xem {len(findings)} mục, không có gì phải sửa.")
    else:
        lines.append(
            f"Đã xem {len(findings)} mục: {counts[Verdict.FAIL]} lỗi, {counts[Verdict.WARN]} điều cần chú ý."
        )
    return "\n".join(lines)


def _what_is_well(findings: Sequence[Finding]) -> dict[str, list[str]]:
    """The labels of the good findings, by server, connection or file."""
    found: dict[str, list[str]] = {}
    for one in findings:
        if one.is_well:
            labels = found.setdefault(one.subject or "chung", [])
            if LABELS[one.check] not in labels:
                labels.append(LABELS[one.check])
    return found


def as_json(findings: Sequence[Finding]) -> str:
    """``{"verdict", "findings": [{"check", "subject", "verdict", "code", "said", "remedy"}]}``."""
    return json.dumps(
        {
            "verdict": worst(findings).value,
            "findings": [
                {
                    "check": one.check.value,
                    "subject": one.subject,
                    "verdict": one.verdict.value,
                    "code": one.code,
                    "said": one.said,
                    "remedy": one.remedy,
                }
                for one in findings
            ],
        },
        ensure_ascii=False,
        indent=1,
    )
