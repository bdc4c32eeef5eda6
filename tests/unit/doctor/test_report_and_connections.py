"""What is said, by the exit status, on a terminal and to a program; and where connections come from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ksc_ledger import cli
from ksc_ledger.doctor import Check, Finding, Verdict, worst
from ksc_ledger.doctor.connections import ConnectionsFile, Kept
from ksc_ledger.doctor.findings import LABELS, failed, warned, well
from ksc_ledger.doctor.report import EXIT_STATUS, as_json, as_text
from ksc_ledger.errors import LedgerError
from unit.registry.registry_folder import write_registry

WELL = well(Check.DISK, "", "Còn trống 9 MB.")
WARN = warned(Check.CLOCK, "dtp", "clock_skewed", "Lệch 3 phút.", "Bật NTP.")
FAIL = failed(Check.LOGIN, "dtp", "login_refused", "Bị từ chối.", "Đổi mật khẩu.")


def test_every_check_has_a_label() -> None:
    assert set(LABELS) == set(Check)


@pytest.mark.parametrize(
    ("findings", "verdict", "status"),
    [
        ([], Verdict.OK, 0),
        ([WELL], Verdict.OK, 0),
        ([WELL, WARN], Verdict.WARN, 1),
        ([FAIL, WARN, WELL], Verdict.FAIL, 2),
    ],
)
def test_the_exit_status_is_that_of_the_worst(
    findings: list[Finding], verdict: Verdict, status: int
) -> None:
    assert worst(findings) is verdict
    assert EXIT_STATUS[worst(findings)] == status


def test_the_text_says_what_is_wrong_and_what_to_do() -> None:
    text = as_text([WELL, WARN, FAIL])
    assert "[LỖI] dtp: đăng nhập: Bị từ chối." in text
    assert "Cách khắc phục: Đổi mật khẩu." in text
    assert text.endswith("Đã xem 3 mục: 1 lỗi, 1 điều cần chú ý.")
    assert "[ĐẠT] chung: ổ đĩa." in text
    assert "[ĐẠT] ổ đĩa: Còn trống 9 MB." in as_text([WELL, FAIL], is_whole=True)
    assert as_text([WELL]).endswith("Đã xem 1 mục, không có gì phải sửa.")


def test_a_program_reads_the_same() -> None:
    said = json.loads(as_json([WELL, FAIL]))
    assert said["verdict"] == "fail"
    assert said["findings"][1] == {
        "check": "login",
        "subject": "dtp",
        "verdict": "fail",
        "code": "login_refused",
        "said": "Bị từ chối.",
        "remedy": "Đổi mật khẩu.",
    }


FIELDS = {
    "conn_type": "ksc",
    "host": "ksc.tinh.example",
    "port": "13299",
    "login": "doc",
    "password": "p",
    "extra": '{"certificate_sha256": "ab"}',
}
KEPT = Kept(
    conn_type="ksc",
    host="ksc.tinh.example",
    port=13299,
    login="doc",
    password="p",
    extra={"certificate_sha256": "ab"},
)


def test_connections_are_read_from_what_airflow_exports(tmp_path: Path) -> None:
    file = tmp_path / "connections.json"
    file.write_text(json.dumps({"ksc_dtp": FIELDS}), "utf-8")
    found = ConnectionsFile(file)
    assert (found.names(), found.get("ksc_dtp"), found.get("ksc_x")) == (["ksc_dtp"], KEPT, None)


def test_connections_are_read_from_a_folder_with_a_file_for_each(tmp_path: Path) -> None:
    fields = FIELDS | {"extra": {"certificate_sha256": "ab"}, "port": 13299}
    (tmp_path / "ksc_dtp.json").write_text(json.dumps(fields), "utf-8")
    found = ConnectionsFile(tmp_path)
    assert (found.names(), found.get("ksc_dtp")) == (["ksc_dtp"], KEPT)


@pytest.mark.parametrize(
    "content", ["not json", "[1]", '{"ksc_dtp": "uri"}', '{"ksc_dtp": {"extra": "no"}}']
)
def test_a_file_that_holds_no_connections_is_refused_without_repeating_it(
    content: str, tmp_path: Path
) -> None:
    file = tmp_path / "connections.json"
    file.write_text(content, "utf-8")
    with pytest.raises(LedgerError) as refused:
        ConnectionsFile(file).get("ksc_dtp")
    assert content not in str(refused.value)
    assert refused.value.remedy


def test_a_password_is_not_shown_with_the_rest() -> None:
    assert "'p'" not in repr(KEPT)


def test_the_command_says_it_all_and_ends_with_the_worst(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o750)
    registry = write_registry(tmp_path / "registry")
    monkeypatch.setenv("KSC_LEDGER_HOME", str(home))
    monkeypatch.setenv("KSC_LEDGER_REGISTRY", str(registry))
    connections = tmp_path / "connections.json"
    connections.write_text("{}", "utf-8")
    assert cli.main(["doctor", "--connections", str(connections), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    codes = {(one["subject"], one["code"]) for one in said["findings"]}
    assert {("dtp", "connection_missing"), ("smtp_alerts", "relay_missing")} <= codes
    assert cli.main(["doctor", "--connections", str(connections), "--server", "nowhere"]) == 2
    assert "Danh mục không có máy chủ nowhere" in capsys.readouterr().err
    assert list(home.iterdir()) == []  # nothing is made by looking
