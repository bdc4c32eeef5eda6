"""The mails of a rehearsal about links: the newest outage that was told, and its end."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ksc_ledger.settings import Places

# As a reader meets them; the first of each is shown, the others are counted.
KINDS = {
    "lost": "Mất kết nối",
    "province_down": "Tỉnh mất kết nối",
    "still_lost": "Vẫn mất kết nối",
    "escalated": "Báo cấp trên",
    "back": "Khôi phục",
}
_BEGINNINGS = ("lost", "province_down")


@dataclass(frozen=True, slots=True)
class LinkMail:
    """``thread`` is what the mails of one outage have in common."""

    kind: str
    thread: str
    subject: str
    path: Path


def link_mails(places: Places) -> list[LinkMail]:
    """The mails of the newest outage that has both its loss and its end, in order of time.

    Where none has ended, those of the newest one; nothing when no outage was told.
    """
    found: list[LinkMail] = []
    for path in sorted(places.mail.glob("*.eml")):
        headers = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        kind = str(headers["X-KSC-Kind"])
        if kind in KINDS:
            thread, subject = str(headers["References"]), str(headers["Subject"])
            found.append(LinkMail(kind, thread, subject, path))
    threads = list(dict.fromkeys(one.thread for one in found if one.kind in _BEGINNINGS))
    ended = {one.thread for one in found if one.kind == "back"}
    shown = [one for one in threads if one in ended] or threads
    return [one for one in found if shown and one.thread == shown[-1]]


def show(places: Places, console: Console) -> None:
    """Print subject and path of the first mail of each kind; what was sent to others is counted."""
    mails = link_mails(places)
    if not mails:
        return
    console.print("[bold]Thư về một lần mất kết nối[/]")
    for kind, name in KINDS.items():
        same = [one for one in mails if one.kind == kind]
        if not same:
            continue
        others = f" (và {len(same) - 1} thư cho vai trò khác)" if len(same) > 1 else ""
        for line in (f"  {name}{others}", f"    {same[0].subject}", f"    {same[0].path}"):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
