"""The province's newest word about each district."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ksc_ledger.state.tables import Instant

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "province_word",
        sa.Column("server_code", sa.String(32), nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("read_at", Instant, nullable=False),
        sa.Column("last_connected_at", Instant),
        sa.PrimaryKeyConstraint("server_code", name="pk_province_word"),
    )
