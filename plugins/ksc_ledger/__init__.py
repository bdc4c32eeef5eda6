"""KSC Ledger: from the answers of Kaspersky Security Center servers to figures that can be defended."""

from __future__ import annotations

__version__ = "0.1.0"
