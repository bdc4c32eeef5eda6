"""The doctor before a real (simulated) estate: well, and with what newcomers get wrong."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from contract.provinces import PROVINCE, district
from contract.strangers import no_names
from integration.clinic import AT, DISTRICTS, FAULTS, Clinic, Fault, a_clinic
from ksc_ledger.doctor import Check, Finding, Verdict, worst
from ksc_ledger.registry import in_force
from ksc_ledger.state import accounts, open_state

TEN = 10
# Of the simulated estate there is no relay to be tried; mail has tests of its own.
OF_NO_MATTER = {"relay_missing", "watchdog_without_relay"}
BEFORE_THE_FIRST_RUN = {"state_missing", "warehouse_missing", "not_published"}


def complaints(findings: list[Finding], *, ran_before: bool = False) -> list[Finding]:
    expected = OF_NO_MATTER if ran_before else OF_NO_MATTER | BEFORE_THE_FIRST_RUN
    return [one for one in findings if one.verdict is not Verdict.OK and one.code not in expected]


def drawn(seed: int) -> dict[str, Fault]:
    """Ten different faults, each for a district, in the order in which they are to be injected."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable order, no secret
    faults = chance.sample(FAULTS, TEN)
    places = chance.sample([district(number) for number in range(1, DISTRICTS + 1)], TEN)
    return dict(zip(places, faults, strict=True))


def test_an_estate_that_is_well_yields_no_complaint(tmp_path: Path) -> None:
    with a_clinic(tmp_path, districts=2) as clinic:
        clinic.way.collect_and_publish(AT)
        seen = len(clinic.simulator.log()[PROVINCE])
        findings = clinic.examine()
        assert complaints(findings, ran_before=True) == []
        looked = {(one.check, one.subject) for one in findings}
        for code in (PROVINCE, district(1), district(2)):
            for check in (
                Check.NAME,
                Check.ROAD,
                Check.CERTIFICATE,
                Check.LOGIN,
                Check.PRODUCT,
                Check.CLOCK,
                Check.RIGHTS,
                Check.UNITS,
            ):
                assert (check, code) in looked
        methods = [request["method"] for request in clinic.simulator.log()[PROVINCE][seen:]]
        assert methods.count("Session.StartSession") == 1
        assert methods[-1] == "Session.EndSession"


SEEDS = [pytest.param(1), *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 13))]


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_faults_in_random_order_each_get_their_diagnosis_and_remedy(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = drawn(seed)
    versions = {code: one.version for code, one in faults.items() if one.version}
    with no_names(monkeypatch, of=".example"), a_clinic(tmp_path, versions=versions) as clinic:
        for code, fault in faults.items():
            fault.inject(clinic, code)
        found = complaints(clinic.examine())
        for code, fault in faults.items():
            (said, *rest) = [one for one in found if one.subject == code]
            assert said.code == fault.code, fault.name
            assert fault.remedy in said.remedy, fault.name
            assert clinic.connections.get(f"ksc_{code}", {}).get("password", "-") not in said.said
            assert {one.code for one in rest} <= set(fault.also), fault.name
        others = {one.code for one in found if one.subject not in faults}
        assert others <= {code for fault in faults.values() for code in fault.also}
        assert max(clinic.logins().values()) == 1
        assert worst(found) is Verdict.FAIL


def test_every_fault_can_be_drawn() -> None:
    names = {fault.name for seed in range(1, 13) for fault in drawn(seed).values()}
    assert names == {fault.name for fault in FAULTS}


def test_a_refused_account_is_held_and_never_tried_again(tmp_path: Path) -> None:
    with a_clinic(tmp_path, districts=2) as clinic:
        bad, other = district(1), district(2)
        clinic.connections[f"ksc_{bad}"]["password"] = "sai-mat-khau"
        clinic.simulator.fault(other, "second_factor")
        first = {one.subject: one.code for one in complaints(clinic.examine(server_code=bad))}
        assert first == {bad: "login_refused"}
        assert codes_of(clinic, server_code=other) == {other: "second_factor"}
        for code in (bad, other):
            held = codes_of(clinic, server_code=code)
            assert held == {code: "account_held"}
            assert clinic.logins()[code] == 1
        engine = open_state(clinic.settings.state_url)
        kept = {one.server_code: one for one in accounts.held(engine)}
        engine.dispose()
        assert set(kept) == {bad, other}
        assert "sai-mat-khau" not in kept[bad].reason
        # Another password is another account.
        clinic.connections[f"ksc_{bad}"]["password"] = clinic.simulator.password(bad)
        assert codes_of(clinic, server_code=bad) == {}
        assert clinic.logins()[bad] == 2


def codes_of(clinic: Clinic, server_code: str) -> dict[str, str]:
    found = complaints(clinic.examine(server_code=server_code))
    return {one.subject: one.code for one in found}


@pytest.mark.parametrize("kind", ["busy", "server_error", "session_lost"])
def test_what_fails_is_not_tried_a_second_time(kind: str, tmp_path: Path) -> None:
    with a_clinic(tmp_path, districts=1) as clinic:
        clinic.simulator.fault(district(1), kind, "0" if kind == "session_lost" else None)
        (said,) = complaints(clinic.examine(server_code=district(1)))
        assert said.verdict is Verdict.FAIL
        assert clinic.logins()[district(1)] == 1


def test_while_it_is_not_known_which_accounts_are_held_none_is_tried(tmp_path: Path) -> None:
    with a_clinic(tmp_path, districts=1) as clinic:
        file = clinic.settings.places.state_database
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("this is no database", "utf-8")
        found = codes_of(clinic, server_code=district(1))
        assert found == {district(1): "login_not_tried", "": "state_unreachable"}
        assert clinic.logins().get(district(1), 0) == 0


def test_when_all_servers_are_wrong_by_the_same_it_is_our_own_clock(tmp_path: Path) -> None:
    with a_clinic(tmp_path, districts=2) as clinic:
        for code in (PROVINCE, district(1), district(2)):
            clinic.simulator.fault(code, "clock_skew", -900)
        (said,) = [one for one in complaints(clinic.examine()) if one.check is Check.CLOCK]
        assert (said.code, said.subject) == ("own_clock", "")
        assert "chậm 15 phút" in said.said


def test_a_wrong_registry_is_told_and_the_last_good_one_is_used(tmp_path: Path) -> None:
    with a_clinic(tmp_path, districts=1) as clinic:
        in_force(clinic.settings)  # so that there is a last good one
        clinic.change_rows("servers", lambda row: {**row, "unit_code": "khong_co"})
        found = complaints(clinic.examine())
        assert [one.code for one in found] == ["registry_wrong"]
        assert "registry check" in found[0].remedy
