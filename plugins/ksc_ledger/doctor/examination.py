"""All checks of one run, in the order in which a person mends things."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from ksc_ledger.clock import VIETNAM, Clock, vietnamese_date
from ksc_ledger.doctor import estates, house, relays
from ksc_ledger.doctor.connections import SERVER_PREFIX, Connections
from ksc_ledger.doctor.findings import Check, Finding, failed, warned, well
from ksc_ledger.doctor.installation import Installation, look_at_airflow
from ksc_ledger.doctor.servers import Patient, Seen, look_at
from ksc_ledger.errors import LedgerError
from ksc_ledger.push import signs
from ksc_ledger.registry import Mistake, Registry, RegistryError, Server, ServerRole, in_force, load
from ksc_ledger.rules.links_evidence import Knock
from ksc_ledger.settings import Settings
from ksc_ledger.sources.endpoint import Budget

AT_A_TIME = 12
SERVER_SECONDS = 120.0  # somebody waits for it in front of a terminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be looked at. ``connections`` as an error: they cannot be read, and why.

    ``server_code``: only this server and nothing else. ``airflow``: what Airflow was given, None when
    it is not asked. ``send_to``: send one mail there through each relay.
    """

    connections: Connections | LedgerError
    server_code: str | None = None
    send_to: str | None = None
    airflow: Installation | None = None


def examine(
    settings: Settings,
    wish: Wish,
    clock: Clock,
    *,
    real_now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Finding]:
    """Look at everything; the findings, good ones too. Raise LedgerError for an unknown server code.

    At most one login for each server; a refused account is held back and never tried again here.
    """
    now = clock.now()
    day = vietnamese_date(now)
    mistakes, registry = _registry(settings)
    state, may_log_in = house.state(settings)
    findings: list[Finding] = []
    if wish.server_code is None:
        findings.append(house.registry(mistakes, registry, day))
        findings += _house(settings, wish, registry, day, now, real_now())
        findings.append(state)
    servers = _wanted(registry, day, wish.server_code)
    senders = registry.pushing_on(day) if registry else frozenset()
    findings += [_sender(settings, one, now) for one in servers if one.server_code in senders]
    servers = tuple(one for one in servers if one.server_code not in senders)
    patients, unusable = _patients(registry, servers, day, wish)
    findings += unusable
    if patients and wish.server_code is not None and not may_log_in:
        findings.append(state)
    seen = _servers(settings, patients, clock, real_now(), may_log_in=may_log_in)
    _hold(settings, patients, seen, now)
    for one in seen.values():
        findings += one.findings
    findings += estates.clocks(
        {code: one.skew_seconds for code, one in seen.items() if one.skew_seconds is not None}
    )
    findings += estates.districts(
        registry.servers_on(day) if registry else (),
        {code: one.children for code, one in seen.items() if one.children is not None},
    )
    if wish.server_code is None and not isinstance(wish.connections, LedgerError):
        findings += _strangers(wish.connections, registry)
        findings += _relays(settings, wish, wish.connections, now)
    return findings


def _registry(settings: Settings) -> tuple[Sequence[Mistake], Registry | None]:
    """The registry as it stands, else the last good one with the mistakes. Writes nothing."""
    try:
        return (), load(settings.registry)
    except RegistryError as error:
        with suppress(LedgerError):  # there never was a good one
            return error.mistakes, in_force(settings).registry
        return error.mistakes, None


def _house(
    settings: Settings,
    wish: Wish,
    registry: Registry | None,
    day: date,
    now: datetime,
    real_now: datetime,
) -> list[Finding]:
    roles = (
        {step.role for step in registry.notice_steps if step.is_in_force(day)} if registry else ()
    )
    return [
        *house.home(settings),
        house.disk(settings),
        house.time_zone(now, wish.airflow.time_zone if wish.airflow else None),
        *(look_at_airflow(wish.airflow) if wish.airflow else ()),
        *house.contacts(settings, sorted({*roles, *house.ROLES_OF_THE_WATCH})),
        house.page_users(settings),
        house.warehouse(settings),
        house.published(settings, now),
        house.watchdog(settings, real_now),
    ]


def _wanted(registry: Registry | None, day: date, server_code: str | None) -> tuple[Server, ...]:
    servers = registry.servers_on(day) if registry else ()
    if server_code is None:
        return servers
    found = tuple(one for one in servers if one.server_code == server_code)
    if not found:
        known = ", ".join(one.server_code for one in servers) or "không có máy chủ nào"
        raise LedgerError(
            "server_unknown",
            f"Danh mục không có máy chủ {server_code} còn hiệu lực ngày {day:%d/%m/%Y}.",
            f"Chọn trong: {known}.",
        )
    return found


def _sender(settings: Settings, server: Server, now: datetime) -> Finding:
    """A server whose site sends by itself is not looked at from here: when was it heard of?"""
    code = server.server_code
    sign = signs.read(settings.places, code)
    remedy = (
        "Tại nơi đó: xem hẹn giờ chạy ksc-ledger push và lời báo của lần chạy cuối (docs/push.md)."
    )
    if sign is None:
        return warned(Check.ROAD, code, "push_never_heard", "Nơi này chưa gửi lần nào.", remedy)
    said = (
        f"Nơi này tự gửi; lần cuối nghe thấy lúc {sign.heard_at.astimezone(VIETNAM):%H:%M %d/%m/%Y}"
    )
    after = timedelta(minutes=settings.push_silent_minutes)
    if signs.is_silent(sign, now=now, silent_after=after):
        return failed(Check.ROAD, code, "push_silent", f"{said}.", remedy)
    if sign.knock is not Knock.OK:
        return failed(
            Check.ROAD,
            code,
            "push_server_away",
            f"{said}, và nơi này cho biết máy chủ KSC không trả lời ({sign.knock.value}).",
            remedy,
        )
    return well(Check.ROAD, code, f"{said}, máy chủ KSC trả lời.")


