"""Who is asked, as whom; and that the password stays where it belongs."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import load
from ksc_ledger.sources.endpoint import Budget, Endpoint

PIN = "ab" * 32


def endpoint(**changes: Any) -> Endpoint:
    facts: dict[str, Any] = {
        "server_code": "dtp_872",
        "host": "10.84.6.10",
        "login": "api-user",
        "password": "password",
        "certificate_sha256": (PIN,),
    }
    return Endpoint(**{**facts, **changes})


def test_a_server_that_cannot_be_recognised_is_never_asked() -> None:
    with pytest.raises(LedgerError) as caught:
        endpoint(certificate_sha256=())
    assert "certificate_sha256" in caught.value.remedy
    assert endpoint(certificate_sha256=(), ca_file=Path("klserver.cer"))


def test_pins_may_be_written_as_tools_print_them() -> None:
    printed = ":".join(["AB"] * 32)
    assert endpoint(certificate_sha256=(printed,)).certificate_sha256 == (PIN,)


@pytest.mark.parametrize(
    "pins",
    [
        ("ab" * 16,),
        ("ab" * 20,),
        ("ab" * 31 + "a",),
        ("ab" * 33,),
        ("zz" * 32,),
        (PIN, PIN, PIN),
        ("",),
    ],
    ids=["MD5", "SHA-1", "a digit short", "a byte long", "no digits", "three of them", "blank"],
)
def test_a_pin_that_is_no_sha256_is_refused(pins: tuple[str, ...]) -> None:
    with pytest.raises(LedgerError):
        endpoint(certificate_sha256=pins)


def test_two_pins_are_accepted() -> None:
    assert len(endpoint(certificate_sha256=(PIN, "cd" * 32)).certificate_sha256) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"server_code": "DTP-872"},
        {"server_code": "../dtp"},
        {"server_code": "x" * 33},
        {"host": "https://ksc.example"},
        {"host": "ksc.example/api"},
        {"host": "ksc.example\r\nX: y"},
        {"host": ""},
        {"port": 0},
        {"port": 65536},
        {"login": ""},
        {"password": ""},
        {"domain": 'd", internal="1'},
        {"domain": "d\r\nX: y"},
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(LedgerError) as caught:
        endpoint(**changes)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "changes", [{"port": 1}, {"port": 65535}, {"host": "[2001:db8::1]"}, {"server_code": "x" * 32}]
)
def test_what_is_just_allowed_is_accepted(changes: dict[str, Any]) -> None:
    assert endpoint(**changes)


def test_the_header_is_the_documented_one() -> None:
    """The user and password are the vendor's own example."""
    assert endpoint().authorization() == (
        'KSCBasic user="YXBpLXVzZXI=", pass="cGFzc3dvcmQ=", internal="1"'
    )
    assert (
        endpoint(internal_user=False, domain="DTP")
        .authorization()
        .endswith('domain="DTP", internal="0"')
    )


def test_the_password_is_in_no_representation() -> None:
    one = endpoint(password="Mật-khẩu/1")
    for text in (repr(one), str(one), one.label, one.fingerprint):
        assert "khẩu" not in text


def test_a_text_is_freed_of_the_password_in_each_form() -> None:
    password = "Mật khẩu+thử/1"
    forms = [password, base64.b64encode(password.encode()).decode(), quote(password, safe="")]
    cleaned = endpoint(password=password).without_secrets(" | ".join(forms))
    assert not any(form in cleaned for form in forms)


def test_the_fingerprint_is_of_server_login_and_password_together() -> None:
    one = endpoint()
    others = [
        endpoint(password="Password"),
        endpoint(login="api-use", password="rpassword"),
        endpoint(server_code="dtp_873"),
    ]
    assert one.fingerprint == endpoint(host="ksc.example").fingerprint
    assert len({one.fingerprint, *(other.fingerprint for other in others)}) == 4


def test_a_budget_comes_from_the_settings() -> None:
    settings = load({"KSC_LEDGER_HOME": "/tmp/x", "KSC_LEDGER_CALL_TIMEOUT_SECONDS": "7"})
    assert Budget.of(settings) == Budget(call_seconds=7)
