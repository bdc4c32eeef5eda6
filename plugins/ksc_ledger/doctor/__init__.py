"""What a newcomer gets wrong, looked for before it costs a day: ``ksc-ledger doctor``.

Each check looks at one thing and says what it saw, whether that is well, and what to do. Nothing is
changed, with one exception: an account that a server refused is held back, as everywhere else.
``servers`` looks at one KSC server, ``estates`` at what only several of them tell together, ``house``
at this machine, ``relays`` at the mail; ``examination`` puts them together, ``report`` says it.
"""

from __future__ import annotations

from ksc_ledger.doctor.examination import Wish, examine
from ksc_ledger.doctor.findings import Check, Finding, Verdict, worst

__all__ = ["Check", "Finding", "Verdict", "Wish", "examine", "worst"]
