"""Settings from the environment, and the places below ``KSC_LEDGER_HOME``.

Every setting is documented in docs/settings.md; a secret may also be given as ``NAME_FILE``.
Nothing else in the package reads ``os.environ``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from ksc_ledger.errors import LedgerError

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Places:
    """Where things lie (docs/places.md). Directories are made by whoever writes first."""

    home: Path

    @property
    def airflow(self) -> Path:
        return self.home / "airflow"

    @property
    def raw(self) -> Path:
        return self.home / "landing" / "raw"

    @property
    def snapshot(self) -> Path:
        return self.home / "landing" / "snapshot"

    @property
    def reports(self) -> Path:
        return self.home / "landing" / "reports"

    @property
    def verdicts(self) -> Path:
        return self.home / "landing" / "verdicts"

    @property
    def pushed(self) -> Path:
        """What sites that send by themselves have sent, until it is taken."""
        return self.home / "landing" / "pushed"

    @property
    def inbox(self) -> Path:
        return self.home / "inbox"

    @property
    def quarantine(self) -> Path:
        return self.home / "quarantine"

    @property
    def warehouse_file(self) -> Path:
        return self.home / "warehouse" / "ledger.duckdb"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def state_database(self) -> Path:
        return self.state / "state.sqlite"

    @property
    def registry_versions(self) -> Path:
        return self.state / "registry"

    @property
    def registry_in_force(self) -> Path:
        """Names the newest good version (``registry.versions`` writes it)."""
        return self.registry_versions / "last_good"

    @property
    def marts(self) -> Path:
        return self.home / "marts"

    @property
    def marts_file(self) -> Path:
        return self.marts / "ksc_ledger.duckdb"

    @property
    def named_marts_file(self) -> Path:
        return self.marts / "restricted" / "ksc_ledger_named.duckdb"

    @property
    def backups(self) -> Path:
        return self.home / "backups"

    @property
    def mail(self) -> Path:
        return self.home / "mail"

    @property
    def letters(self) -> Path:
        return self.home / "letters"

    @property
    def data_docs(self) -> Path:
        return self.home / "data_docs"

    @property
    def rehearsal_mark(self) -> Path:
        return self.home / ".rehearsal"

    @property
    def clock_file(self) -> Path:
        return self.state / "clock.json"


class Metrics(StrEnum):
    """How figures for a monitoring system are told apart."""

    OFF = "off"
    TAGS = "tags"  # by tags: OpenTelemetry, DogStatsD, StatsD of InfluxDB
    NAMES = "names"  # by longer names: plain StatsD, which knows no tags


@dataclass(frozen=True, slots=True)
class Settings:
    home: Path
    registry: Path
    state_url: str
    sql: Path
    expectations: Path
    connect_timeout_seconds: float
    read_timeout_seconds: float
    call_timeout_seconds: float
    server_budget_seconds: float
    max_body_bytes: int
    chunk_size: int
    push_max_bytes: int
    push_silent_minutes: float
    warehouse_url: str = field(repr=False)
    warehouse_memory: str
    warehouse_threads: int
    published_versions_kept: int
    raw_days: int
    quarantine_days: int
    snapshot_years: int
    backups_kept: int
    free_space_mb: int
    contacts: Path
    page_users: Path
    page_url: str
    mail_domain: str
    mail_from: str
    mail_from_name: str
    mail_reply_to: str
    watchdog_relay_host: str
    watchdog_relay_port: int
    watchdog_relay_security: str
    watchdog_relay_login: str
    watchdog_relay_password: str = field(repr=False)
    watchdog_relay_ca_file: str
    watchdog_tick_minutes: float
    watchdog_begins_after_minutes: float
    watchdog_ends_after_minutes: float
    heartbeat_url: str = field(repr=False)
    heartbeat_file: Path | None
    metrics: Metrics
    licence_purchase_days: int
    uncured_limit: int
    outbreak_limit: int
    two_products_days: int
    initial_users: str
    postgres_address: str

    @property
    def places(self) -> Places:
        return Places(self.home)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raise LedgerError naming the setting that is wrong."""
    env = os.environ if environ is None else environ
    home = Path(_text(env, "KSC_LEDGER_HOME", str(REPOSITORY / "data"))).expanduser().resolve()
    places = Places(home)
    return Settings(
        home=home,
        registry=Path(_text(env, "KSC_LEDGER_REGISTRY", str(REPOSITORY / "registry")))
        .expanduser()
        .resolve(),
        state_url=_text(env, "KSC_LEDGER_STATE_URL", f"sqlite:///{places.state_database}"),
        sql=Path(_text(env, "KSC_LEDGER_SQL", str(REPOSITORY / "sql"))),
        expectations=Path(_text(env, "KSC_LEDGER_EXPECTATIONS", str(REPOSITORY / "expectations"))),
        connect_timeout_seconds=_number(env, "KSC_LEDGER_CONNECT_TIMEOUT_SECONDS", 5, low=0.1),
        read_timeout_seconds=_number(env, "KSC_LEDGER_READ_TIMEOUT_SECONDS", 30, low=0.1),
        call_timeout_seconds=_number(env, "KSC_LEDGER_CALL_TIMEOUT_SECONDS", 120, low=0.1),
        server_budget_seconds=_number(env, "KSC_LEDGER_SERVER_BUDGET_SECONDS", 600, low=1),
        max_body_bytes=int(_number(env, "KSC_LEDGER_MAX_BODY_BYTES", 64 * 1024 * 1024, low=1024)),
        chunk_size=int(_number(env, "KSC_LEDGER_CHUNK_SIZE", 1000, low=25, high=10_000)),
        warehouse_url=_text(env, "KSC_LEDGER_WAREHOUSE_URL", ""),
        push_max_bytes=int(
            _number(env, "KSC_LEDGER_PUSH_MAX_BYTES", 256 * 1024 * 1024, low=1024 * 1024)
        ),
        push_silent_minutes=_number(env, "KSC_LEDGER_PUSH_SILENT_MINUTES", 20, low=1),
        warehouse_memory=_text(env, "KSC_LEDGER_WAREHOUSE_MEMORY", "2GB"),
        warehouse_threads=int(_number(env, "KSC_LEDGER_WAREHOUSE_THREADS", 1, low=1)),
        published_versions_kept=int(
            _number(env, "KSC_LEDGER_PUBLISHED_VERSIONS_KEPT", 3, low=2, high=100)
        ),
        raw_days=int(_number(env, "KSC_LEDGER_RAW_DAYS", 90, low=7)),
        quarantine_days=int(_number(env, "KSC_LEDGER_QUARANTINE_DAYS", 90, low=7)),
        snapshot_years=int(_number(env, "KSC_LEDGER_SNAPSHOT_YEARS", 5, low=1)),
        backups_kept=int(_number(env, "KSC_LEDGER_BACKUPS_KEPT", 14, low=2, high=1000)),
        free_space_mb=int(_number(env, "KSC_LEDGER_FREE_SPACE_MB", 2048, low=0)),
        contacts=Path(_text(env, "KSC_LEDGER_CONTACTS", str(home / "contacts.csv"))),
        page_users=Path(_text(env, "KSC_LEDGER_PAGE_USERS", str(home / "page_users.csv"))),
        page_url=_text(env, "KSC_LEDGER_PAGE_URL", "").rstrip("/"),
        mail_domain=_text(env, "KSC_LEDGER_MAIL_DOMAIN", "ksc-ledger.example"),
        mail_from=_text(env, "KSC_LEDGER_MAIL_FROM", "ksc-ledger@ksc-ledger.example"),
        mail_from_name=_text(env, "KSC_LEDGER_MAIL_FROM_NAME", "KSC Ledger"),
        mail_reply_to=_text(env, "KSC_LEDGER_MAIL_REPLY_TO", "truc-ksc@ksc-ledger.example"),
        watchdog_relay_host=_text(env, "KSC_LEDGER_WATCHDOG_RELAY_HOST", ""),
        watchdog_relay_port=int(
            _number(env, "KSC_LEDGER_WATCHDOG_RELAY_PORT", 0, low=0, high=65_535)
        ),
        watchdog_relay_security=_text(env, "KSC_LEDGER_WATCHDOG_RELAY_SECURITY", ""),
        watchdog_relay_login=_text(env, "KSC_LEDGER_WATCHDOG_RELAY_LOGIN", ""),
        watchdog_relay_password=_text(env, "KSC_LEDGER_WATCHDOG_RELAY_PASSWORD", ""),
        watchdog_relay_ca_file=_text(env, "KSC_LEDGER_WATCHDOG_RELAY_CA_FILE", ""),
        watchdog_tick_minutes=_number(env, "KSC_LEDGER_WATCHDOG_TICK_MINUTES", 15, low=0.1),
        watchdog_begins_after_minutes=_number(
            env, "KSC_LEDGER_WATCHDOG_BEGINS_AFTER_MINUTES", 2, low=0
        ),
        watchdog_ends_after_minutes=_number(
            env, "KSC_LEDGER_WATCHDOG_ENDS_AFTER_MINUTES", 10, low=0
        ),
        heartbeat_url=_text(env, "KSC_LEDGER_HEARTBEAT_URL", ""),
        heartbeat_file=_path(env, "KSC_LEDGER_HEARTBEAT_FILE"),
        metrics=_metrics(env),
        licence_purchase_days=int(_number(env, "KSC_LEDGER_LICENCE_PURCHASE_DAYS", 180, low=91)),
        uncured_limit=int(_number(env, "KSC_LEDGER_UNCURED_LIMIT", 1, low=1)),
        outbreak_limit=int(_number(env, "KSC_LEDGER_OUTBREAK_LIMIT", 5, low=2)),
        two_products_days=int(_number(env, "KSC_LEDGER_TWO_PRODUCTS_DAYS", 3, low=0)),
        initial_users=_text(env, "KSC_LEDGER_INITIAL_USERS", "quantri:engineer"),
        postgres_address=_text(env, "KSC_LEDGER_POSTGRES_ADDRESS", "postgres:5432"),
    )


