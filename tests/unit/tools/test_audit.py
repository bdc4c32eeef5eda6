"""Known vulnerabilities are not passed over in silence, and a waiver has an end."""

from __future__ import annotations

import json
import stat
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tools import audit
from tools.audit import AuditError, Finding, Waiver

TODAY = date(2026, 11, 22)
FINDING = Finding(
    package="jinja2", version="3.1.0", id="PYSEC-2026-1", aliases=frozenset({"CVE-2026-9"})
)


def waiver(until: date, **changed: Any) -> Waiver:
    given = {"id": "PYSEC-2026-1", "package": "jinja2", "reason": "not reached", "written": TODAY}
    return Waiver(until=until, **(given | changed))


def test_what_is_found_and_not_waived_fails() -> None:
    assert audit.complaints([FINDING], [], TODAY) == [f"not waived: {FINDING}"]


@pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-9"])
def test_a_waiver_holds_on_its_last_day_under_any_name_of_the_finding(name: str) -> None:
    assert audit.complaints([FINDING], [waiver(TODAY, id=name)], TODAY) == []


def test_a_waiver_fails_on_the_day_after_its_last() -> None:
    (said,) = audit.complaints([FINDING], [waiver(TODAY - timedelta(days=1))], TODAY)
    assert said.startswith("its waiver ended on 2026-11-21")


def test_a_waiver_is_for_one_package() -> None:
    said = audit.complaints([FINDING], [waiver(TODAY, package="flask")], TODAY)
    assert len(said) == 2


def test_a_waiver_of_what_is_not_found_any_more_fails() -> None:
    (said,) = audit.complaints([], [waiver(TODAY)], TODAY)
    assert "remove it" in said


GOOD = """[[waiver]]
id = "PYSEC-2026-1"
package = "jinja2"
reason = "Our templates are files of ours."
written = 2026-11-22
until = 2027-03-22
"""


def test_a_whole_waiver_is_read() -> None:
    (found,) = audit.read_waivers(GOOD)
    assert (found.until - found.written).days == audit.LONGEST.days


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD.replace("2027-03-22", "2027-03-23"), id="a day too long"),
        pytest.param(GOOD.replace("2027-03-22", "2026-11-21"), id="ends before it begins"),
        pytest.param(GOOD.replace("2027-03-22", '"2027-03-22"'), id="a day as text"),
        pytest.param(GOOD.replace("2027-03-22", "2027-03-22T00:00:00Z"), id="an instant"),
        pytest.param(GOOD.replace('"Our templates are files of ours."', '" "'), id="no reason"),
        pytest.param(GOOD.replace("until = 2027-03-22", ""), id="no end"),
        pytest.param(GOOD + 'owner = "x"\n', id="a field too many"),
        pytest.param(GOOD + "=", id="no TOML"),
    ],
)
def test_a_waiver_that_is_not_whole_is_refused(text: str) -> None:
    with pytest.raises(AuditError):
        audit.read_waivers(text)


def test_the_waivers_of_the_repository_are_whole() -> None:
    """Whether they still hold today, `make audit` says."""
    audit.read_waivers(audit.WAIVERS.read_text("utf-8"))


REPORT = {
    "dependencies": [
        {"name": "flask", "version": "3.0.0", "vulns": []},
        {
            "name": "jinja2",
            "version": "3.1.0",
            "vulns": [{"id": "PYSEC-2026-1", "aliases": ["CVE-2026-9"], "fix_versions": ["3.1.1"]}],
        },
    ]
}
CLEAN = {"dependencies": [{"name": "flask", "version": "3.0.0", "vulns": []}]}
SKIPPED = {"dependencies": [{"name": "flask", "skip_reason": "not on PyPI"}]}


LOCK = "flask==3.0.0 \\\n    --hash=sha256:00\njinja2==3.1.0 ; python_version < '4' \\\n"
LISTED = '{"name": "flask", "version": "3.0.0"}, {"name": "jinja2", "version": "3.1.0"}'


def words_for(folder: Path, said: str, status: int = 0, listed: str = LISTED) -> list[str]:
    """The order of an audit whose programs are put in the place of the real ones."""
    programs = {
        "pip-audit": f"cat <<'END'\n{said}\nEND\necho 'ERROR: connection refused' >&2\nexit {status}",
        "cyclonedx-py": f"""while [ "$1" != --output-file ]; do shift; done
echo '{{"components": [{listed}]}}' > "$2\"""",
    }
    tools = folder / "bin"
    tools.mkdir()
    for name, body in programs.items():
        file = tools / name
        file.write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    (folder / "x.lock").write_text(LOCK, "utf-8")
    (folder / "waivers.toml").touch()
    return [
        *(str(folder / "x.lock"), "--tools", str(tools), "--sbom", str(folder / "out" / "s.json")),
        *("--waivers", str(folder / "waivers.toml")),
    ]


@pytest.mark.parametrize(
    ("said", "ended", "waivers", "status"),
    [
        pytest.param(json.dumps(CLEAN), 0, "", audit.CLEAN, id="nothing"),
        pytest.param(json.dumps(REPORT), 1, "", audit.FOUND, id="found"),
        pytest.param("", 1, "", audit.NOT_ASKED, id="no service"),
        pytest.param("", 0, "", audit.NOT_ASKED, id="no answer that looks like success"),
        pytest.param(json.dumps(CLEAN), 1, "", audit.NOT_ASKED, id="broken after a clean list"),
        pytest.param(json.dumps(SKIPPED), 0, "", audit.NOT_ASKED, id="a package not looked up"),
        pytest.param(json.dumps(CLEAN), 0, "=", audit.NOT_ASKED, id="waivers not read"),
    ],
)
def test_only_an_answer_about_every_package_is_an_audit(
    tmp_path: Path, said: str, ended: int, waivers: str, status: int
) -> None:
    words = words_for(tmp_path, said, ended)
    (tmp_path / "waivers.toml").write_text(waivers, "utf-8")
    assert audit.main(words) == status
    assert (tmp_path / "out" / "s.json").is_file()


def test_what_cannot_be_asked_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(words_for(tmp_path, "", 1)) == audit.NOT_ASKED
    assert "NOT AUDITED: the service could not be asked: ERROR: connection refused" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "listed",
    ["", LISTED + ', {"name": "other", "version": "1"}', LISTED.replace("3.1.0", "3.1.1")],
)
def test_a_list_that_is_not_the_lock_is_told(tmp_path: Path, listed: str) -> None:
    assert audit.main(words_for(tmp_path, json.dumps(CLEAN), 0, listed)) == audit.NOT_ASKED


def test_without_a_network_the_list_is_made_and_only_waivers_that_are_over_fail(
    tmp_path: Path,
) -> None:
    words = [*words_for(tmp_path, "", 1), "--without-network"]
    assert audit.main(words) == audit.CLEAN
    old = GOOD.replace("2026-11-22", "2020-01-01").replace("2027-03-22", "2020-02-01")
    (tmp_path / "waivers.toml").write_text(old, "utf-8")
    assert audit.main(words) == audit.FOUND
