from __future__ import annotations

import pytest

from unit.alerts.faults_table import BEGIN, END, NUMBERS, PAGE, rows, table


def test_the_page_shows_the_tests_as_they_are() -> None:
    shown = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0].strip()
    assert shown == table(), "run: python tests/unit/alerts/faults_table.py"


@pytest.mark.parametrize("number", NUMBERS)
def test_every_fault_that_ends_in_a_mail_or_must_not_is_a_test(number: int) -> None:
    """Each of them with a real SMTP server behind it, not with the rule alone."""
    assert any("SMTP server" in row.behind for row in rows() if row.number == number)
