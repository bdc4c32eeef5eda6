"""The faults of the fault matrix that end in a mail, or must not: watched, decided, delivered.

A tick here is the whole road: the simulated estate is looked at over TLS, the watch moves in a real
database, the outbox is drained into a real SMTP server. What is proven closer to its rule is not
proven again here:

=====  =========================================================================================
F42    the mail of the process outside: ``tests/unit/watchdog``; a real Airflow killed:
       ``tests/unit/watchdog/test_airflow_killed.py``
F52    bounds for any history: ``rules/test_links_bounds.py``; ``rules/test_links.py``
F54    merging in detail, waiting times: ``test_deliver.py``
F57    every named point, 200 random kills: ``test_crash_points.py``, ``test_sigkill.py``
F59    any name at all: ``test_compose.py``
F61    retirement in the database: ``state/test_links_state.py``
F62    a changed ladder: ``rules/test_links.py``
=====  =========================================================================================

F26 has no mail of its own on this side: a load that lost its hosts is marked and gated, and nobody is
written to. Tested is that the watch does not take it for a lost connection.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import Engine

from estates import server, write_estate
from ksc_ledger import settings as settings_module
from ksc_ledger.alerts.deliver import Delivered
from ksc_ledger.alerts.policy import policy_of
from ksc_ledger.alerts.registry_watch import note_registry
from ksc_ledger.alerts.roles import Contact, Directory
from ksc_ledger.alerts.watch import Ticked, run_tick
from ksc_ledger.clock import vietnamese_date
from ksc_ledger.collection.witness import look
from ksc_ledger.registry import InForce, in_force
from ksc_ledger.rules.links_evidence import Cause, Knock, Tick
from ksc_ledger.rules.links_model import LinkState, Mute, MuteKind, NoticeKind, Policy
from ksc_ledger.settings import REPOSITORY, Settings
from ksc_ledger.simulator import Simulator
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.state import accounts, leases, links, open_state, outbox, words
from ksc_ledger.state.outbox import Channel, RecipientStatus
from unit.alerts.crashes import opened
from unit.alerts.estates import (
    DISTRICTS,
    LADDER,
    PLACES,
    PROVINCE,
    START,
    TICK,
    a_policy,
    a_tick,
)
from unit.alerts.mails import AT, DIRECTORY, LIVE, Clock, a_new_mail, drain, put
from unit.alerts.post_office import PostOffice

A, B, C, D = DISTRICTS
OPS, ENGINEER = "ops@tinh.example", "kt@tinh.example"
BUDGET = Budget(
    connect_seconds=2, read_seconds=2, call_seconds=3, server_seconds=10, max_body_bytes=1 << 20
)
CONSOLES = {code: f"KSC-{code.upper().replace('_', '-')}" for code in DISTRICTS}
# The digest and the self-test come by the calendar, not by a fault.
REGULAR = (NoticeKind.DIGEST, NoticeKind.SELF_TEST)
PEOPLE = replace(DIRECTORY, parents={**dict.fromkeys(DISTRICTS, PROVINCE), PROVINCE: None})
POLICY = a_policy(ladder=tuple(step for step in LADDER if step.kind not in REGULAR))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    estate = write_estate(
        tmp_path_factory.mktemp("scenarios") / "mau",
        servers=[server(PROVINCE), *(server(code, PROVINCE) for code in DISTRICTS)],
    )
    with Simulator([estate], tmp_path_factory.mktemp("run"), port=0, at=START) as one:
        yield one


@pytest.fixture
def simulator(running: Simulator) -> Iterator[Simulator]:
    running.set_clock(START)
    yield running
    running.clear_faults()


@pytest.fixture
def office() -> Iterator[PostOffice]:
    with PostOffice() as office:
        yield office


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("state") / "state.sqlite"
    open_state(f"sqlite:///{file}").dispose()
    return file


@pytest.fixture
def url(migrated: Path, tmp_path: Path) -> str:
    shutil.copy(migrated, tmp_path / "state.sqlite")
    return f"sqlite:///{tmp_path / 'state.sqlite'}"


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = opened(url)
    yield engine
    engine.dispose()


@dataclass
class House:
    """The link watch with its post, driven tick by tick; ``clock`` is the mode's and real time."""

    engine: Engine
    office: PostOffice
    simulator: Simulator | None = None
    policy: Policy = POLICY
    directory: Directory = PEOPLE
    clock: Clock = field(default_factory=lambda: Clock(START - TICK))

    def watch(self, ticks: int = 1, ask: tuple[str, ...] = (PROVINCE,)) -> None:
        """Look at the simulated estate, decide, deliver; so many times, five minutes apart."""
        for _ in range(ticks):
            self.clock.at += TICK
            self.decide(self.look(ask))
            self.deliver()

    def look(self, ask: tuple[str, ...] = (PROVINCE,)) -> Tick:
        assert self.simulator is not None
        self.simulator.set_clock(self.clock.at)
        seen = look(
            self.engine,
            self.policy.servers,
            CONSOLES,
            self._endpoint,
            BUDGET,
            now=self.clock.at,
            words=words.load(self.engine),
            ask=ask,
        )
        words.remember(self.engine, seen.new_words)
        return seen.tick

    def told(self, seen: Mapping[str, str] | None = None, *, province: Knock = Knock.OK) -> None:
        """A tick of evidence that needs no server, then a drain."""
        self.clock.at += TICK
        districts = tuple(one.server_code for one in self.policy.servers if one.parent_code)
        self.decide(a_tick(self.clock.at, seen, province=province, districts=districts))
        self.deliver()

    def decide(self, tick: Tick) -> Ticked:
        lease = leases.acquire(self.engine, "watch:mau", "test", 240, self.clock.at)
        assert lease is not None
        done = run_tick(self.engine, lease, tick, self.policy, LIVE, self.clock.at)
        leases.release(self.engine, lease)
        return done

    def deliver(self) -> list[Delivered]:
        done = []
        for channel in Channel:
            with self.office.outlet() as outlet:
                done.append(
                    drain(
                        self.engine, outlet, self.clock, channel=channel, directory=self.directory
                    )
                )
        return done

    def kinds(self) -> Counter[tuple[str, str]]:
        """The mails there ever were, by kind and role."""
        return Counter((one.mail_kind, one.recipient_role) for one in outbox.mails(self.engine))

    def shown(self) -> dict[str, LinkState]:
        return {
            link.server_code: link.interval.state
            for link in links.load(self.engine, "mau").watch.links
            if link.interval
        }

    def _endpoint(self, code: str) -> Endpoint:
        assert self.simulator is not None
        facts = self.simulator.ports["servers"][code]
        return Endpoint(
            server_code=code,
            host=facts["host"],
            port=facts["port"],
            login=facts["login"],
            password=self.simulator.password(code),
            certificate_sha256=(facts["sha256"],),
        )


