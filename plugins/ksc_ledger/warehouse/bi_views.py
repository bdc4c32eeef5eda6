"""Schema ``bi`` of the published file: the tables as a BI tool wants them.

Vietnamese local time instead of UTC, Vietnamese words instead of codes, and of coverage every seat
and machine in one row only, so that a tool which adds rows up is right. They are views: nothing is
stored twice, and the tables of schema ``marts`` stay what the contract says.
"""

from __future__ import annotations

import re
from graphlib import TopologicalSorter
from pathlib import Path

from ksc_ledger.warehouse.engine import Connection, statement
from ksc_ledger.warehouse.twins import comments, view_twins

SCHEMA = "bi"
_NAMED = re.compile(rf"\b{SCHEMA}\.(\w+)")
_SAID = re.compile(r"--.*")


def make_views(con: Connection, sql: Path) -> None:
    """Make the schema, its views and their comments in the database in use."""
    con.execute(f"create schema {SCHEMA}")
    texts = {name: statement(sql, f"published/{SCHEMA}/{name}") for name in view_twins(sql)}
    needs = {name: set(_NAMED.findall(_SAID.sub("", text))) for name, text in texts.items()}
    for name in TopologicalSorter(needs).static_order():
        view = f'{SCHEMA}."{name}"'
        con.execute(f"create view {view} as {texts[name]}")
        con.execute(comments(view_twins(sql)[name], "view", view))
