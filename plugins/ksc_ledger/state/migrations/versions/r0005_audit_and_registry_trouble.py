"""What people did by hand, and what the engineers were told of a registry that is wrong."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ksc_ledger.state.tables import Instant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("audit_id", sa.String(64), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("actor", sa.String(200), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("details", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("audit_id", name="pk_audit"),
    )
    op.create_index("ix_audit_made_at", "audit", ["made_at"])
    op.create_table(
        "registry_trouble",
        sa.Column("estate_code", sa.String(32), nullable=False),
        sa.Column("incident_id", sa.String(64), nullable=False),
        sa.Column("since_at", Instant, nullable=False),
        sa.Column("told_at", Instant, nullable=False),
        sa.Column("told_sha256", sa.String(64), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("ended_at", Instant),
        sa.PrimaryKeyConstraint("estate_code", name="pk_registry_trouble"),
    )