@pytest.fixture
def house(engine: Engine, office: PostOffice, simulator: Simulator) -> House:
    return House(engine, office, simulator)


@pytest.fixture
def paper_house(engine: Engine, office: PostOffice) -> House:
    """Without servers: the evidence is written down."""
    return House(engine, office)


def test_f01_a_refused_district_is_suspected_first_and_told_once_when_it_is_certain(
    house: House, simulator: Simulator
) -> None:
    house.watch(2)
    simulator.fault(A, "server_down")
    house.watch(3)
    assert house.shown() == {**dict.fromkeys([PROVINCE, B, C, D], LinkState.UP), A: "suspect"}
    assert house.kinds() == {}
    house.watch(3)
    assert house.kinds() == {("lost", "ops_team"): 1, ("lost", "unit"): 1}
    assert house.office.subjects(OPS) == [f"[KSC][MẤT KẾT NỐI] {PLACES[A]}"]
    assert house.office.subjects("a@huyen.example") == [f"[KSC][MẤT KẾT NỐI] {PLACES[A]}"]
    (outage,) = links.outages(house.engine)
    assert (outage.cause, outage.started_at) == (Cause.SERVER, START + 2 * TICK)
    assert outage.confirmed_at == START + 5 * TICK
    simulator.clear_faults()
    house.watch(3)
    assert house.office.subjects(OPS)[1:] == [f"[KSC][KHÔI PHỤC] {PLACES[A]}"]
    first, second = house.office.read_by(OPS)
    assert second["References"] == first["References"]
    assert second["Message-ID"] != first["Message-ID"]


