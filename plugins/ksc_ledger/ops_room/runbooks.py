"""The runbooks of ``docs/runbooks`` as pages.

They are files of ours, and still no HTML in them becomes markup: Markdown is all they may use.
"""

from __future__ import annotations

import re

from markdown_it import MarkdownIt
from markupsafe import Markup

from ksc_ledger.settings import REPOSITORY

FOLDER = REPOSITORY / "docs" / "runbooks"
_NAME = re.compile(r"[a-z_-]{2,40}")
_TITLE = re.compile(r"# (?:Sổ tay: )?(.+?)(?: \(`.+`\))?")
# Links lead to files of the repository, which this page does not serve: they stay text.
_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image"])


def names() -> dict[str, str]:
    """The title of every runbook by its name, in the order of the titles."""
    found = {file.stem: _title(file.read_text("utf-8"), file.stem) for file in FOLDER.glob("*.md")}
    return dict(sorted(found.items(), key=lambda one: one[1]))


def page(name: str) -> Markup | None:
    """The runbook as HTML; None when there is none of this name."""
    file = FOLDER / f"{name}.md"
    if not _NAME.fullmatch(name) or not file.is_file():
        return None
    html = str(_MARKDOWN.render(file.read_text("utf-8")))
    # A wide table is scrolled by itself, also with the keyboard; the page stays as wide as a phone.
    html = html.replace(
        "<table>",
        '<div class="scroll" tabindex="0" role="region" aria-label="Bảng của sổ tay"><table>',
    ).replace("</table>", "</table></div>")
    return Markup(html)  # noqa: S704 - rendered with html=False


def _title(text: str, name: str) -> str:
    found = _TITLE.fullmatch(text.splitlines()[0]) if text else None
    return found[1] if found else name
