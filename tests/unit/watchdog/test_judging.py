"""Each trouble is said once when it begins and once when it ends, and never for a busy minute."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from ksc_ledger.watchdog.judging import Check, Limits, Memory, Notice, Sighting, decide, judge

AT = datetime(2024, 1, 9, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LIMITS = Limits()
LONG = timedelta(days=30)


def a_sighting(minute: float = 0, **changes: Any) -> Sighting:
    """All is well, except as said."""
    values: dict[str, Any] = {
        "at": AT + minute * MINUTE,
        "free_bytes": 100 * 1024**3,
        "load_age": 20 * MINUTE,
        "published_age": 40 * MINUTE,
        "tick_age": 2 * MINUTE,
    }
    return Sighting(**{**values, **changes})


class Dog:
    """A watchdog that looks every minute and remembers what it said."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.minute = 0

    def look(self, minutes: int, **seen: Any) -> list[Notice]:
        said: list[Notice] = []
        for _ in range(minutes):
            self.memory = decide(self.memory, a_sighting(self.minute, **seen), LIMITS)
            said += self.memory.unsaid
            self.memory = replace(self.memory, unsaid=())
            self.minute += 1
        return said


def test_a_day_on_which_all_is_well_says_nothing() -> None:
    dog = Dog()
    assert dog.look(24 * 60) == []
    assert dog.memory.told == ()


@pytest.mark.parametrize(
    ("check", "member", "limit"),
    [
        (Check.TICKS, "tick_age", timedelta(minutes=15)),
        (Check.LOADS, "load_age", timedelta(hours=3)),
        (Check.PUBLISHED, "published_age", timedelta(hours=26)),
        (Check.MAILS_WAITING, "waiting_age", timedelta(minutes=30)),
    ],
)
def test_an_age_is_too_old_from_its_limit_on(check: Check, member: str, limit: timedelta) -> None:
    young = a_sighting(**{member: limit - timedelta(seconds=1)})
    assert judge(young, LONG, LIMITS)[check] is False
    assert judge(a_sighting(**{member: limit}), LONG, LIMITS)[check] is True


def test_the_last_free_byte_above_the_limit_is_enough() -> None:
    assert judge(a_sighting(free_bytes=LIMITS.free_bytes), LONG, LIMITS)[Check.DISK] is False
    assert judge(a_sighting(free_bytes=LIMITS.free_bytes - 1), LONG, LIMITS)[Check.DISK] is True


def test_one_dead_mail_is_a_trouble_and_none_is_not() -> None:
    assert judge(a_sighting(dead_count=1), LONG, LIMITS)[Check.MAILS_DEAD] is True
    assert judge(a_sighting(), LONG, LIMITS)[Check.MAILS_DEAD] is False


def test_f42_a_dead_scheduler_is_told_once_and_once_when_it_is_back() -> None:
    dog = Dog()
    dog.look(30)
    said = [one for n in range(120) for one in dog.look(1, tick_age=(n + 1) * MINUTE)]
    (begun,) = said
    assert (begun.began, begun.ended, begun.lasting) == ((Check.TICKS,), (), ())
    # Fifteen minutes after the last tick, and two more to be certain.
    assert begun.at == AT + (30 + 14 + 2) * MINUTE
    (over,) = dog.look(60)
    assert (over.began, over.ended) == ((), (Check.TICKS,))
    assert over.at == AT + (150 + 10) * MINUTE
    assert over.episode == begun.episode
    assert over.name != begun.name
    assert dog.look(24 * 60) == []


def test_what_never_was_is_told_when_it_should_have_been_by_now() -> None:
    dog = Dog()
    never = {"tick_age": None, "load_age": None, "published_age": None}
    said = dog.look(27 * 60, **never)
    assert [one.began for one in said] == [(Check.TICKS,), (Check.LOADS,), (Check.PUBLISHED,)]
    assert said[0].at == AT + 17 * MINUTE


def test_after_a_pause_of_the_watch_everything_has_its_time_to_start() -> None:
    """The machine was off: an hour old tick is no news until the scheduler could have run."""
    dog = Dog()
    dog.look(5)
    dog.minute += 120
    assert dog.look(15, tick_age=60 * MINUTE) == []
    assert dog.look(120) == []


def test_a_pause_of_the_watch_does_not_end_a_trouble_that_was_told() -> None:
    dog = Dog()
    dog.look(30)
    assert len(dog.look(5, tick_age=60 * MINUTE)) == 1
    dog.minute += 120
    assert dog.look(60, tick_age=200 * MINUTE) == []
    assert dog.memory.told == (Check.TICKS,)


def test_a_trouble_of_one_minute_is_no_news() -> None:
    dog = Dog()
    dog.look(5)
    assert dog.look(2, state_error="database is locked") == []
    assert dog.look(5) == []
    assert len(dog.look(3, state_error="database is locked")) == 1


def test_an_end_of_some_minutes_is_no_end() -> None:
    dog = Dog()
    dog.look(5)
    dog.look(3, free_bytes=1)
    assert dog.look(10) == []
    assert dog.look(5, free_bytes=1) == []
    assert dog.memory.told == (Check.DISK,)
    assert [one.ended for one in dog.look(11)] == [(Check.DISK,)]


def test_without_the_database_nothing_is_concluded_about_ticks_and_mails() -> None:
    dog = Dog()
    dog.look(30)
    dog.look(5, waiting_age=40 * MINUTE)
    assert dog.memory.told == (Check.MAILS_WAITING,)
    said = dog.look(60, state_error="gone", tick_age=None, waiting_age=None)
    assert [(one.began, one.ended, one.lasting) for one in said] == [
        ((Check.STATE,), (), (Check.MAILS_WAITING,))
    ]


def test_troubles_that_begin_together_are_one_mail_and_share_an_episode_until_all_is_well() -> None:
    dog = Dog()
    dog.look(5)
    (first,) = dog.look(5, free_bytes=1, dead_count=2)
    assert set(first.began) == {Check.MAILS_DEAD, Check.DISK}
    assert (first.figures["dead_count"], first.figures["free_bytes"]) == (2, 1)
    (second,) = dog.look(15, free_bytes=1)
    assert (second.ended, second.lasting) == ((Check.MAILS_DEAD,), (Check.DISK,))
    (third,) = dog.look(15)
    assert first.episode == second.episode == third.episode
    dog.look(60)
    (other,) = dog.look(5, free_bytes=1)
    assert other.episode != first.episode


def test_a_trouble_that_comes_and_goes_all_day_is_told_at_most_once_an_hour() -> None:
    dog = Dog()
    dog.look(5)
    said = []
    for _ in range(96):
        said += dog.look(4, free_bytes=1)
        said += dog.look(11)
    begun = [one.at for one in said if one.began]
    assert 20 <= len(begun) <= 25
    assert all(b - a >= LIMITS.repeat_after for a, b in pairwise(begun))


def test_a_clock_put_back_begins_the_watch_anew() -> None:
    dog = Dog()
    dog.look(60)
    dog.minute = -1_000
    assert dog.look(14, tick_age=None) == []
    assert dog.memory.watching_since == AT - 1_000 * MINUTE