def test_f04_without_dns_the_collector_is_blind_and_no_district_is_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twelve wrong mails elsewhere; here one about ourselves."""

    def no_such_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "no answer")

    house.watch(2)
    for _ in range(6):
        house.clock.at += TICK
        with monkeypatch.context() as patched:
            patched.setattr(socket, "getaddrinfo", no_such_name)
            tick = house.look()
        assert {one.knock for one in tick.evidence.values()} == {Knock.DNS}
        house.decide(tick)
        house.deliver()
    assert house.kinds() == {("collector_blind", "ops_team"): 1}
    assert [one.split("]")[1] for one in house.office.subjects(OPS)] == ["[MÙ THU THẬP"]
    assert set(house.shown().values()) == {LinkState.UNKNOWN}
    house.watch(2)
    assert set(house.shown().values()) == {LinkState.UP}
    assert links.outages(house.engine) == []
    assert len(house.office.received) == 1


def test_f05_another_certificate_is_told_to_the_engineers_once_and_is_no_loss(
    house: House, simulator: Simulator
) -> None:
    house.watch()
    before = len(simulator.log().get(A, []))
    simulator.fault(A, "certificate_changed")
    house.watch(5)
    assert house.kinds() == {("trouble", "engineers"): 1}
    assert house.office.subjects(ENGINEER) == [f"[KSC][SỰ CỐ TRUY CẬP] {PLACES[A]}"]
    assert house.office.read_by(OPS) == []
    assert (
        len(simulator.log().get(A, [])) == before
    )  # not one request, let alone an Authorization header
    assert links.outages(house.engine) == []


def test_f08_a_changed_password_costs_one_login_and_one_mail_and_is_never_a_loss(
    house: House, simulator: Simulator
) -> None:
    house.watch()
    before = len(simulator.log()[PROVINCE])
    simulator.fault(PROVINCE, "unauthorized")
    house.watch(6)
    tried = simulator.log()[PROVINCE][before:]
    assert sum(request["had_authorization"] for request in tried) == 1
    assert [one.server_code for one in accounts.held(house.engine)] == [PROVINCE]
    assert house.kinds() == {("trouble", "engineers"): 1}
    assert house.office.subjects(ENGINEER) == [f"[KSC][SỰ CỐ TRUY CẬP] {PLACES[PROVINCE]}"]
    assert links.outages(house.engine) == []
    # The province's last word is carried for 35 minutes; nobody is called lost when it is too old.
    house.watch(6)
    assert {house.shown()[code] for code in DISTRICTS} == {LinkState.UNKNOWN}
    assert house.kinds() == {("trouble", "engineers"): 1}


def test_f26_a_district_that_lost_its_hosts_has_not_lost_its_link(
    house: House, simulator: Simulator
) -> None:
    """The load is marked and gated (``collection``, ``quality``); this side has no mail for it."""
    simulator.fault(A, "host_drop", value=40)
    simulator.fault(PROVINCE, "host_drop", value=40)
    house.watch(5)
    assert set(house.shown().values()) == {LinkState.UP}
    assert house.kinds() == {}


@pytest.mark.parametrize(
    "skew",
    [
        pytest.param(timedelta(hours=3), id="three hours ahead"),
        pytest.param(timedelta(days=-1), id="a day behind"),
        pytest.param(timedelta(days=-154_000), id="the year 1602"),
        pytest.param(timedelta(days=27_700), id="the year 2099"),
    ],
)
@pytest.mark.parametrize("code", [PROVINCE, A])
def test_f34_a_wrong_clock_makes_no_link_lost_and_hides_no_loss(
    house: House, simulator: Simulator, code: str, skew: timedelta
) -> None:
    simulator.fault(code, "clock_skew", value=int(skew.total_seconds()))
    house.watch(4)
    assert set(house.shown().values()) == {LinkState.UP}
    assert house.kinds() == {}
    simulator.fault(B, "link_cut")
    house.watch(4)
    assert house.kinds() == {("lost", "ops_team"): 1, ("lost", "unit"): 1}
    contact = links.load(house.engine, "mau").watch.link(B)
    assert contact is not None
    assert contact.last_contact_at is None or contact.last_contact_at <= START + 5 * TICK


def test_f42_after_two_hours_without_a_scheduler_no_district_is_lost_for_lack_of_data(
    house: House,
) -> None:
    house.watch(2)
    last_at = house.clock.at
    house.clock.pass_by(hours=2)
    # Runs that were missed and come late move nothing, whatever they carry.
    late = a_tick(last_at + TICK, dict.fromkeys(DISTRICTS, "dead"))
    assert not house.decide(late).has_moved
    house.watch()
    assert set(house.shown().values()) == {LinkState.UP}
    assert house.kinds() == {}
    unknown = [one for one in links.intervals(house.engine) if one.state is LinkState.UNKNOWN]
    assert len(unknown) == 1 + len(DISTRICTS)
    assert {(one.started_at, one.ended_at) for one in unknown} == {(last_at, house.clock.at)}


def test_f50_a_province_that_is_down_is_one_mail_naming_its_districts(
    house: House, simulator: Simulator
) -> None:
    house.watch(2)
    simulator.fault(PROVINCE, "server_down")
    house.watch(8)
    told = {role for kind, role in house.kinds() if kind == "province_down"}
    assert {kind for kind, _ in house.kinds()} == {"province_down"}
    assert told == {"ops_team", "so"}
    (mail,) = house.office.read_by(OPS)
    assert str(mail["Subject"]).startswith("[KSC][TỈNH MẤT KẾT NỐI]")
    body = mail.get_body(("plain",))
    assert body is not None
    text = " ".join(body.get_content().split())
    assert all(PLACES[code] in text for code in DISTRICTS)


def test_f51_when_the_province_is_back_each_district_still_down_is_told_once(
    house: House, simulator: Simulator
) -> None:
    house.watch(2)
    simulator.fault(PROVINCE, "server_down")
    house.watch(5)
    for code in (A, B, C):
        simulator.fault(code, "link_cut")
    simulator.clear_faults(PROVINCE)
    house.watch(12)
    lost = [one for one in house.office.subjects(OPS) if one.startswith("[KSC][MẤT KẾT NỐI]")]
    assert sorted(lost) == sorted(f"[KSC][MẤT KẾT NỐI] {PLACES[code]}" for code in (A, B, C))
    assert house.kinds()["lost", "ops_team"] == 3
    assert house.kinds()["back", "ops_team"] == 1  # the province's


def test_f52_a_link_that_breaks_at_every_tick_is_two_mails(
    house: House, simulator: Simulator
) -> None:
    """It breaks over TLS; the quiet hours after it are written down."""
    for number in range(16):
        simulator.clear_faults()
        if number % 2:
            simulator.fault(A, "link_cut")
        house.watch()
    simulator.clear_faults()
    for _ in range(60):
        house.told()
    assert house.kinds() == {("flapping", "ops_team"): 2}
    assert house.office.subjects(OPS) == [f"[KSC][CHẬP CHỜN] {PLACES[A]}"] * 2


def test_f53_a_loss_in_a_planned_window_is_one_mail_at_its_end_and_one_when_it_is_over(
    house: House, simulator: Simulator
) -> None:
    window = Mute(kind=MuteKind.MAINTENANCE, server_code=A, from_at=START, to_at=START + 8 * TICK)
    house.policy = replace(POLICY, mutes=(window,))
    simulator.fault(A, "server_down")
    house.watch(8)
    assert house.office.received == []
    house.watch(2)
    assert house.office.subjects(OPS) == [f"[KSC][MẤT KẾT NỐI] {PLACES[A]}"]
    simulator.clear_faults()
    house.watch(3)
    assert house.office.subjects(OPS)[1:] == [f"[KSC][KHÔI PHỤC] {PLACES[A]}"]


def test_f54_a_day_without_the_relay_loses_nothing_and_floods_nobody(paper_house: House) -> None:
    """One outage lasts all day, one is over after three hours, one link flaps; a tick every 5 min."""
    house = paper_house
    house.told()
    house.office.off()
    off_at = house.clock.at + TICK
    failures = 0
    for number in range(24 * 12):
        seen = {A: "cut"}
        if 24 <= number < 60:
            seen[B] = "dead"
        if 100 <= number < 130 and number % 2:
            seen[C] = "cut"
        house.told(seen)
        trouble = outbox.relay_trouble(house.engine, Channel.ALERTS)
        failures = trouble.failure_count if trouble else failures
    trouble = outbox.relay_trouble(house.engine, Channel.ALERTS)
    assert trouble is not None
    assert off_at <= trouble.failing_since_at <= off_at + 4 * TICK  # what a page can show
    assert failures <= 24 * 4 + 10  # knocked at every 15 minutes, not at every tick
    assert house.office.received == []
    assert not [one for one in outbox.mails(house.engine) if one.status in ("dead", "sent")]

    house.office.on()
    for _ in range(12):
        house.told({A: "cut"})
    assert outbox.relay_trouble(house.engine, Channel.ALERTS) is None
    mails = outbox.mails(house.engine)
    waiting = {(one.mail_kind, one.recipient_role) for one in mails if one.status == "pending"}
    # Nobody holds these roles in this directory: open, not lost.
    assert {role for _, role in waiting} <= {"department", "so", "unit"}
    assert {one.status for one in mails if one.recipient_role == "ops_team"} <= {"sent", "merged"}
    subjects = Counter(house.office.subjects(OPS))
    assert subjects == {
        f"[KSC][MẤT KẾT NỐI] {PLACES[A]}": 1,
        # Of the reminders of 4 and 12 hours the newer; that of 24 hours fell due after the day.
        f"[KSC][VẪN MẤT KẾT NỐI] {PLACES[A]}": 2,
        f"[KSC][KHÔI PHỤC] {PLACES[B]}": 1,  # says for both that it was lost and is back
        f"[KSC][CHẬP CHỜN] {PLACES[C]}": 2,
    }
    reminders = [
        one.status
        for one in mails
        if (one.mail_kind, one.recipient_role) == ("still_lost", "ops_team")
    ]
    assert reminders == ["merged", "sent", "sent"]
    ids = [str(one.message["Message-ID"]) for one in house.office.received]
    assert len(ids) == len(set(ids))


def test_f55_a_mail_whose_250_was_lost_goes_again_under_its_message_id(
    engine: Engine, office: PostOffice
) -> None:
    (message_id,) = put(engine, a_new_mail())
    clock = Clock()
    office.answers_to_lose = 1
    with office.outlet() as outlet:
        assert drain(engine, outlet, clock).counts == {"pending": 1}
        clock.pass_by(minutes=1)
        assert drain(engine, outlet, clock).counts == {"sent": 1}
        clock.pass_by(hours=1)
        assert drain(engine, outlet, clock).counts == {}
    first, second = office.received
    assert first.message["Message-ID"] == second.message["Message-ID"] == message_id
    assert second.content.replace(b"X-KSC-Delivery: retry\r\n", b"") == first.content


def test_f56_one_bad_recipient_is_marked_and_the_others_get_it_once(
    engine: Engine, office: PostOffice
) -> None:
    (message_id,) = put(engine, a_new_mail())
    office.refused["truc@tinh.example"] = "550 5.1.1 no such user"
    clock = Clock()
    with office.outlet() as outlet:
        assert drain(engine, outlet, clock).counts == {"sent": 1}
        clock.pass_by(hours=2)
        assert drain(engine, outlet, clock).counts == {}
    assert [one.recipients for one in office.received] == [(OPS,)]
    states = {one.address: one.status for one in outbox.recipients_of(engine, message_id)}
    assert states["truc@tinh.example"] is RecipientStatus.REFUSED


DRAINING = """
import os, signal, sys
from datetime import datetime
from ksc_ledger.alerts.outlets import Relay, Security, SmtpOutlet
from ksc_ledger.state import open_state
from unit.alerts.mails import Clock, drain
url, port, at, owner, kill_at = sys.argv[1:]
def reached(point):
    if point == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