def _text(env: Mapping[str, str], name: str, default: str) -> str:
    """``NAME``, else the content of the file that ``NAME_FILE`` names, else the default."""
    value = env.get(name, "")
    if value:
        return value
    file = env.get(f"{name}_FILE", "")
    if not file:
        return default
    try:
        return Path(file).read_text("utf-8").strip()
    except OSError as error:
        raise LedgerError(
            "setting_file_unreadable",
            f"Không đọc được tệp {file} nêu trong {name}_FILE ({error.strerror}).",
            f"Sửa đường dẫn trong {name}_FILE hoặc cấp quyền đọc cho tài khoản chạy hệ thống.",
        ) from error


def _path(env: Mapping[str, str], name: str) -> Path | None:
    value = env.get(name, "")
    return Path(value).expanduser().resolve() if value else None


def _metrics(env: Mapping[str, str]) -> Metrics:
    name = "KSC_LEDGER_METRICS"
    value = _text(env, name, Metrics.OFF)
    try:
        return Metrics(value)
    except ValueError:
        raise LedgerError(
            "setting_not_a_choice",
            f"Giá trị {value!r} của {name} không được biết.",
            f"Chọn một trong: {', '.join(Metrics)}.",
        ) from None


def _number(
    env: Mapping[str, str], name: str, default: float, *, low: float, high: float = 1e12
) -> float:
    text = _text(env, name, "")
    if not text:
        return float(default)
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise LedgerError(
            "setting_not_a_number",
            f"Giá trị {text!r} của {name} không phải là số trong khoảng {low:g} đến {high:g}.",
            f"Sửa {name}, hoặc bỏ trống để dùng mặc định {default:g}.",
        )
    return value
