"""The watchdog as it runs: on a real home, a real database and a real SMTP server."""

from __future__ import annotations

import email
import email.policy
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from ksc_ledger import settings as settings_module
from ksc_ledger.alerts.compose import Sender
from ksc_ledger.alerts.outlets import Security
from ksc_ledger.alerts.watch import run_tick
from ksc_ledger.clock import FixedClock, RehearsalClock, clock_of
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import in_force
from ksc_ledger.settings import Settings
from ksc_ledger.state import leases, open_state
from ksc_ledger.state.tables import LINK_WATCH
from ksc_ledger.watchdog import __main__ as program
from ksc_ledger.watchdog.__main__ import main
from ksc_ledger.watchdog.judging import USUAL_LIMITS, Check, Limits, Memory
from ksc_ledger.watchdog.looking import look, newest_load_at
from ksc_ledger.watchdog.process import (
    Post,
    alone,
    heartbeat_file,
    load,
    look_once,
    memory_file,
    save,
)
from unit.alerts.estates import START, a_policy, a_tick
from unit.alerts.mails import LIVE, SENDER, a_new_mail, put
from unit.alerts.post_office import PostOffice

MINUTE = timedelta(minutes=1)
LIMITS = Limits(free_bytes=1)  # the machine of the test may be full
TO = "kt@tinh.example"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_module.load({"KSC_LEDGER_HOME": str(tmp_path / "home")})


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_state(settings.state_url)
    yield engine
    engine.dispose()


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with PostOffice() as office:
        yield office


def post_to(office: PostOffice, sender: Sender = SENDER) -> Post:
    return Post(
        open=office.outlet,
        addresses=lambda: [TO],
        sender=sender,
        domain=LIVE.domain,
        is_rehearsal=False,
    )


def tick(engine: Engine, at: datetime) -> None:
    lease = leases.acquire(engine, "watch:mau", "test", 240, at)
    assert lease is not None
    run_tick(engine, lease, a_tick(at), a_policy(ladder=()), LIVE, at)
    leases.release(engine, lease)


def looked(settings: Settings, office: PostOffice, at: datetime, minutes: int) -> Memory:
    """Look once a minute from ``at`` on; both clocks tell the same."""
    memory = Memory()
    for minute in range(minutes):
        now = at + minute * MINUTE
        memory = look_once(settings, post_to(office), FixedClock(now), now, LIMITS)
    return memory


def registry_of(settings: Settings, *estates: str) -> None:
    """Let the registry name these estates, and a task of the pipeline load it."""
    shutil.rmtree(settings.registry, ignore_errors=True)
    for estate in estates:
        folder = settings.registry / estate
        folder.mkdir(parents=True)
        (folder / "estate.yml").write_text(
            f"estate_code: {estate}\nestate_name: Tỉnh thử\n", "utf-8"
        )
        (folder / "units.csv").write_text(
            "unit_code,unit_name,unit_kind,official_code,name_prefix,parent_unit_code,list_order,"
            "valid_from_date,valid_to_date,source_document\n"
            f"{estate},Tỉnh thử,tinh,,,,1,2022-09-01,,công văn thử\n",
            "utf-8",
        )
        (folder / "servers.csv").write_text(
            "server_code,server_name,server_role,unit_code,list_order,valid_from_date,valid_to_date,"
            "source_document\n"
            f"{estate},Máy chủ tỉnh,province,{estate},1,2022-09-01,,công văn thử\n",
            "utf-8",
        )
    in_force(settings)


def test_an_estate_that_left_the_registry_is_not_missed(settings: Settings, engine: Engine) -> None:
    settings = replace(settings, registry=settings.home / "files")
    tick(engine, START)
    with engine.begin() as connection:
        connection.execute(
            insert(LINK_WATCH).values(
                estate_code="khac", revision=1, ticked_at=START - 30 * MINUTE, memory="{}"
            )
        )

    def tick_age() -> timedelta | None:
        return look(settings, START + MINUTE, START + MINUTE).tick_age

    assert tick_age() == 31 * MINUTE  # no registry was ever good: every estate counts
    registry_of(settings, "mau", "khac")
    assert tick_age() == 31 * MINUTE
    registry_of(settings, "mau")
    assert tick_age() == MINUTE
    # A registry that is wrong changes nothing: the last good one is in force.
    (settings.registry / "mau" / "units.csv").write_text("hỏng", "utf-8")
    in_force(settings)
    assert tick_age() == MINUTE
    registry_of(settings, "khac")
    assert tick_age() == 31 * MINUTE


