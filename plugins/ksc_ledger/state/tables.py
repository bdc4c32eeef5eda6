"""The tables of the operational database. ``migrations/`` creates them; a test compares the two."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator, TypeEngine

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
METADATA = MetaData(naming_convention=NAMING)


class Instant(TypeDecorator[datetime]):
    """An instant: aware on both sides, UTC in the database; a naive datetime is refused.

    PostgreSQL has a type for it; SQLite stores text without a zone, which is then always UTC
    and sorts as time does.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        return dialect.type_descriptor(DateTime(timezone=dialect.name == "postgresql"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime is no instant: {value!r}")
        instant = value.astimezone(UTC)
        return instant if dialect.name == "postgresql" else instant.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


LEASE = Table(
    "lease",
    METADATA,
    Column("name", String(200), primary_key=True),
    # NULL: released. The row stays, so that the token never starts again from one.
    Column("owner", String(200)),
    Column("token", BigInteger, nullable=False),
    Column("acquired_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
)

HELD_ACCOUNT = Table(
    "held_account",
    METADATA,
    Column("server_code", String(32), primary_key=True),
    # Of login and password together, so that a changed password is another account.
    Column("fingerprint", String(64), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("held_at", Instant, nullable=False),
)

REGISTRY_VERSION = Table(
    "registry_version",
    METADATA,
    Column("sha256", String(64), primary_key=True),
    Column("first_seen_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False, index=True),
    Column("is_good", Boolean, nullable=False),
    Column("mistakes", JSON, nullable=False),
)

LINK_WATCH = Table(
    "link_watch",
    METADATA,
    Column("estate_code", String(32), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("ticked_at", Instant),
    # Everything else the rule remembers, as JSON of its own dataclass.
    Column("memory", Text, nullable=False),
)

LINK = Table(
    "link",
    METADATA,
    Column("server_code", String(32), primary_key=True),
    Column("estate_code", String(32), nullable=False, index=True),
    Column("revision", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("evidence_at", Instant),
    Column("incident_id", String(64)),
    Column("is_retired", Boolean, nullable=False),
    Column("memory", Text, nullable=False),
)

LINK_INTERVAL = Table(
    "link_interval",
    METADATA,
    Column("server_code", String(32), primary_key=True),
    Column("started_at", Instant, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("cause", String(16)),
    Column("ended_at", Instant),
    Column("is_maintenance", Boolean, nullable=False),
)

OUTAGE = Table(
    "outage",
    METADATA,
    Column("incident_id", String(64), primary_key=True),
    Column("server_code", String(32), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("confirmed_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("cause", String(16), nullable=False),
    Column("inhibited_by", String(32)),
    Column("is_in_maintenance", Boolean, nullable=False),
    Column("was_never_connected", Boolean, nullable=False),
    Column("is_retired", Boolean, nullable=False),
    Index("ix_outage_server_code_started_at", "server_code", "started_at"),
)

SILENCE = Table(
    "silence",
    METADATA,
    Column("silence_id", String(64), primary_key=True),
    Column("server_code", String(32), nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("to_at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("made_at", Instant, nullable=False),
)

ACKNOWLEDGEMENT = Table(
    "acknowledgement",
    METADATA,
    Column("incident_id", String(64), ForeignKey("outage.incident_id"), primary_key=True),
    Column("made_at", Instant, primary_key=True),
    Column("until_at", Instant, nullable=False),
    Column("owner", String(200), nullable=False),
    Column("note", Text, nullable=False),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("message_id", String(255), primary_key=True),
    Column("thread_id", String(255), nullable=False),
    Column("mail_kind", String(32), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("incident_id", String(64), nullable=False),
    Column("step", Integer, nullable=False),
    Column("recipient_role", String(64), nullable=False),
    Column("estate_code", String(32), nullable=False),
    Column("unit_code", String(32), nullable=False),
    Column("server_code", String(32)),
    Column("facts", Text, nullable=False),
    Column("is_rehearsal", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("claim_owner", String(200)),
    Column("claim_until", Instant),
    Column("not_before_at", Instant),
    Column("sent_at", Instant),
    Column("finished_at", Instant),
    Column("merged_into", String(255)),
    Column("last_error", Text),
    UniqueConstraint("incident_id", "mail_kind", "step", "recipient_role", name="uq_outbox_once"),
    Index("ix_outbox_channel_status_created_at", "channel", "status", "created_at"),
)

OUTBOX_RECIPIENT = Table(
    "outbox_recipient",
    METADATA,
    Column("message_id", String(255), ForeignKey("outbox.message_id"), primary_key=True),
    Column("address", String(254), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reply", Text),
    Column("changed_at", Instant, nullable=False),
)

# One row a channel whose relay does not take mail at all; no row: nothing known to be wrong.
RELAY_TROUBLE = Table(
    "relay_trouble",
    METADATA,
    Column("channel", String(16), primary_key=True),
    Column("failing_since_at", Instant, nullable=False),
    Column("failure_count", Integer, nullable=False),
    Column("next_try_at", Instant, nullable=False),
    Column("last_error", Text, nullable=False),
)

# The newest word of a province about each of its districts: a province is not asked at every tick.
PROVINCE_WORD = Table(
    "province_word",
    METADATA,
    Column("server_code", String(32), primary_key=True),
    Column("is_active", Boolean, nullable=False),
    Column("read_at", Instant, nullable=False),
    Column("last_connected_at", Instant),
)

# What people did to the watch by hand, kept for good: written in the transaction of the deed itself.
AUDIT = Table(
    "audit",
    METADATA,
    Column("audit_id", String(64), primary_key=True),
    Column("made_at", Instant, nullable=False, index=True),
    Column("actor", String(200), nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("details", JSON, nullable=False),
)

# The newest time an estate's registry was wrong, and what its engineers were told of it.
REGISTRY_TROUBLE = Table(
    "registry_trouble",
    METADATA,
    Column("estate_code", String(32), primary_key=True),
    Column("incident_id", String(64), nullable=False),
    Column("since_at", Instant, nullable=False),
    Column("told_at", Instant, nullable=False),
    # Of the mistakes told last; others are news.
    Column("told_sha256", String(64), nullable=False),
    Column("step", Integer, nullable=False),
    Column("ended_at", Instant),
)

# What each obligation of each unit had become when it was last judged; fct_obligation_status.
OBLIGATION_STATUS = Table(
    "obligation_status",
    METADATA,
    Column("obligation_code", String(32), primary_key=True),
    Column("unit_code", String(32), primary_key=True),
    Column("estate_code", String(32), nullable=False, index=True),
    Column("directive_code", String(32), nullable=False),
    Column("document_number", Text),
    Column("obligation_kind", String(32), nullable=False),
    Column("wording", Text, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("status", String(16), nullable=False),
    Column("met_at", Instant),
    Column("overdue_days", Integer, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("changed_at", Instant, nullable=False),
)

# One row an estate: the newest instant it was judged for, and when the province last had a digest.
OBLIGATION_WATCH = Table(
    "obligation_watch",
    METADATA,
    Column("estate_code", String(32), primary_key=True),
    Column("judged_at", Instant, nullable=False),
    Column("digest_at", Instant),
)

# The reminders that were given: a key is there once, and then that notice is never given again.
OBLIGATION_NOTICE = Table(
    "obligation_notice",
    METADATA,
    Column("notice_key", String(200), primary_key=True),
    Column("estate_code", String(32), nullable=False, index=True),
    Column("given_at", Instant, nullable=False),
)
