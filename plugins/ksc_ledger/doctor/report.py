"""What the doctor says on a terminal, and to a program."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from ksc_ledger.doctor.findings import Finding, Verdict, worst

EXIT_STATUS = {Verdict.OK: 0, Verdict.WARN: 1, Verdict.FAIL: 2}
_MARKS = {Verdict.OK: "[ĐẠT]", Verdict.WARN: "[CHÚ Ý]", Verdict.FAIL: "[LỖI]"}


def as_text(findings: Sequence[Finding]) -> str:
    """Every finding in its place, complaints with what to do, and a sum at the end."""
    lines: list[str] = []
    for one in findings:
        lines.append(f"{_MARKS[one.verdict]} {one.looked_at}: {one.said}")
        if one.remedy:
            lines.append(f"        Cách khắc phục: {one.remedy}")
    counts = Counter(one.verdict for one in findings)
    if worst(findings) is Verdict.OK:
        lines.append(f"Đã xem {len(findings)} mục, không có gì phải sửa.")
    else:
        lines.append(
            f"Đã xem {len(findings)} mục: {counts[Verdict.FAIL]} lỗi, {counts[Verdict.WARN]} điều cần chú ý."
        )
    return "\n".join(lines)


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
