"""A small estate for the link watch: one province, some districts, and what is in force for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from ksc_ledger.rules.links_evidence import (
    Knock,
    ProvinceWord,
    Role,
    ServerEvidence,
    Tick,
    WatchedServer,
)
from ksc_ledger.rules.links_hours import OfficeHours
from ksc_ledger.rules.links_model import (
    DelayUnit,
    LadderStep,
    Limits,
    Mute,
    NoticeKind,
    Policy,
    Window,
)

PROVINCE = "tinh"
DISTRICTS = ("huyen_a", "huyen_b", "huyen_c", "huyen_d")
PLACES = {
    "tinh": "Tỉnh Mẫu",
    "huyen_a": "Huyện Tháp Mười",
    "huyen_b": "Thành phố Cao Lãnh",
    "huyen_c": "Huyện Kon Plông",
    "huyen_d": "Thị xã Hồng Ngự",
}
# A Tuesday, 09:00 in Vietnam.
START = datetime(2024, 1, 9, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TICK = 5 * MINUTE


def is_weekday(day: date) -> bool:
    return day.weekday() < 5


HOURS = OfficeHours(
    spans=((time(7, 30), time(11, 30)), (time(13, 30), time(17, 0))), is_working_day=is_weekday
)

LADDER = (
    LadderStep(kind=NoticeKind.LOST, step=1, role="ops_team"),
    LadderStep(kind=NoticeKind.LOST, step=2, role="unit", window=Window.WORKING),
    LadderStep(
        kind=NoticeKind.LOST,
        step=3,
        role="department",
        after=4,
        after_unit=DelayUnit.WORKING_HOUR,
        window=Window.WORKING,
    ),
    LadderStep(
        kind=NoticeKind.LOST,
        step=4,
        role="so",
        after=1,
        after_unit=DelayUnit.WORKING_DAY,
        window=Window.WORKING,
    ),
    LadderStep(kind=NoticeKind.PROVINCE_DOWN, step=1, role="ops_team"),
    LadderStep(kind=NoticeKind.PROVINCE_DOWN, step=2, role="so", window=Window.WORKING),
    LadderStep(kind=NoticeKind.FLAPPING, step=1, role="ops_team"),
    LadderStep(kind=NoticeKind.COLLECTOR_BLIND, step=1, role="ops_team"),
    LadderStep(kind=NoticeKind.TROUBLE, step=1, role="engineers"),
    LadderStep(kind=NoticeKind.DIGEST, step=1, role="ops_team"),
    LadderStep(kind=NoticeKind.SELF_TEST, step=1, role="ops_team"),
)


def servers(*districts: str) -> tuple[WatchedServer, ...]:
    """The province and its districts."""
    province = WatchedServer(
        server_code=PROVINCE, role=Role.PROVINCE, unit_code=PROVINCE, place=PLACES[PROVINCE]
    )
    return (
        province,
        *(
            WatchedServer(
                server_code=code,
                role=Role.DISTRICT,
                unit_code=code,
                place=PLACES.get(code, code),
                parent_code=PROVINCE,
            )
            for code in districts
        ),
    )


def a_policy(
    *,
    districts: tuple[str, ...] = DISTRICTS,
    ladder: tuple[LadderStep, ...] = LADDER,
    mutes: tuple[Mute, ...] = (),
    limits: Limits | None = None,
    hours: OfficeHours = HOURS,
) -> Policy:
    return Policy(
        estate_code="mau",
        unit_code=PROVINCE,
        place=PLACES[PROVINCE],
        servers=servers(*districts),
        ladder=ladder,
        hours=hours,
        mutes=mutes,
        limits=limits or Limits(),
    )


# How a district may be seen, as (the province's word or None, our knock).
SEEN: dict[str, tuple[bool | None, Knock]] = {
    "ok": (True, Knock.OK),
    "cut": (False, Knock.OK),
    "dead": (False, Knock.TIMEOUT),
    "certificate": (True, Knock.CERTIFICATE),
    "credentials": (True, Knock.CREDENTIALS),
    "path": (True, Knock.REFUSED),
    "cut, certificate": (False, Knock.CERTIFICATE),
    "nothing": (None, Knock.NOT_TRIED),
    "no word": (None, Knock.TIMEOUT),
}


def a_tick(
    at: datetime,
    seen: Mapping[str, str] | None = None,
    *,
    province: Knock = Knock.OK,
    is_way_out_open: bool | None = True,
    districts: tuple[str, ...] = DISTRICTS,
    is_backfill: bool = False,
) -> Tick:
    """A tick in which every district not named in ``seen`` is well."""
    evidence = {PROVINCE: ServerEvidence(knock=province)}
    for code in districts:
        is_active, knock = SEEN[(seen or {}).get(code, "ok")]
        word = None if is_active is None else ProvinceWord(is_active=is_active, read_at=at)
        evidence[code] = ServerEvidence(knock=knock, province_word=word)
    return Tick(at=at, evidence=evidence, is_way_out_open=is_way_out_open, is_backfill=is_backfill)
