"""What is measured together: each module prepares its data, runs its cases and judges its targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """How large this run is. Targets are judged at full size only."""

    work: Path
    reps: int
    is_full_size: bool
    say: Callable[[str], None]

    def sized(self, count: int) -> int:
        return count if self.is_full_size else count // 10
