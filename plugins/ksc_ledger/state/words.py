"""The newest word of each province about its districts.

Logging in writes an audit event on the server and may lock an account, so a province is asked now
and then only; in between, its last word is remembered here.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Engine, delete, insert, select

from ksc_ledger.rules.links_evidence import ProvinceWord
from ksc_ledger.state.database import reading
from ksc_ledger.state.tables import PROVINCE_WORD


def load(engine: Engine) -> dict[str, ProvinceWord]:
    """The remembered words by district server."""
    with reading(engine) as connection:
        rows = connection.execute(select(PROVINCE_WORD)).all()
    return {
        row.server_code: ProvinceWord(
            is_active=row.is_active, read_at=row.read_at, last_connected_at=row.last_connected_at
        )
        for row in rows
    }


def remember(engine: Engine, words: Mapping[str, ProvinceWord]) -> None:
    """Keep new words in the place of the old ones."""
    if not words:
        return
    with engine.begin() as connection:
        connection.execute(delete(PROVINCE_WORD).where(PROVINCE_WORD.c.server_code.in_(words)))
        connection.execute(
            insert(PROVINCE_WORD),
            [
                {
                    "server_code": code,
                    "is_active": word.is_active,
                    "read_at": word.read_at,
                    "last_connected_at": word.last_connected_at,
                }
                for code, word in sorted(words.items())
            ],
        )