engine = open_state(url)
relay = Relay(host="127.0.0.1", port=int(port), bounce_address="b@tinh.example",
              security=Security.NONE)
print("ready", flush=True)
sys.stdin.readline()
with SmtpOutlet(relay) as outlet:
    drain(engine, outlet, Clock(datetime.fromisoformat(at)), owner=owner, reached=reached)
"""


def draining(url: str, office: PostOffice, owner: str, kill_at: str = "") -> subprocess.Popen[str]:
    """A process that drains as soon as it gets a line, and dies at a named point if told to."""
    tests = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", DRAINING, url, str(office.port), AT.isoformat(), owner, kill_at],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tests)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_f57_a_process_killed_between_sending_and_noting_costs_one_copy_of_the_same_mail(
    url: str, engine: Engine, office: PostOffice
) -> None:
    (message_id,) = put(engine, a_new_mail())
    process = draining(url, office, "doomed", "mail:sent")
    process.communicate("\n", timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert len(office.received) == 1
    clock = Clock(AT + timedelta(minutes=4))
    with office.outlet() as outlet:
        assert drain(engine, outlet, clock).counts == {}  # its claim still holds
        clock.pass_by(minutes=1)
        assert drain(engine, outlet, clock).counts == {"sent": 1}
        clock.pass_by(minutes=10)
        assert drain(engine, outlet, clock).counts == {}
    assert [str(one.message["Message-ID"]) for one in office.received] == [message_id] * 2
    assert office.received[1].message["X-KSC-Delivery"] == "retry"


def test_f58_two_processes_draining_at_once_send_each_mail_once(
    url: str, engine: Engine, office: PostOffice
) -> None:
    ids = put(engine, *(a_new_mail(incident_id=f"incident-{number}") for number in range(30)))
    processes = [draining(url, office, f"drain-{number}") for number in range(2)]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert Counter(str(one.message["Message-ID"]) for one in office.received) == Counter(ids)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("Huyện\r\nBcc: ke-gian@xau.example\r\n\r\nGiả", id="CRLF"),
        pytest.param("Huyện \u202eaãm\u202c A", id="bidi"),
        pytest.param("Huyện " + "rất dài " * 256, id="2 kB"),
        pytest.param("Huyện A\x00\x1b[31m", id="NUL, escape"),
    ],
)
def test_f59_a_hostile_place_still_arrives_with_clean_headers(
    engine: Engine, office: PostOffice, name: str
) -> None:
    facts = {**a_new_mail().facts, "place": name}
    put(engine, a_new_mail(facts=facts))
    with office.outlet() as outlet:
        assert drain(engine, outlet, Clock()).counts == {"sent": 1}
    (mail,) = office.received
    assert mail.recipients == (OPS, "truc@tinh.example")
    assert str(mail.message["Subject"]).startswith("[KSC][MẤT KẾT NỐI] Huyện")
    assert mail.message["Bcc"] is None
    assert all(byte < 128 for byte in mail.content)


def test_f60_a_broken_registry_leaves_the_watch_with_the_policy_it_had(
    tmp_path: Path,
) -> None:
    settings = a_registry_folder(tmp_path)
    day = vietnamese_date(START)
    before = policy_of(in_force(settings).registry, "dong_thap", day)
    break_registry(settings)
    found = in_force(settings)
    after = policy_of(found.registry, "dong_thap", day)
    assert found.mistakes
    assert (after.servers, after.ladder, after.mutes) == (
        before.servers,
        before.ladder,
        before.mutes,
    )
    assert len(after.servers) > 1


def a_registry_folder(tmp_path: Path) -> Settings:
    settings = replace(
        settings_module.load({"KSC_LEDGER_HOME": str(tmp_path / "home")}),
        registry=tmp_path / "registry",
    )
    shutil.copytree(REPOSITORY / "scenarios" / "dong_thap" / "registry", settings.registry)
    return settings


def break_registry(settings: Settings, text: str = "server_code\n\x00,,") -> str:
    """Write nonsense into servers.csv; return what was there."""
    file = settings.registry / "dong_thap" / "servers.csv"
    before = file.read_text("utf-8")
    file.write_text(text, "utf-8")
    return before


def plain_text(mail: EmailMessage) -> str:
    """The text part in one line."""
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(str(body.get_content()).split())


def test_f60_a_broken_registry_is_told_to_the_engineers_once_when_it_changes_and_when_it_is_mended(
    tmp_path: Path, paper_house: House
) -> None:
    house = paper_house
    engineer = Contact(role="engineers", unit_code="dtp", name="Kỹ thuật", address=ENGINEER)
    house.directory = Directory(contacts=(engineer,), parents={"dtp": None})
    settings = a_registry_folder(tmp_path)

    def look(minutes: float) -> list[str]:
        house.clock.at += timedelta(minutes=minutes)
        minted = note_registry(house.engine, in_force(settings), LIVE, house.clock.at)
        house.deliver()
        return minted

    assert look(0) == []  # a registry that is right is no news
    good = break_registry(settings)
    (first,) = look(5)
    assert look(5) == look(24 * 60) == []  # the same mistakes are told once
    break_registry(settings, good.replace("province", "tinh", 1))
    (second,) = look(5)
    break_registry(settings, good.replace("district", "huyen", 1))
    assert look(59) == []  # whoever mends it saves it more than once
    (third,) = look(1)
    break_registry(settings, good)
    (fourth,) = look(5)
    assert look(5) == []
    assert len({first, second, third, fourth}) == 4
    prefix = "[KSC][DANH MỤC SAI] Tỉnh Đồng Tháp"
    assert house.office.subjects(ENGINEER) == [prefix] * 4
    assert house.office.subjects(OPS) == []
    mails = house.office.read_by(ENGINEER)
    assert len({mail["References"] for mail in mails}) == 1
    told = [plain_text(mail) for mail in mails]
    assert "dong_thap/servers.csv" in told[0]
    assert "tiếp tục làm việc theo phiên bản đúng gần nhất" in told[0]
    assert "nội dung lỗi đã thay đổi" in told[1]
    assert "«tinh» không phải là giá trị được phép" in told[1]
    assert "không còn lỗi" in told[3]
    break_registry(settings)
    (again,) = look(5)
    assert again != first  # another time, another thread
    assert house.office.read_by(ENGINEER)[-1]["References"] != mails[0]["References"]


def test_f60_of_two_processes_that_see_it_one_tells_it_and_a_replay_tells_nothing(
    tmp_path: Path, engine: Engine
) -> None:
    settings = a_registry_folder(tmp_path)
    in_force(settings)
    break_registry(settings)
    found = in_force(settings)
    assert len(note_registry(engine, found, LIVE, START)) == 1
    assert note_registry(engine, found, LIVE, START) == []
    good = InForce(found.registry, (), is_last_good=False)
    assert note_registry(engine, good, LIVE, START - TICK) == []  # a run of the past
    (mail,) = outbox.mails(engine)
    assert (mail.mail_kind, mail.recipient_role) == ("config_invalid", "engineers")


def test_f61_a_district_that_leaves_is_retired_and_one_that_comes_is_new(
    house: House, simulator: Simulator
) -> None:
    house.policy = replace(a_policy(districts=(A, B, C)), ladder=POLICY.ladder)
    house.watch()
    simulator.fault(A, "server_down")
    simulator.fault(B, "server_down")
    house.watch(4)
    told = len(house.office.received)
    assert told > 0
    house.policy = replace(a_policy(districts=(B, C, D)), ladder=POLICY.ladder)
    simulator.fault(D, "server_down")
    house.watch()
    (retired,) = (one for one in links.outages(house.engine) if one.server_code == A)
    assert retired.is_retired
    assert retired.ended_at == house.clock.at
    assert len(house.office.received) == told  # nobody hears that it is back
    assert not any(kind == "back" for kind, _ in house.kinds())
    assert house.shown()[D] is LinkState.NEW
    (going_on,) = (one for one in links.outages(house.engine) if one.server_code == B)
    assert going_on.ended_at is None


def test_f62_the_return_goes_to_those_who_were_told_though_the_list_was_edited(
    house: House, simulator: Simulator
) -> None:
    house.watch()
    simulator.fault(A, "server_down")
    house.watch(4)
    newcomer = Contact(role="ops_team", unit_code="tinh", name="Mới", address="moi@tinh.example")
    house.directory = replace(PEOPLE, contacts=(newcomer,))
    simulator.clear_faults()
    house.watch(3)
    back = [one for one in house.office.received if "KHÔI PHỤC" in str(one.message["Subject"])]
    assert {address for one in back for address in one.recipients} == {
        OPS,
        "truc@tinh.example",
        "a@huyen.example",
    }
    assert house.office.read_by("moi@tinh.example") == []