def beat(settings: Settings) -> dict[str, object]:
    read: dict[str, object] = json.loads(heartbeat_file(settings.places).read_text("utf-8"))
    return read


def test_f42_airflow_killed_is_one_mail_and_one_when_it_runs_again(
    settings: Settings, engine: Engine, office: PostOffice
) -> None:
    """Killed is what the watchdog sees of it: ticks that stop, everything else as it was."""
    for number in range(4):
        tick(engine, START + number * 5 * MINUTE)
        looked(settings, office, START + number * 5 * MINUTE, 5)
    assert office.received == []
    memory = looked(settings, office, START + 20 * MINUTE, 120)
    assert memory.told == (Check.TICKS,)
    assert [str(one["Subject"]) for one in office.read_by(TO)] == [
        "[KSC][TỰ KIỂM TRA] Hệ thống có sự cố: việc theo dõi kết nối đã ngừng chạy"
    ]
    assert beat(settings)["is_well"] is False
    assert beat(settings)["troubles"] == ["ticks"]
    for number in range(4):
        at = START + (140 + number * 5) * MINUTE
        tick(engine, at)
        looked(settings, office, at, 5)
    first, second = office.read_by(TO)
    assert second["Subject"] == "[KSC][TỰ KIỂM TRA] Hệ thống đã chạy lại bình thường"
    assert first["References"] == second["References"]
    assert first["Message-ID"] != second["Message-ID"]
    assert first["Auto-Submitted"] == "auto-generated"
    assert "watch_server_links" in first.get_content()
    assert "cách đây 0 giờ 17 phút" in first.get_content()
    assert beat(settings) == {
        "at": (START + 159 * MINUTE).isoformat(),
        "is_well": True,
        "troubles": [],
        "unsaid_count": 0,
        "is_driven": False,
    }


def test_a_mail_that_nobody_took_is_kept_and_goes_later_under_its_message_id(
    settings: Settings, engine: Engine, office: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    tick(engine, START)
    office.off()
    memory = looked(settings, office, START, 120)
    assert len(memory.unsaid) == 1
    assert 5 <= caplog.text.count("were not taken") <= 15  # less and less often
    assert beat(settings)["unsaid_count"] == 1
    office.on()
    office.answers_to_lose = 1
    memory = looked(settings, office, START + 120 * MINUTE, 40)
    assert memory.unsaid == ()
    ids = [str(one["Message-ID"]) for one in office.read_by(TO)]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert office.received[0].content == office.received[1].content


def test_a_process_killed_after_deciding_says_it_when_it_is_back(
    settings: Settings, engine: Engine, office: PostOffice
) -> None:
    class Killed(BaseException):
        pass

    def doomed() -> list[str]:
        raise Killed

    tick(engine, START)
    looked(settings, office, START, 17)
    now = START + 17 * MINUTE
    with pytest.raises(Killed):
        look_once(
            settings, replace(post_to(office), addresses=doomed), FixedClock(now), now, LIMITS
        )
    looked(settings, office, START + 18 * MINUTE, 30)
    assert len(office.received) == 1


def test_waiting_and_dead_mails_are_seen_in_the_outbox(settings: Settings, engine: Engine) -> None:
    put(engine, a_new_mail(created_at=START), a_new_mail(incident_id="2", created_at=START))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "update outbox set status = 'dead', finished_at = ? where incident_id = '2'",
            (START.replace(tzinfo=None).isoformat(" "),),
        )
    seen = look(settings, START + 45 * MINUTE, START)
    assert (seen.waiting_count, seen.waiting_age, seen.dead_count) == (1, 45 * MINUTE, 1)
    assert look(settings, START + timedelta(days=1, seconds=1), START).dead_count == 0


