"""The connection form's "Test": what an operator reads, success and each kind of failure."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from ksc_ledger import settings as settings_module
from ksc_ledger.state import accounts, open_state
from unit.sources.scripted import (
    PASSWORD,
    Answering,
    Identity,
    Scripted,
    ScriptedKsc,
    hang_up,
    make_identity,
    ok,
    reply,
)

pytestmark = pytest.mark.airflow

LOGIN = "Session.StartSession"
INFO = "HostGroup.GetStaticInfo"
Hook = Callable[..., Any]


@pytest.fixture(scope="module")
def hook_module(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
        warnings.simplefilter("ignore")  # Airflow's own, at import
        from ksc_ledger.orchestration import hook

        return hook


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return make_identity(tmp_path_factory.mktemp("identity"), "server")


@pytest.fixture
def server(identity: Identity) -> Iterator[ScriptedKsc]:
    with ScriptedKsc(identity) as running:
        yield running


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Made once: most of the time goes into the operational database."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KSC_LEDGER_HOME", str(home))
        engine = open_state(settings_module.load().state_url)
        yield engine
        engine.dispose()


@pytest.fixture
def hook_of(
    hook_module: Any, server: ScriptedKsc, state: Engine, monkeypatch: pytest.MonkeyPatch
) -> Hook:
    """The hook of a connection to the server, some of whose fields are changed."""
    from airflow.sdk import Connection

    for held in accounts.held(state):
        accounts.resume(state, held.server_code)

    def make(conn_id: str = "ksc_dtp_872", **changes: Any) -> Any:
        extra = {"certificate_sha256": server.identity.sha256} | changes.pop("extra", {})
        facts = {
            "host": "127.0.0.1",
            "port": server.port,
            "login": "etl-reader",
            "password": PASSWORD,
            **changes,
        }
        connection = Connection(conn_id=conn_id, conn_type="ksc", extra=json.dumps(extra), **facts)
        monkeypatch.setattr(
            hook_module.KscHook, "get_connection", classmethod(lambda cls, _: connection)
        )
        return hook_module.KscHook(conn_id)

    return make


def test_a_good_connection_says_the_servers_version(hook_of: Hook, server: ScriptedKsc) -> None:
    assert hook_of().test_connection() == (
        True,
        "Đã đăng nhập; máy chủ chạy phiên bản 14.2.0.26967.",
    )
    assert server.methods() == [LOGIN, INFO, "Session.EndSession"]


def test_a_server_that_hides_its_version_is_good_all_the_same(
    hook_of: Hook, server: ScriptedKsc
) -> None:
    server.on = {INFO: lambda _: ok({"PxgRetVal": {}})}
    assert hook_of().test_connection() == (True, "Đã đăng nhập; máy chủ chạy phiên bản không rõ.")


@pytest.mark.parametrize(
    ("on", "says"),
    [
        ({LOGIN: lambda _: reply(401)}, "từ chối tài khoản thu thập (HTTP 401)"),
        (
            {LOGIN: lambda _: reply(401, WWW_Authenticate="KSCMFA", X_KSC_Session="abc")},
            "đòi mã xác thực hai bước",
        ),
        ({LOGIN: lambda _: ok(b"<html>Sign in</html>")}, "một trang HTML"),
        ({LOGIN: lambda _: reply(307, Location="https://127.0.0.1:9/")}, "bằng HTTP 307"),
        ({LOGIN: hang_up}, "ngắt kết nối trước khi trả lời"),
        ({INFO: lambda _: reply(403)}, "không cho gọi HostGroup.GetStaticInfo (HTTP 403)"),
        ({INFO: lambda _: reply(503, Retry_After="9999")}, "bận hoặc lỗi"),
        (
            {INFO: lambda _: ok({"PxgError": {"code": 5, "module": "KLSTD", "message": "No"}})},
            "báo lỗi KLSTD 5",
        ),
        ({INFO: lambda _: ok(b"{")}, "không phải JSON hợp lệ"),
    ],
    ids=["401", "mfa", "html", "redirect", "reset", "403", "busy", "business", "cut"],
)
def test_each_failure_says_what_it_is_and_what_to_do(
    hook_of: Hook, server: ScriptedKsc, on: dict[str, Answering], says: str
) -> None:
    server.on = on
    is_good, text = hook_of().test_connection()
    assert is_good is False
    assert says in text
    assert "dtp_872 (127.0.0.1:" in text  # which server
    assert text.count(". ") >= 1  # and a remedy after it
    # An account is locked by wrong passwords: never two attempts for one click.
    assert server.asked(LOGIN) <= 2 if INFO in on else server.asked(LOGIN) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"port": 1}, "không nhận kết nối"),
        ({"extra": {"certificate_sha256": "ab" * 32}}, "không phải chứng thư đã biết"),
        ({"extra": {"certificate_sha256": ""}}, "chưa có cách nhận biết máy chủ"),
        ({"extra": {"certificate_sha256": "abc"}}, "vân tay chứng thư không hợp lệ"),
        ({"extra": {"certificate_sha256": "", "ca_file": "/khong/co.cer"}}, "Không đọc được tệp"),
        ({"password": None}, "chưa đủ địa chỉ, tài khoản và mật khẩu"),
        ({"login": None}, "chưa đủ địa chỉ, tài khoản và mật khẩu"),
        ({"host": None}, "chưa đủ địa chỉ, tài khoản và mật khẩu"),
        ({"host": "https://127.0.0.1/"}, "không kèm https://"),
        ({"extra": {"domain": "a b"}}, "tên miền Windows không hợp lệ"),
    ],
    ids=str,
)
def test_a_form_filled_in_wrongly_says_which_field(
    hook_of: Hook, server: ScriptedKsc, changes: dict[str, Any], says: str
) -> None:
    is_good, text = hook_of(**changes).test_connection()
    assert (is_good, says in text) == (False, True), text
    assert server.requests == []


def test_a_form_not_saved_yet_is_not_told_of_a_connection_it_does_not_have(
    hook_of: Hook, server: ScriptedKsc, state: Engine
) -> None:
    server.on = {LOGIN: lambda _: reply(401)}
    _, saved = hook_of("ksc_dtp_872").test_connection()
    accounts.resume(state, "dtp_872")
    _, unsaved = hook_of("aB3xYz").test_connection()
    assert "kết nối ksc_dtp_872" in saved
    assert "kết nối này" in unsaved
    assert "ksc_ksc" not in unsaved


def test_a_refused_account_is_not_tried_again_by_another_press(
    hook_of: Hook, server: ScriptedKsc
) -> None:
    """Three wrong passwords lock an account: the first one is the last."""
    server.on = {LOGIN: lambda _: reply(401)}
    _, first = hook_of("aB3xYz").test_connection()
    _, second = hook_of("zY8wVu").test_connection()
    assert server.asked(LOGIN) == 1
    assert "từ chối tài khoản thu thập (HTTP 401)" in first
    assert "đã bị máy chủ 127.0.0.1:" in second
    assert "accounts resume form_" in second
    server.on = {}
    is_good, _ = hook_of("aB3xYz", password="the right one").test_connection()
    assert server.asked(LOGIN) == 2
    assert is_good


def test_what_collecting_was_refused_is_not_tried_from_the_form(
    hook_of: Hook, server: ScriptedKsc, state: Engine
) -> None:
    """Only for the same account of the same server; a released one is tried again."""
    endpoint = hook_of("ksc_dtp_872").endpoint()
    accounts.hold(state, "dtp_872", endpoint.fingerprint, "sai mật khẩu", datetime.now(UTC))
    is_good, text = hook_of("aB3xYz").test_connection()
    assert (is_good, server.requests) == (False, [])
    assert "accounts resume dtp_872" in text
    assert hook_of("ksc_dtp_872").test_connection()[0] is False
    accounts.resume(state, "dtp_872")
    assert hook_of("aB3xYz").test_connection()[0] is True


def test_an_account_held_elsewhere_is_tried_here(
    hook_of: Hook, server: ScriptedKsc, state: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = hook_of("ksc_dtp_872").endpoint()
    accounts.hold(state, "dtp_872", endpoint.fingerprint, "sai mật khẩu", datetime.now(UTC))
    hook = hook_of("aB3xYz")
    monkeypatch.setattr(hook, "_saved", lambda _: ("127.0.0.1", server.port + 1))
    assert hook.test_connection()[0] is True


def test_somebody_waits_in_front_of_the_form(hook_module: Any) -> None:
    assert hook_module.TEST_SECONDS <= 20 < hook_module.budget().server_seconds


def test_two_pins_are_read_and_other_fields_too(hook_of: Hook) -> None:
    pins = ":".join(["AB"] * 32) + ", " + "cd" * 32
    extra = {"certificate_sha256": pins, "internal_user": "false", "domain": "TINH"}
    endpoint = hook_of(extra=extra, port=None).endpoint()
    assert endpoint.certificate_sha256 == ("ab" * 32, "cd" * 32)
    assert (endpoint.internal_user, endpoint.domain, endpoint.port) == (False, "TINH", 13299)
    assert endpoint.server_code == "dtp_872"


@pytest.mark.parametrize("method", [LOGIN, INFO])
def test_an_indiscreet_server_gives_nothing_away(
    hook_of: Hook,
    server: ScriptedKsc,
    method: str,
    state: Engine,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """Neither in what the operator reads nor in the log."""
    caplog.set_level(logging.DEBUG)
    secret = server.endpoint().authorization()
    in_base64 = secret.split('pass="')[1].split('"')[0]
    for status in (401, 403, 404, 500, 200):

        def repeats(_: Any, status: int = status) -> Scripted:
            told = f"{PASSWORD} {in_base64} {secret}"
            error = {"PxgError": {"code": 1, "module": told, "message": told}}
            return reply(status, json.dumps(error).encode())

        server.on = {method: repeats}
        for held in accounts.held(state):
            accounts.resume(state, held.server_code)
        _, text = hook_of().test_connection()
        for form in (PASSWORD, in_base64):
            assert form not in text + caplog.text
