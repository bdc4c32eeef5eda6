"""Leases, held accounts, registry versions."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ksc_ledger.state.tables import Instant

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "lease",
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("owner", sa.String(200)),
        sa.Column("token", sa.BigInteger, nullable=False),
        sa.Column("acquired_at", Instant, nullable=False),
        sa.Column("expires_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_lease"),
    )
    op.create_table(
        "held_account",
        sa.Column("server_code", sa.String(32), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("held_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("server_code", "fingerprint", name="pk_held_account"),
    )
    op.create_table(
        "registry_version",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("first_seen_at", Instant, nullable=False),
        sa.Column("last_seen_at", Instant, nullable=False),
        sa.Column("is_good", sa.Boolean, nullable=False),
        sa.Column("mistakes", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_registry_version"),
    )
    op.create_index("ix_registry_version_last_seen_at", "registry_version", ["last_seen_at"])
