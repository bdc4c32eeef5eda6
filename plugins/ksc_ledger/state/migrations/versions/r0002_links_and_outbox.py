"""The link watch (links, intervals, outages, silences, acknowledgements) and the outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ksc_ledger.state.tables import Instant

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "link_watch",
        sa.Column("estate_code", sa.String(32), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("ticked_at", Instant),
        sa.Column("memory", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("estate_code", name="pk_link_watch"),
    )
    op.create_table(
        "link",
        sa.Column("server_code", sa.String(32), nullable=False),
        sa.Column("estate_code", sa.String(32), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("evidence_at", Instant),
        sa.Column("incident_id", sa.String(64)),
        sa.Column("is_retired", sa.Boolean, nullable=False),
        sa.Column("memory", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("server_code", name="pk_link"),
    )
    op.create_index("ix_link_estate_code", "link", ["estate_code"])
    op.create_table(
        "link_interval",
        sa.Column("server_code", sa.String(32), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("cause", sa.String(16)),
        sa.Column("ended_at", Instant),
        sa.Column("is_maintenance", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("server_code", "started_at", name="pk_link_interval"),
    )
    op.create_table(
        "outage",
        sa.Column("incident_id", sa.String(64), nullable=False),
        sa.Column("server_code", sa.String(32), nullable=False),
        sa.Column("started_at", Instant, nullable=False),
        sa.Column("confirmed_at", Instant, nullable=False),
        sa.Column("ended_at", Instant),
        sa.Column("cause", sa.String(16), nullable=False),
        sa.Column("inhibited_by", sa.String(32)),
        sa.Column("is_in_maintenance", sa.Boolean, nullable=False),
        sa.Column("was_never_connected", sa.Boolean, nullable=False),
        sa.Column("is_retired", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", name="pk_outage"),
    )
    op.create_index("ix_outage_server_code_started_at", "outage", ["server_code", "started_at"])
    op.create_table(
        "silence",
        sa.Column("silence_id", sa.String(64), nullable=False),
        sa.Column("server_code", sa.String(32), nullable=False),
        sa.Column("from_at", Instant, nullable=False),
        sa.Column("to_at", Instant, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("silence_id", name="pk_silence"),
    )
    op.create_table(
        "acknowledgement",
        sa.Column("incident_id", sa.String(64), nullable=False),
        sa.Column("made_at", Instant, nullable=False),
        sa.Column("until_at", Instant, nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("incident_id", "made_at", name="pk_acknowledgement"),
        sa.ForeignKeyConstraint(
            ["incident_id"], ["outage.incident_id"], name="fk_acknowledgement_incident_id"
        ),
    )
    op.create_table(
        "outbox",
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("thread_id", sa.String(255), nullable=False),
        sa.Column("mail_kind", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("incident_id", sa.String(64), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("recipient_role", sa.String(64), nullable=False),
        sa.Column("estate_code", sa.String(32), nullable=False),
        sa.Column("unit_code", sa.String(32), nullable=False),
        sa.Column("server_code", sa.String(32)),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("is_rehearsal", sa.Boolean, nullable=False),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempt_count", sa.Integer, nullable=False),
        sa.Column("claim_owner", sa.String(200)),
        sa.Column("claim_until", Instant),
        sa.Column("not_before_at", Instant),
        sa.Column("sent_at", Instant),
        sa.Column("finished_at", Instant),
        sa.Column("merged_into", sa.String(255)),
        sa.Column("last_error", sa.Text),
        sa.PrimaryKeyConstraint("message_id", name="pk_outbox"),
        sa.UniqueConstraint(
            "incident_id", "mail_kind", "step", "recipient_role", name="uq_outbox_once"
        ),
    )
    op.create_index(
        "ix_outbox_channel_status_created_at", "outbox", ["channel", "status", "created_at"]
    )
    op.create_table(
        "outbox_recipient",
        sa.Column("message_id", sa.String(255), nullable=False),
        sa.Column("address", sa.String(254), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reply", sa.Text),
        sa.Column("changed_at", Instant, nullable=False),
        sa.PrimaryKeyConstraint("message_id", "address", name="pk_outbox_recipient"),
        sa.ForeignKeyConstraint(
            ["message_id"], ["outbox.message_id"], name="fk_outbox_recipient_message_id"
        ),
    )
    op.create_table(
        "relay_trouble",
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("failing_since_at", Instant, nullable=False),
        sa.Column("failure_count", sa.Integer, nullable=False),
        sa.Column("next_try_at", Instant, nullable=False),
        sa.Column("last_error", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("channel", name="pk_relay_trouble"),
    )
