from __future__ import annotations

from datetime import timedelta

import pytest

from ksc_ledger.rules.links_evidence import (
    Cause,
    Judgement,
    Knock,
    ProvinceWord,
    ServerEvidence,
    Tick,
    Verdict,
    judge,
)
from unit.alerts.estates import MINUTE, PROVINCE, START, servers

A = "huyen_a"
MAX_AGE = 35 * MINUTE


def judged(
    knock: Knock,
    is_active: bool | None,
    *,
    province: Knock = Knock.OK,
    word_age: timedelta = timedelta(),
    is_way_out_open: bool | None = True,
) -> Judgement:
    word = (
        None if is_active is None else ProvinceWord(is_active=is_active, read_at=START - word_age)
    )
    tick = Tick(
        at=START,
        evidence={
            PROVINCE: ServerEvidence(knock=province),
            A: ServerEvidence(knock=knock, province_word=word),
        },
        is_way_out_open=is_way_out_open,
    )
    return judge(tick, servers(A), word_max_age=MAX_AGE)[A]


UNREACHABLE = [Knock.REFUSED, Knock.TIMEOUT, Knock.DNS, Knock.PROTOCOL]


@pytest.mark.parametrize("knock", UNREACHABLE)
def test_the_two_witnesses_agree_on_a_dead_server_and_differ_on_our_path(knock: Knock) -> None:
    """F01, F03: what we cannot reach is lost only when the province has lost it as well."""
    lost, ours = judged(knock, False), judged(knock, True)
    assert (lost.verdict, lost.cause) == (Verdict.LOST, Cause.SERVER)
    assert (ours.verdict, ours.trouble) == (Verdict.DEGRADED, Cause.PATH)


@pytest.mark.parametrize("knock", [Knock.OK, Knock.CERTIFICATE, Knock.CREDENTIALS, Knock.NOT_TRIED])
def test_a_server_that_answers_and_is_lost_to_the_province_has_its_link_cut(knock: Knock) -> None:
    judgement = judged(knock, False)
    assert (judgement.verdict, judgement.cause) == (Verdict.LOST, Cause.LINK)


@pytest.mark.parametrize(
    ("knock", "trouble"),
    [(Knock.CERTIFICATE, Cause.CERTIFICATE), (Knock.CREDENTIALS, Cause.CREDENTIALS)],
)
def test_certificate_and_credentials_are_never_a_loss(knock: Knock, trouble: Cause) -> None:
    assert judged(knock, True).verdict is Verdict.DEGRADED
    assert judged(knock, True).trouble is trouble
    assert judged(knock, None).verdict is Verdict.NO_EVIDENCE
    province = judge(
        Tick(at=START, evidence={PROVINCE: ServerEvidence(knock=knock)}, is_way_out_open=True),
        servers(),
        word_max_age=MAX_AGE,
    )[PROVINCE]
    assert (province.verdict, province.trouble) == (Verdict.DEGRADED, trouble)


@pytest.mark.parametrize("knock", list(Knock))
def test_without_a_word_of_the_province_nothing_is_lost(knock: Knock) -> None:
    assert judged(knock, None).verdict is Verdict.NO_EVIDENCE


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (0 * MINUTE, Verdict.OK),
        (35 * MINUTE, Verdict.OK),
        (35.01 * MINUTE, Verdict.NO_EVIDENCE),
    ],
)
def test_a_word_is_carried_on_only_so_long_and_only_while_the_console_answers(
    age: timedelta, verdict: Verdict
) -> None:
    assert judged(Knock.OK, True, word_age=age).verdict is verdict
    if age:
        assert judged(Knock.TIMEOUT, True, word_age=age).verdict is Verdict.NO_EVIDENCE


@pytest.mark.parametrize("knock", [Knock.OK, Knock.TIMEOUT])
def test_an_old_word_never_counts_against_a_district(knock: Knock) -> None:
    assert judged(knock, False, word_age=5 * MINUTE).verdict is Verdict.NO_EVIDENCE


@pytest.mark.parametrize("knock", UNREACHABLE)
def test_a_province_out_of_reach_is_down_when_our_way_out_is_open(knock: Knock) -> None:
    tick = Tick(at=START, evidence={PROVINCE: ServerEvidence(knock=knock)}, is_way_out_open=True)
    judgement = judge(tick, servers(A), word_max_age=MAX_AGE)
    assert judgement[PROVINCE].verdict is Verdict.LOST
    assert judgement[PROVINCE].cause is Cause.PROVINCE
    assert judgement[A].verdict is Verdict.NO_EVIDENCE
    assert judgement[A].cause is Cause.PROVINCE


def test_with_our_way_out_closed_nothing_is_evidence() -> None:
    judgement = judged(Knock.OK, False, is_way_out_open=False)
    assert (judgement.verdict, judgement.cause) == (Verdict.NO_EVIDENCE, Cause.COLLECTOR)
    assert not judgement.is_trouble_known


@pytest.mark.parametrize(
    ("districts", "failed", "is_blind"),
    [
        (12, 5, False),
        (12, 6, True),
        (4, 2, False),
        (4, 3, True),
        (2, 1, False),
        (2, 2, True),
        (1, 0, False),
        (1, 1, True),
    ],
)
def test_without_a_canary_province_and_many_districts_out_of_reach_is_our_blindness(
    districts: int, failed: int, is_blind: bool
) -> None:
    codes = [f"huyen_{number}" for number in range(districts)]
    evidence = {
        code: ServerEvidence(knock=Knock.TIMEOUT if number < failed else Knock.OK)
        for number, code in enumerate(codes)
    }
    evidence[PROVINCE] = ServerEvidence(knock=Knock.TIMEOUT)
    judgement = judge(Tick(at=START, evidence=evidence), servers(*codes), word_max_age=MAX_AGE)
    assert (judgement[PROVINCE].verdict is Verdict.NO_EVIDENCE) is is_blind


def test_without_a_canary_an_answering_province_proves_that_we_can_see() -> None:
    codes = ("huyen_a", "huyen_b", "huyen_c")
    evidence = {
        code: ServerEvidence(
            knock=Knock.TIMEOUT, province_word=ProvinceWord(is_active=False, read_at=START)
        )
        for code in codes
    }
    evidence[PROVINCE] = ServerEvidence(knock=Knock.OK)
    judgement = judge(Tick(at=START, evidence=evidence), servers(*codes), word_max_age=MAX_AGE)
    assert {judgement[code].verdict for code in codes} == {Verdict.LOST}