def test_of_several_estates_the_slowest_watch_counts(settings: Settings, engine: Engine) -> None:
    tick(engine, START)
    lease = leases.acquire(engine, "watch:khac", "test", 240, START)
    assert lease is not None
    at = START + 10 * MINUTE
    run_tick(engine, lease, a_tick(at), replace(a_policy(ladder=()), estate_code="khac",
             servers=a_policy(districts=()).servers[:0]), LIVE, at)  # fmt: skip
    assert look(settings, at, at).tick_age == 10 * MINUTE


def test_the_newest_manifest_of_the_newest_month_counts(tmp_path: Path) -> None:
    assert newest_load_at(tmp_path / "nowhere") is None
    for name in (
        "dtp/2023-12/dtp-20231231T235900Z-0123456789.json",
        "dtp/2024-01/dtp-20240109T010000Z-0123456789.json",
        "dtp/2024-01/dtp-20240109T020000Z-0123456789.parquet",
        "dtp_872/2024-01/dtp_872-20240109T013000Z-abcdef0123.json",
        "dtp_872/2024-01/dtp_872-20240109T015900Z-abcdef0123.77.tmp",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert newest_load_at(tmp_path) == datetime(2024, 1, 9, 1, 30, tzinfo=UTC)


def test_the_age_of_the_marts_is_that_of_the_version_they_point_to(settings: Settings) -> None:
    assert look(settings, START, START).published_age is None
    version = settings.places.marts / "versions" / "1.duckdb"
    version.parent.mkdir(parents=True)
    version.touch()
    os.utime(version, (START.timestamp(), START.timestamp()))
    settings.places.marts_file.symlink_to(version)
    assert look(settings, START, START + 90 * MINUTE).published_age == 90 * MINUTE


def test_a_database_that_cannot_be_read_is_said(settings: Settings, office: PostOffice) -> None:
    settings.places.state.mkdir(parents=True)
    settings.places.state_database.write_text("not a database " * 100)
    memory = looked(settings, office, START, 10)
    assert memory.told == (Check.STATE,)
    (mail,) = office.read_by(TO)
    assert "cơ sở dữ liệu vận hành" in str(mail["Subject"])


def rehearsal(settings: Settings, *, is_driven: bool) -> RehearsalClock:
    settings.home.mkdir(parents=True, exist_ok=True)
    settings.places.rehearsal_mark.touch()
    clock = clock_of(settings.places)
    assert isinstance(clock, RehearsalClock)
    clock.set(START, is_driven=is_driven)
    return clock


def test_while_a_rehearsal_is_driven_nothing_is_judged_but_the_heart_beats(
    settings: Settings, office: PostOffice
) -> None:
    clock = rehearsal(settings, is_driven=True)
    for minute in range(60):
        look_once(settings, post_to(office), clock, START + minute * MINUTE, LIMITS)
    assert office.received == []
    assert beat(settings)["is_driven"] is True
    assert load(memory_file(settings.places)).watching_since is None


def test_in_a_rehearsal_the_mail_is_a_file_that_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = rehearsal(settings, is_driven=False)
    monkeypatch.setenv("KSC_LEDGER_HOME", str(settings.home))
    for minute in range(30):
        clock.set(START + minute * MINUTE, is_driven=False)
        status = main(["--once", "--to", TO])
    assert status == 1
    (file,) = [one for one in settings.places.mail.iterdir() if "-watchdog-" in one.name]
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    assert str(mail["Subject"]).startswith("[DIỄN TẬP][KSC][TỰ KIỂM TRA] Hệ thống có sự cố")
    assert all(byte < 128 for byte in file.read_bytes())


def test_recipients_are_the_engineers_of_the_contacts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = rehearsal(settings, is_driven=False)
    monkeypatch.setenv("KSC_LEDGER_HOME", str(settings.home))
    settings.contacts.write_text(
        "role,unit_code,name,address\nops_team,dtp,Trực,ops@tinh.example\n"
        f"engineers,dtp,Kỹ thuật,{TO}\n",
        "utf-8",
    )
    settings.contacts.chmod(0o600)
    for minute in range(20):
        clock.set(START + minute * MINUTE, is_driven=False)
        main(["--once"])
    (file,) = settings.places.mail.iterdir()
    assert f"To: {TO}\r\n".encode() in file.read_bytes()
    assert capsys.readouterr().err == ""


def test_a_live_watchdog_without_a_relay_does_not_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KSC_LEDGER_HOME", str(settings.home))
    assert main(["--once"]) == 2
    assert "KSC_LEDGER_WATCHDOG_RELAY_HOST" in capsys.readouterr().err


def test_the_relay_and_the_patience_come_from_the_settings_and_the_command_line_wins(
    tmp_path: Path,
) -> None:
    secret = tmp_path / "password"
    secret.write_text("mat khau\n", "utf-8")
    env = {
        "KSC_LEDGER_HOME": str(tmp_path),
        "KSC_LEDGER_WATCHDOG_RELAY_HOST": "thu.tinh.example",
        "KSC_LEDGER_WATCHDOG_RELAY_PORT": "465",
        "KSC_LEDGER_WATCHDOG_RELAY_LOGIN": "ksc",
        "KSC_LEDGER_WATCHDOG_RELAY_PASSWORD_FILE": str(secret),
        "KSC_LEDGER_WATCHDOG_TICK_MINUTES": "20",
        "KSC_LEDGER_WATCHDOG_BEGINS_AFTER_MINUTES": "4",
        "KSC_LEDGER_WATCHDOG_ENDS_AFTER_MINUTES": "5",
    }
    found = settings_module.load(env)
    assert "mat khau" not in repr(found)
    relay = program._relay(found, program._parser().parse_args(["--once"]))
    assert (relay.host, relay.port, relay.security) == ("thu.tinh.example", 465, Security.TLS)
    assert (relay.login, relay.password) == ("ksc", "mat khau")
    given = ["--once", "--relay-host", "khac.example", "--relay-port", "587"]
    other = program._relay(found, program._parser().parse_args(given))
    assert (other.host, other.port, other.security) == ("khac.example", 587, Security.STARTTLS)
    limits = program.limits_of(found)
    assert (limits.tick_age, limits.begins_after, limits.ends_after) == (
        20 * MINUTE,
        4 * MINUTE,
        5 * MINUTE,
    )
    assert program.limits_of(settings_module.load({"KSC_LEDGER_HOME": str(tmp_path)})) == (
        USUAL_LIMITS
    )


def test_there_is_one_watchdog_for_a_home(settings: Settings) -> None:
    with alone(settings.places):
        with pytest.raises(LedgerError) as raised, alone(settings.places):
            pass
        assert raised.value.code == "watchdog_already_running"
    with alone(settings.places):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"watching_since": 1}', '{"conditions": []}'])
