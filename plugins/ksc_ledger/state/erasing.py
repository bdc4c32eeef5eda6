"""Taking a person's text out of the operational database."""

from __future__ import annotations

import re

from sqlalchemy import Engine, String, Text, func, select, update

from ksc_ledger.state.tables import METADATA, OUTBOX_RECIPIENT

ERASED_ADDRESS = "erased-{number}@erased.invalid"


def erase_text(engine: Engine, text: str, replacement: str) -> int:
    """Replace a text, whatever its case, in every column of words; the rows changed.

    A recipient whose address or name holds it loses both; that a mail was sent, and when, stays.
    Codes and ids of ours hold no personal data and are left alone.
    """
    pattern = re.compile(re.escape(text), re.IGNORECASE)
    needle = text.lower()
    changed = 0
    with engine.begin() as connection:
        recipient = OUTBOX_RECIPIENT.c
        rows = connection.execute(
            select(recipient.message_id, recipient.address, recipient.name)
        ).all()
        for number, (message_id, address, name) in enumerate(rows, 1):
            if pattern.search(address) or pattern.search(name):
                connection.execute(
                    update(OUTBOX_RECIPIENT)
                    .where(recipient.message_id == message_id, recipient.address == address)
                    .values(address=ERASED_ADDRESS.format(number=number), name=replacement)
                )
                changed += 1
        for table in METADATA.sorted_tables:
            keys = list(table.primary_key.columns)
            for column in table.columns:
                if column.primary_key or not isinstance(column.type, String | Text):
                    continue
                # SQLite's lower() knows ASCII only; names with accents are looked for in Python.
                if needle.isascii():
                    condition = func.lower(column).contains(needle, autoescape=True)
                else:
                    condition = column.is_not(None)
                for *key, value in connection.execute(select(*keys, column).where(condition)).all():
                    after = pattern.sub(lambda _: replacement, value)
                    if after != value:
                        matches = [one == given for one, given in zip(keys, key, strict=True)]
                        connection.execute(
                            update(table).where(*matches).values({column.name: after})
                        )
                        changed += 1
    return changed
