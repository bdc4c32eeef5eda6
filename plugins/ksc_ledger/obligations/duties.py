"""The registry's obligations, one for each unit they bind, with their deadlines read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ksc_ledger.clock import start_of_day
from ksc_ledger.letters.model import Document, PartialDate
from ksc_ledger.letters.words import citation
from ksc_ledger.registry import Directive, Obligation, Registry, Unit
from ksc_ledger.rules import deadlines
from ksc_ledger.rules.working_days import WorkingCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """One obligation of one unit: as the rule judges it, and the rows it comes from."""

    rule: deadlines.Obligation
    row: Obligation
    directive: Directive
    unit: Unit

    @property
    def key(self) -> tuple[str, str]:
        return self.rule.obligation_code, self.rule.unit_code

    @property
    def document(self) -> str:
        """The document as a mail or a letter cites it."""
        return citation(document_of(self.directive))


def duties_at(
    registry: Registry, estate_code: str, working_calendar: WorkingCalendar, now: datetime
) -> tuple[Duty, ...]:
    """Every obligation of an estate that has begun by ``now``, in the registry's order.

    Raises LedgerError for a wording that cannot be read; a checked registry has none.
    """
    found: list[Duty] = []
    for row in registry.obligations:
        opens_at = start_of_day(registry.opens_date(row))
        if row.estate_code != estate_code or opens_at > now:
            continue
        deadline = deadlines.read_deadline(
            row.wording, working_calendar, counted_from=row.counted_from_date, roll=row.roll_policy
        )
        found += [
            Duty(
                rule=deadlines.Obligation(
                    obligation_code=row.obligation_code,
                    unit_code=unit.unit_code,
                    obligation_kind=row.obligation_kind,
                    deadline=deadline,
                    opens_at=opens_at,
                ),
                row=row,
                directive=registry.directive(row.directive_code),
                unit=unit,
            )
            for unit in registry.obliged_units(row)
        ]
    return tuple(found)


def document_of(directive: Directive) -> Document:
    """A registry row as letters cite it."""
    return Document(
        document_kind=directive.document_kind,
        number=directive.number,
        issued=PartialDate(directive.issued_year, directive.issued_month, directive.issued_day),
        issuer=directive.issuer_name,
        subject=directive.subject,
    )
