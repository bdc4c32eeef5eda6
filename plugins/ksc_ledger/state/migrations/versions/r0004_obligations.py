"""What became of each obligation, and which reminders were given."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ksc_ledger.state.tables import Instant

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "obligation_status",
        sa.Column("obligation_code", sa.String(32), nullable=False),
        sa.Column("unit_code", sa.String(32), nullable=False),
        sa.Column("estate_code", sa.String(32), nullable=False),
        sa.Column("directive_code", sa.String(32), nullable=False),
        sa.Column("document_number", sa.Text),
        sa.Column("obligation_kind", sa.String(32), nullable=False),
        sa.Column("wording", sa.Text, nullable=False),
        sa.Column("due_at", Instant, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("met_at", Instant),
        sa.Column("overdue_days", sa.Integer, nullable=False),
        sa.Column("evidence", sa.Text, nullable=False),
        sa.Column("changed_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("obligation_code", "unit_code", name="pk_obligation_status"),
    )
    op.create_index("ix_obligation_status_estate_code", "obligation_status", ["estate_code"])
    op.create_table(
        "obligation_watch",
        sa.Column("estate_code", sa.String(32), nullable=False),
        sa.Column("judged_at", Instant, nullable=False),
        sa.Column("digest_at", Instant),
        sa.PrimaryKeyConstraint("estate_code", name="pk_obligation_watch"),
    )
    op.create_table(
        "obligation_notice",
        sa.Column("notice_key", sa.String(200), nullable=False),
        sa.Column("estate_code", sa.String(32), nullable=False),
        sa.Column("given_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("notice_key", name="pk_obligation_notice"),
    )
    op.create_index("ix_obligation_notice_estate_code", "obligation_notice", ["estate_code"])
