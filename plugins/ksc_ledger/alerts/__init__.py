"""Telling people: who, in which words, and that it arrives exactly once.

``policy`` is what the registry has in force; ``watch`` moves the link watch by one tick and commits
what follows; ``roles`` knows who holds a role; ``compose`` writes the mail; ``deliver`` drains the
outbox; ``outlets`` hands a mail to a relay or, in rehearsal, to a folder.
"""

from __future__ import annotations
