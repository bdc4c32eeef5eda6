"""What is in force for an estate's link watch on a day, from the registry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time

from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import Registry, ServerRole, working_calendar
from ksc_ledger.rules.links_evidence import Role, WatchedServer
from ksc_ledger.rules.links_hours import OfficeHours
from ksc_ledger.rules.links_model import LadderStep, Limits, Mute, MuteKind, Policy

# Where the registry has no office hours.
_USUAL_HOURS = ((time(7, 30), time(11, 30)), (time(13, 30), time(17, 0)))


def policy_of(registry: Registry, estate_code: str, day: date) -> Policy:
    """The servers watched that day, who is told, when offices work, and what is planned.

    Raises:
        LedgerError: the estate has no provincial server that day.
    """
    active = [one for one in registry.servers_on(day) if one.estate_code == estate_code]
    province = next((one for one in active if one.server_role is ServerRole.PROVINCE), None)
    if province is None:
        raise LedgerError(
            "estate_without_province",
            f"Địa bàn {estate_code} không có máy chủ cấp tỉnh đang hoạt động.",
            "Thêm dòng máy chủ cấp tỉnh còn hiệu lực vào servers.csv.",
        )
    names = {unit.unit_code: unit.unit_name for unit in registry.units_on(day)}
    servers = tuple(
        WatchedServer(
            server_code=one.server_code,
            role=Role(one.server_role.value),
            unit_code=one.unit_code,
            place=names.get(one.unit_code, one.server_name),
            parent_code=None if one.server_role is ServerRole.PROVINCE else province.server_code,
        )
        for one in active
    )
    calendar = working_calendar(registry, estate_code)
    spans = tuple(
        sorted(
            (one.from_time, one.to_time)
            for one in registry.office_spans
            if one.estate_code == estate_code and one.is_in_force(day)
        )
    )
    limits = {
        one.server_code: one.limits
        for one in registry.link_limits
        if one.estate_code == estate_code and one.is_in_force(day)
    }
    return Policy(
        estate_code=estate_code,
        unit_code=province.unit_code,
        place=names.get(province.unit_code, province.server_name),
        servers=servers,
        ladder=tuple(
            LadderStep(
                kind=one.notice_kind,
                step=one.step,
                role=one.role,
                after=one.after,
                after_unit=one.after_unit,
                window=one.window,
            )
            for one in registry.notice_steps
            if one.estate_code == estate_code and one.is_in_force(day)
        ),
        hours=OfficeHours(spans=spans or _USUAL_HOURS, is_working_day=calendar.is_working),
        mutes=tuple(
            Mute(
                kind=MuteKind.MAINTENANCE,
                server_code=one.server_code,
                from_at=one.from_at,
                to_at=one.to_at,
            )
            for one in registry.maintenance
            if one.estate_code == estate_code
        )
        + tuple(
            Mute(
                kind=MuteKind.SILENCE,
                server_code=one.server_code,
                from_at=one.from_at,
                to_at=one.to_at,
            )
            for one in registry.silences
            if one.estate_code == estate_code
        ),
        limits=limits.get(None, Limits()),
        server_limits={code: one for code, one in limits.items() if code is not None},
    )


def console_names(registry: Registry, estate_code: str, day: date) -> dict[str, str]:
    """How the province's console calls each district's server."""
    return {
        one.server_code: one.console_name
        for one in registry.servers_on(day)
        if one.estate_code == estate_code and one.console_name
    }


def parents_of_units(registry: Registry, day: date) -> Mapping[str, str | None]:
    """The unit above each unit, for finding who holds a role."""
    return {unit.unit_code: unit.parent_unit_code for unit in registry.units_on(day)}
