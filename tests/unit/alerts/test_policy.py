from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from ksc_ledger.alerts.policy import console_names, parents_of_units, policy_of
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import (
    Estate,
    Maintenance,
    NoticeStep,
    OfficeSpan,
    Registry,
    Server,
    ServerRole,
    Unit,
)
from ksc_ledger.rules.links_evidence import Role
from ksc_ledger.rules.links_model import DelayUnit, LadderStep, MuteKind, NoticeKind, Window

DAY = date(2024, 1, 15)
SINCE = date(2022, 9, 1)


def dated(estate_code: str = "dong_thap", **changes: Any) -> dict[str, Any]:
    return {
        "estate_code": estate_code,
        "valid_from_date": SINCE,
        "source_document": "Quy chế trực",
        **changes,
    }


def a_unit(unit_code: str, unit_name: str, parent: str | None = None, **changes: Any) -> Unit:
    return Unit(
        **dated(
            unit_code=unit_code,
            unit_name=unit_name,
            unit_kind="district",
            parent_unit_code=parent,
            list_order=1,
            **changes,
        )
    )


def a_server(code: str, role: ServerRole, **changes: Any) -> Server:
    values = {"server_code": code, "server_name": f"KSC {code}", "server_role": role}
    return Server(**dated(**{**values, "unit_code": code, "list_order": 1, **changes}))


def a_step(**changes: Any) -> NoticeStep:
    values = {
        "notice_kind": NoticeKind.LOST,
        "step": 3,
        "role": "department",
        "after": 4,
        "after_unit": DelayUnit.WORKING_HOUR,
        "window": Window.WORKING,
    }
    return NoticeStep(**dated(**{**values, **changes}))


def a_registry(**changes: Any) -> Registry:
    values: dict[str, Any] = {
        "sha256": "0" * 64,
        "estates": (Estate(estate_code="dong_thap", estate_name="Đồng Tháp"),),
        "units": (a_unit("dtp", "Tỉnh Đồng Tháp"), a_unit("dtp_872", "Huyện Tháp Mười", "dtp")),
        "servers": (
            a_server("dtp", ServerRole.PROVINCE),
            a_server("dtp_872", ServerRole.DISTRICT, console_name="KSC-TM"),
        ),
        "notice_steps": (a_step(),),
    }
    return Registry(**{**values, **changes})


def test_districts_hang_below_the_province_and_bear_their_units_names() -> None:
    policy = policy_of(a_registry(), "dong_thap", DAY)
    assert (policy.unit_code, policy.place) == ("dtp", "Tỉnh Đồng Tháp")
    assert [(one.server_code, one.role, one.parent_code, one.place) for one in policy.servers] == [
        ("dtp", Role.PROVINCE, None, "Tỉnh Đồng Tháp"),
        ("dtp_872", Role.DISTRICT, "dtp", "Huyện Tháp Mười"),
    ]
    assert policy.ladder == (
        LadderStep(
            kind=NoticeKind.LOST,
            step=3,
            role="department",
            after=4,
            after_unit=DelayUnit.WORKING_HOUR,
            window=Window.WORKING,
        ),
    )


@pytest.mark.parametrize(
    ("first", "last", "is_in_force"),
    [
        (date(2024, 1, 15), None, True),
        (date(2024, 1, 16), None, False),
        (SINCE, date(2024, 1, 15), True),
        (SINCE, date(2024, 1, 14), False),
    ],
)
def test_only_what_is_in_force_that_day_counts(
    first: date, last: date | None, is_in_force: bool
) -> None:
    period = {"valid_from_date": first, "valid_to_date": last}
    registry = a_registry(
        servers=(
            a_server("dtp", ServerRole.PROVINCE),
            a_server("dtp_872", ServerRole.DISTRICT, **period),
        ),
        notice_steps=(a_step(**period),),
    )
    policy = policy_of(registry, "dong_thap", DAY)
    assert (len(policy.servers), len(policy.ladder)) == ((2, 1) if is_in_force else (1, 0))


def test_another_estate_is_none_of_its_business() -> None:
    elsewhere = a_server("ktm", ServerRole.PROVINCE, estate_code="kon_tum")
    registry = a_registry(
        servers=(a_server("dtp", ServerRole.PROVINCE), elsewhere),
        notice_steps=(a_step(estate_code="kon_tum"),),
    )
    policy = policy_of(registry, "dong_thap", DAY)
    assert [one.server_code for one in policy.servers] == ["dtp"]
    assert policy.ladder == ()


def test_office_hours_are_the_registrys_or_the_usual_ones() -> None:
    usual = policy_of(a_registry(), "dong_thap", DAY).hours
    assert usual.is_open(datetime(2024, 1, 15, 0, 30, tzinfo=UTC))
    span = OfficeSpan(**dated(from_time=time(7, 0), to_time=time(11, 0)))
    own = policy_of(a_registry(office_spans=(span,)), "dong_thap", DAY).hours
    assert own.spans == ((time(7, 0), time(11, 0)),)
    new_year = datetime(2024, 1, 1, 0, 30, tzinfo=UTC)
    assert not own.is_open(new_year)


def test_a_planned_window_mutes_its_server() -> None:
    window = Maintenance(
        estate_code="dong_thap",
        server_code="dtp_872",
        from_at=datetime(2024, 1, 20, 1, tzinfo=UTC),
        to_at=datetime(2024, 1, 20, 5, tzinfo=UTC),
        reason="Nâng cấp máy chủ",
        source_document="Thông báo của huyện",
    )
    (mute,) = policy_of(a_registry(maintenance=(window,)), "dong_thap", DAY).mutes
    assert mute.kind is MuteKind.MAINTENANCE
    assert mute.covers("dtp_872", window.from_at)
    assert not mute.covers("dtp_872", window.to_at)
    assert not mute.covers("dtp", window.from_at)


def test_an_estate_without_its_province_is_a_mistake_of_the_registry() -> None:
    registry = a_registry(servers=(a_server("dtp_872", ServerRole.DISTRICT),))
    with pytest.raises(LedgerError) as raised:
        policy_of(registry, "dong_thap", DAY)
    assert raised.value.code == "estate_without_province"


def test_consoles_names_and_the_tree_of_units() -> None:
    assert console_names(a_registry(), "dong_thap", DAY) == {"dtp_872": "KSC-TM"}
    assert parents_of_units(a_registry(), DAY) == {"dtp": None, "dtp_872": "dtp"}