def _patients(
    registry: Registry | None, servers: Sequence[Server], day: date, wish: Wish
) -> tuple[list[Patient], list[Finding]]:
    """The servers with a connection that can be meant, and what is wrong with the others'."""
    connections = wish.connections
    if isinstance(connections, LedgerError):
        said = failed(Check.CONNECTION, "", connections.code, connections.text, connections.remedy)
        return [], [said]
    patients: list[Patient] = []
    findings: list[Finding] = []
    for server in servers:
        name = f"{SERVER_PREFIX}{server.server_code}"
        try:
            kept = connections.get(name)
            if kept is None:
                raise LedgerError(
                    "connection_missing",
                    f"Danh mục có máy chủ này nhưng chưa có kết nối {name}.",
                    f"Tạo kết nối {name} (loại Kaspersky Security Center) trong Admin → Connections, hoặc chạy "
                    "lại ksc-ledger init; máy chủ đã thôi dùng thì ghi valid_to_date trong servers.csv.",
                )
            endpoint = kept.endpoint(name, server.server_code)
        except LedgerError as error:
            findings.append(
                failed(Check.CONNECTION, server.server_code, error.code, error.text, error.remedy)
            )
            continue
        assert registry is not None  # noqa: S101 - it named the server
        patients.append(
            Patient(
                endpoint=endpoint,
                is_province=server.server_role is ServerRole.PROVINCE,
                groups=registry.groups_on(server.server_code, day),
                group_paths=tuple(
                    group.group_path
                    for group in registry.server_groups
                    if group.server_code == server.server_code and group.is_in_force(day)
                ),
            )
        )
    return patients, findings


def _servers(
    settings: Settings,
    patients: Sequence[Patient],
    clock: Clock,
    real_now: datetime,
    *,
    may_log_in: bool,
) -> dict[str, Seen]:
    budget = replace(
        Budget.of(settings),
        server_seconds=min(SERVER_SECONDS, settings.server_budget_seconds),
        may_try_again=False,
    )
    held = _held(settings, patients) if may_log_in else {}

    def look(patient: Patient) -> Seen:
        return look_at(
            patient,
            budget,
            now=clock.now,
            real_now=real_now,
            chunk_size=settings.chunk_size,
            held_reason=held.get(patient.code),
            may_log_in=may_log_in,
        )

    with ThreadPoolExecutor(max_workers=AT_A_TIME) as pool:
        found = pool.map(look, patients)
        return {patient.code: seen for patient, seen in zip(patients, found, strict=True)}


def _held(settings: Settings, patients: Sequence[Patient]) -> Mapping[str, str]:
    """Why an account was refused, by server, where it has not changed since."""
    from ksc_ledger.state import accounts, open_state
    from ksc_ledger.state.database import revision_of

    if revision_of(settings.state_url) is None:
        return {}  # there is no database, so nothing is held; and none is made by looking
    engine = open_state(settings.state_url)
    try:
        held = accounts.held_of(engine, {patient.code: patient.endpoint for patient in patients})
    finally:
        engine.dispose()
    return {code: one.reason for code, one in held.items()}


def _hold(
    settings: Settings, patients: Sequence[Patient], seen: Mapping[str, Seen], now: datetime
) -> None:
    """Hold back what was refused, so that neither we nor the collection try it again."""
    from ksc_ledger.state import accounts, open_state

    refused = [patient for patient in patients if seen[patient.code].refusal is not None]
    if not refused:
        return
    engine = open_state(settings.state_url)
    try:
        for patient in refused:
            reason = seen[patient.code].refusal or ""
            accounts.hold(engine, patient.code, patient.endpoint.fingerprint, reason, now)
    finally:
        engine.dispose()


def _strangers(connections: Connections, registry: Registry | None) -> list[Finding]:
    """Connections to servers that the registry does not know, today or ever."""
    known = {server.server_code for server in registry.servers} if registry else set()
    names = [name for name in connections.names() if name.startswith(SERVER_PREFIX)]
    unknown = [name for name in names if name.removeprefix(SERVER_PREFIX) not in known]
    return [
        warned(
            Check.CONNECTION,
            name,
            "connection_without_server",
            "Có kết nối nhưng danh mục không có máy chủ mang mã này nên không được hỏi.",
            "Sửa mã kết nối cho đúng server_code, thêm máy chủ vào servers.csv, hoặc xóa kết nối.",
        )
        for name in unknown
        if name != "ksc_default"
    ]


def _relays(
    settings: Settings, wish: Wish, connections: Connections, now: datetime
) -> list[Finding]:
    if settings.places.rehearsal_mark.exists():
        return []  # in rehearsal mail is written to files, and nothing beyond loopback is dialled
    given = relays.given_relays(settings, connections)
    return relays.look_at_relays(given, settings, wish.send_to, now)
