"""What operators do by hand: through the typed functions and through the command line, audited."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from ksc_ledger import settings as settings_module
from ksc_ledger.alerts import operating
from ksc_ledger.alerts.policy import policy_of
from ksc_ledger.alerts.watch import run_tick
from ksc_ledger.cli import main
from ksc_ledger.clock import vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import Registry, load
from ksc_ledger.rules.links_evidence import Knock, ProvinceWord, ServerEvidence, Tick
from ksc_ledger.rules.links_model import LinkState, MuteKind
from ksc_ledger.settings import Settings
from ksc_ledger.state import audit, leases, links, open_state, outbox
from ksc_ledger.state.audit import Action
from unit.alerts.mails import LIVE
from unit.registry.registry_folder import LETTER, write_registry

A = "dtp_872"
STEPS = (
    "notice_kind,step,role,after,after_unit,window,valid_from_date,valid_to_date,source_document\n"
    f"lost,1,ops_team,0,hour,any,2022-09-01,,{LETTER}\n"
)
SILENCES = (
    "server_code,from_at,to_at,owner,reason,source_document\n"
    f"dtp_872,2024-01-09T09:00:00+07:00,2024-01-09T10:00:00+07:00,Sở TTTT,Đấu nối,{LETTER}\n"
)
# 09:00 in Vietnam, a Tuesday.
START = datetime(2024, 1, 9, 2, tzinfo=UTC)
HOUR, TICK = timedelta(hours=1), timedelta(minutes=5)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = write_registry(tmp_path / "registry", {"notice_steps.csv": STEPS})
    home = tmp_path / "home"
    home.mkdir()
    return settings_module.load({"KSC_LEDGER_HOME": str(home), "KSC_LEDGER_REGISTRY": str(folder)})


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return load(settings.registry)


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    engine = open_state(settings.state_url)
    yield engine
    engine.dispose()


def tick(engine: Engine, registry: Registry, at: datetime, *, is_cut: bool) -> None:
    policy = policy_of(registry, "dong_thap", vietnamese_date(at))
    word = ProvinceWord(is_active=not is_cut, read_at=at)
    seen = {
        "dtp": ServerEvidence(knock=Knock.OK),
        A: ServerEvidence(knock=Knock.OK, province_word=word),
    }
    lease = leases.acquire(engine, "watch:dong_thap", "test", 240, at)
    assert lease is not None
    run_tick(engine, lease, Tick(at=at, evidence=seen, is_way_out_open=True), policy, LIVE, at)
    leases.release(engine, lease)


def cut(engine: Engine, registry: Registry, at: datetime = START, ticks: int = 5) -> None:
    tick(engine, registry, at - TICK, is_cut=False)
    for number in range(ticks):
        tick(engine, registry, at + number * TICK, is_cut=True)


def kinds(engine: Engine) -> list[str]:
    return [one.mail_kind for one in outbox.mails(engine) if one.mail_kind != "self_test"]


def test_a_silence_of_the_registry_holds_the_mail_until_it_ends(
    settings: Settings, engine: Engine
) -> None:
    write_registry(settings.registry, {"notice_steps.csv": STEPS, "silences.csv": SILENCES})
    registry = load(settings.registry)
    cut(engine, registry, ticks=12)
    assert len(links.outages(engine)) == 1
    assert kinds(engine) == []
    (row,) = [one for one in operating.link_rows(engine, registry, START) if one.quiet]
    assert (row.server_code, row.quiet[0].kind) == (A, MuteKind.SILENCE)
    assert row.quiet[0].silence_id is None
    tick(engine, registry, START + HOUR, is_cut=True)
    assert kinds(engine) == ["lost"]


def test_an_outage_is_taken_on_by_its_server_and_the_deed_is_audited(
    engine: Engine, registry: Registry
) -> None:
    cut(engine, registry)
    now = START + 30 * timedelta(minutes=1)
    incident_id = operating.acknowledge(
        engine, A, until_at=now + 8 * HOUR, actor="Trực ca 1", note="đang xử lý", now=now
    )
    (row,) = [one for one in operating.link_rows(engine, registry, now) if one.incident_id]
    assert (row.incident_id, row.state) == (incident_id, LinkState.DOWN)
    assert row.acknowledged_until == now + 8 * HOUR
    (deed,) = audit.deeds(engine)
    assert deed == audit.Deed(
        made_at=now,
        actor="Trực ca 1",
        action=Action.ACKNOWLEDGED,
        subject=incident_id,
        details={
            "server_code": A,
            "until_at": (now + 8 * HOUR).isoformat(),
            "note": "đang xử lý",
        },
    )
    tick(engine, registry, START + 5 * HOUR, is_cut=True)  # the reminder of four hours is held
    assert kinds(engine) == ["lost"]


def test_what_is_not_lost_cannot_be_taken_on_and_leaves_no_trace(
    engine: Engine, registry: Registry
) -> None:
    tick(engine, registry, START, is_cut=False)
    with pytest.raises(LedgerError) as raised:
        operating.acknowledge(engine, A, until_at=START + HOUR, actor="a", note="", now=START)
    assert raised.value.code == "outage_unknown"
    assert audit.deeds(engine) == []


def test_a_silence_is_made_and_ended_by_hand_and_both_are_audited(
    engine: Engine, registry: Registry
) -> None:
    made = operating.silence(
        engine,
        registry,
        A,
        from_at=START,
        to_at=START + 8 * HOUR,
        owner="Phòng VHTT",
        reason="chuyển trụ sở",
        actor="Trực ca 1",
        now=START,
    )
    cut(engine, registry, START + TICK)
    assert kinds(engine) == []
    now = START + 6 * TICK
    assert operating.end_silence(engine, made, actor="Trực ca 2", now=now) == A
    tick(engine, registry, now, is_cut=True)
    assert kinds(engine) == ["lost"]
    first, second = audit.deeds(engine)
    assert (first.action, first.actor, first.subject) == (Action.SILENCED, "Trực ca 1", A)
    assert (first.details["owner"], first.details["reason"]) == ("Phòng VHTT", "chuyển trụ sở")
    assert (second.action, second.actor) == (Action.SILENCE_ENDED, "Trực ca 2")
    assert first.details["silence_id"] == second.details["silence_id"] == made
    with pytest.raises(LedgerError) as raised:
        operating.end_silence(engine, made, actor="Trực ca 2", now=now)
    assert raised.value.code == "silence_unknown"


@pytest.mark.parametrize(
    ("server_code", "hours", "reason", "code"),
    [
        ("dtp_999", 1, "vì", "server_unknown"),
        (A, 1, " ", "silence_incomplete"),
        (A, 0, "vì", "silence_incomplete"),
        (A, 92 * 24, "vì", None),
        (A, 92 * 24 + 1, "vì", "silence_period_refused"),
    ],
)
def test_a_silence_needs_a_known_server_a_reason_and_a_near_end(
    engine: Engine,
    registry: Registry,
    server_code: str,
    hours: int,
    reason: str,
    code: str | None,
) -> None:
    def make() -> None:
        operating.silence(
            engine,
            registry,
            server_code,
            from_at=START,
            to_at=START + hours * HOUR,
            owner="Phòng VHTT",
            reason=reason,
            actor="a",
            now=START,
        )

    if code is None:
        make()
        return
    with pytest.raises(LedgerError) as raised:
        make()
    assert raised.value.code == code
    assert audit.deeds(engine) == []


# The command line


@pytest.fixture
def shell(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("KSC_LEDGER_HOME", str(settings.home))
    monkeypatch.setenv("KSC_LEDGER_REGISTRY", str(settings.registry))
    return settings


def test_the_command_line_lists_takes_on_silences_and_ends_the_silence(
    shell: Settings,
    engine: Engine,
    registry: Registry,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cut(engine, registry, datetime.now(UTC) - HOUR)
    assert main(["links", "list"]) == 0
    said = capsys.readouterr().out
    assert f"{A}  Huyện Tháp Mười: mất kết nối từ" in said
    assert "nhận định: đứt kết nối về tỉnh" in said
    assert main(["links", "ack", A, "--hours", "2", "--note", "đang đi", "--by", "Trực ca"]) == 0
    assert "Đã tiếp nhận sự cố" in capsys.readouterr().out
    words = ["links", "silence", A, "--hours", "3", "--reason", "chờ vật tư", "--by", "Trực ca"]
    assert main(words) == 0
    made = capsys.readouterr().out.rsplit("mã ", 1)[1].strip().rstrip(".")
    assert main(["links", "list"]) == 0
    said = capsys.readouterr().out
    assert "đã tiếp nhận đến" in said
    assert f"(mã {made})" in said
    assert main(["links", "unsilence", made, "--by", "Trực ca"]) == 0
    assert main(["links", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert [row["server_code"] for row in rows] == ["dtp", A]
    assert rows[1]["quiet"] == []
    assert {deed.actor for deed in audit.deeds(engine)} == {"Trực ca"}
    assert [deed.action for deed in audit.deeds(engine)] == [
        Action.ACKNOWLEDGED,
        Action.SILENCED,
        Action.SILENCE_ENDED,
    ]


def test_the_command_line_says_what_is_wrong_and_how_to_mend_it(
    shell: Settings, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["links", "ack", A, "--hours", "2"]) == 2
    assert "Cách khắc phục" in capsys.readouterr().err
    assert main(["links", "silence", A, "--until", "mai", "--reason", "vì"]) == 2
    assert "2024-01-10T17:00" in capsys.readouterr().err
    assert main(["links", "unsilence", "không-có"]) == 2
    with pytest.raises(SystemExit):
        main(["links", "silence", A, "--hours", "1"])  # without a reason
    with pytest.raises(SystemExit):
        main(["links", "ack", A, "--hours", "2209"])
