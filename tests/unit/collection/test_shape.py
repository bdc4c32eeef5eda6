"""A change of shape is told once."""

from __future__ import annotations

from ksc_ledger.collection import shape

SEEN = {"missing.A": 40, "new.B": 40, "retyped.C": 3}


def told(drift: dict[str, int], before: dict[str, int] | None) -> list[str]:
    return [verdict["expectation"] for verdict in shape.changes(drift, before)]


def test_what_the_last_load_did_not_have_is_told() -> None:
    assert told(SEEN, {}) == ["missing.A", "new.B", "retyped.C"]
    assert told(SEEN, {"new.B": 1, "retyped.C": 40}) == ["missing.A"]


def test_what_has_become_usual_is_not_told_again_nor_that_it_is_over() -> None:
    assert told(SEEN, SEEN) == []
    assert told({}, SEEN) == []


def test_what_was_never_there_is_not_missing() -> None:
    assert told(SEEN, None) == ["new.B", "retyped.C"]


def test_a_change_is_a_warning_with_its_rows_and_its_attribute() -> None:
    (verdict,) = shape.changes({"retyped.KLHST_WKS_STATUS": 3}, {})
    assert verdict == {
        "suite": "landing.ksc_shape",
        "expectation": "retyped.KLHST_WKS_STATUS",
        "severity": "warn",
        "is_success": False,
        "unexpected_count": 3,
        "description": "Thuộc tính KLHST_WKS_STATUS được gửi với kiểu dữ liệu khác quy định của giao "
        "thức.",
    }
