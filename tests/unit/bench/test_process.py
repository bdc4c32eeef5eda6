"""A case runs alone, sees nothing of this shell, and is taken in turn with the others."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest
from bench import process
from bench.meter import RESULT, Meter, peak_mb
from bench.process import Case, CaseFailed, Reading, environment, in_turn, run_case


def test_authorities_proxies_and_our_settings_do_not_reach_a_case(tmp_path: Path) -> None:
    given = {
        "REQUESTS_CA_BUNDLE": "/etc/other.pem",
        "CURL_CA_BUNDLE": "/etc/other.pem",
        "SSL_CERT_FILE": "/etc/other.pem",
        "https_proxy": "http://proxy.example:3128",
        "KSC_LEDGER_HOME": "/srv/ledger",
        "AIRFLOW_HOME": "/srv/airflow",
        "PYTHONPATH": "/somewhere",
        "PATH": "/usr/bin",
    }
    seen = environment(tmp_path, given)
    assert seen["PATH"] == "/usr/bin"
    assert seen["HOME"] == str(tmp_path)
    assert seen["RUNTIME__DLTHUB_TELEMETRY"] == "false"
    assert not seen.keys() & (given.keys() - {"PATH"})


def test_a_meter_adds_up_its_steps_and_reports_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RESULT, str(tmp_path / "reading.json"))
    spent = iter([0.5, 1.0, 3.0, 10.0, 10.25, 20.0])
    monkeypatch.setattr("bench.meter.cpu_seconds", lambda: next(spent))
    meter = Meter()
    meter.imports_done()
    for _ in range(2):
        with meter.step("work"):
            pass
    meter.report(rows=3)
    import json

    reading = Reading.of(json.loads((tmp_path / "reading.json").read_text("utf-8")))
    assert reading.cpu == {"imports": 0.5, "work": 2.25}
    assert reading.process_cpu == 20.0
    assert reading.facts == {"rows": 3}
    assert reading.peak_mb >= reading.base_mb > 0


def test_the_peak_is_what_the_kernel_says_in_mebibytes() -> None:
    assert peak_mb("Name:\tx\nVmPeak:\t9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t1 kB\n") == 2.0
    with pytest.raises(LookupError):
        peak_mb("VmRSS:\t1 kB\n")


@pytest.fixture
def a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which ``python -m one_case ORDER`` does what the order says."""
    (tmp_path / "one_case.py").write_text(
        """
import json, os, pathlib, sys
asked = json.loads(sys.argv[1])
if asked.get("fails"):
    sys.exit("it broke")
pathlib.Path(asked["home"], "left_over").write_text("x")
if not asked.get("is_silent"):
    reading = {"steps": {"work": {"cpu": asked["cpu"], "wall": 0}}, "base_mb": 1, "peak_mb": 2,
               "process_cpu": 3, "facts": {"home": asked["home"], "cwd": os.getcwd()}}
    pathlib.Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(reading))
""",
        "utf-8",
    )
    monkeypatch.setattr(process, "ROOT", tmp_path)
    return tmp_path


def test_a_turn_gives_its_reading_and_leaves_nothing_behind(a_case: Path) -> None:
    reading = run_case(Case("x", "one_case", {"cpu": 1.5}), a_case / "work")
    assert reading.cpu == {"work": 1.5}
    assert not Path(reading.facts["home"]).exists()
    assert list((a_case / "work").iterdir()) == []


@pytest.mark.parametrize("order", [{"fails": True}, {"is_silent": True}])
def test_a_case_that_fails_or_says_nothing_is_told(a_case: Path, order: dict[str, object]) -> None:
    with pytest.raises(CaseFailed, match="x ended with status"):
        run_case(Case("x", "one_case", order), a_case / "work")


def test_cases_take_turns_and_a_failed_one_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[str] = []

    def run(case: Case, work: Path, **_: object) -> Reading:
        seen.append(case.name)
        if case.name == "broken":
            raise CaseFailed("broken ended with status 1")
        return Reading({"work": float(len(seen))}, {}, 0, 0, 0, {})

    monkeypatch.setattr(process, "run_case", run)
    cases = [Case("a", "m"), Case("broken", "m"), Case("once", "m", reps=1), Case("b", "m")]
    found = in_turn(cases, 3, tmp_path, lambda text: None)
    assert seen == ["a", "broken", "once", "b", "a", "b", "a", "b"]
    assert [len(found[case.name].turns) for case in cases] == [3, 0, 1, 3]
    assert found["broken"].failure == "broken ended with status 1"
    assert found["a"].failure is None


def test_a_case_is_run_by_its_own_interpreter(a_case: Path) -> None:
    missing = Case("x", "one_case", {"cpu": 1}, python=a_case / "no-python")
    with pytest.raises(FileNotFoundError):
        run_case(missing, a_case / "work")
    assert Case("x", "y").python == Path(sys.executable)
    assert isinstance(os.environ, types.MappingProxyType | os._Environ)
