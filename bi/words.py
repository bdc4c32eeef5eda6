"""Superset's interface in Vietnamese: one .po file → what Python and what the browser read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog

DOMAIN = "superset"
_PO = Path("vi") / "LC_MESSAGES" / "messages.po"


def compile_words(source: Path, target: Path) -> None:
    """Write ``vi/LC_MESSAGES/messages.mo`` and ``vi.json`` below ``target``."""
    with (source / _PO).open("rb") as file:
        catalog = read_po(file, locale="vi", domain="messages")
    made = (target / _PO).with_suffix(".mo")
    made.parent.mkdir(parents=True, exist_ok=True)
    with made.open("wb") as file:
        write_mo(file, catalog)
    (target / "vi.json").write_text(json.dumps(for_browser(catalog), ensure_ascii=False), "utf-8")


def for_browser(catalog: Catalog) -> dict[str, object]:
    """The form that Superset's front end reads (jed)."""
    words: dict[str, object] = {
        "": {"domain": DOMAIN, "plural_forms": "nplurals=1; plural=0", "lang": "vi"}
    }
    for message in catalog:
        if message.id:
            key = message.id if isinstance(message.id, str) else message.id[0]
            said = message.string
            words[key] = [said] if isinstance(said, str) else list(said or ())
    return {"domain": DOMAIN, "locale_data": {DOMAIN: words}}
