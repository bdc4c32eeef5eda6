"""A mistake in the officers' files, told so that whoever wrote the line can mend it."""

from __future__ import annotations

from dataclasses import dataclass

from ksc_ledger.errors import LedgerError

SHOWN_COUNT = 50  # as many mistakes as one message shows; the rest are counted


@dataclass(frozen=True, slots=True)
class Mistake:
    """Where (the row a spreadsheet shows, the header being row 1), what, and what to do.

    ``row`` is None for a whole file, ``field`` is '' when no single column is meant. ``text`` and
    ``remedy`` are Vietnamese.
    """

    file: str
    row: int | None
    field: str
    text: str
    remedy: str

    @property
    def place(self) -> str:
        parts = [self.file]
        if self.row is not None:
            parts.append(f"dòng {self.row}")
        if self.field:
            parts.append(f"cột {self.field}")
        return ", ".join(parts)

    def __str__(self) -> str:
        return f"{self.place}: {self.text} {self.remedy}".rstrip()


class RegistryError(LedgerError):
    """The registry cannot be used; ``mistakes`` holds every one that was found."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        lines = [f"- {mistake}" for mistake in mistakes[:SHOWN_COUNT]]
        if len(mistakes) > SHOWN_COUNT:
            lines.append(f"- và {len(mistakes) - SHOWN_COUNT} lỗi khác.")
        super().__init__(
            "registry_invalid",
            "\n".join([f"Danh mục có {len(mistakes)} lỗi:", *lines]),
            "Sửa các dòng nêu trên rồi chạy lại lệnh ksc-ledger registry check.",
        )
        self.mistakes = mistakes