def test_a_memory_that_cannot_be_read_is_begun_anew(tmp_path: Path, text: str) -> None:
    file = tmp_path / "watchdog.json"
    file.write_text(text)
    assert load(file) == Memory()


def test_a_memory_comes_back_as_it_was_kept(
    settings: Settings, engine: Engine, office: PostOffice
) -> None:
    tick(engine, START)
    office.off()
    memory = looked(settings, office, START, 30)
    assert memory.unsaid
    file = memory_file(settings.places)
    assert load(file) == memory
    save(memory, file)
    assert load(file) == memory
    assert file.stat().st_mode & 0o777 == 0o640


def test_the_process_beats_until_it_is_told_to_stop(settings: Settings) -> None:
    """And loads nothing heavy: it must cost next to nothing beside the pipeline."""
    rehearsal(settings, is_driven=False)
    code = (
        "import sys; from ksc_ledger.watchdog.__main__ import main\n"
        "status = main(sys.argv[1:])\n"
        "heavy = {'airflow', 'duckdb', 'pandas', 'alembic', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(status or 10 * bool(heavy - {'alembic', 'pydantic'}))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--every", "1", "--to", TO],
        env={**os.environ, "KSC_LEDGER_HOME": str(settings.home)},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while not heartbeat_file(settings.places).exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert beat(settings)["is_well"] is True
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
