from __future__ import annotations

import logging
import unicodedata
from datetime import timedelta
from email.header import decode_header, make_header
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ksc_ledger.alerts import compose as module
from ksc_ledger.alerts.compose import SUBJECTS, clean, compose, subject_of
from ksc_ledger.rules.links_model import NoticeKind
from ksc_ledger.state.outbox import Recipient
from unit.alerts.mails import AT, FACTS, SENDER, a_mail, parsed

TO = [
    Recipient(address="ops@tinh.example", name="Tổ vận hành trung tâm tích hợp dữ liệu"),
    Recipient(address="truc@tinh.example"),
]
KIND_FACTS: dict[str, dict[str, Any]] = {
    "province_down": {"districts": ["Huyện Tháp Mười", "Thành phố Cao Lãnh"]},
    "flapping": {"state": "up", "since": FACTS["started_at"]},
    "collector_blind": {"since": FACTS["started_at"], "server_count": 13},
    "trouble": {"since": FACTS["started_at"], "cause": "certificate"},
    "digest": {
        "rows": [
            {
                "place": "Huyện Tháp Mười",
                "state": "down",
                "since": FACTS["started_at"],
                "cause": "link",
                "is_lost": True,
                "is_flapping": False,
            },
            {
                "place": "Huyện Lấp Vò",
                "state": "unknown",
                "since": FACTS["started_at"],
                "cause": None,
                "is_lost": False,
                "is_flapping": True,
            },
        ]
    },
    "self_test": {"watched_count": 13, "up_count": 12},
}
PLACES = [
    "Huyện Tháp Mười",
    "Thành phố Cao Lãnh",
    "Thành phố Hồng Ngự",
    "Sở Nông nghiệp và Phát triển nông thôn tỉnh Đồng Tháp",
    "Ủy ban nhân dân huyện Kon Plông, tỉnh Kon Tum",
    "Trung tâm Tích hợp dữ liệu tỉnh Đồng Tháp",
    "Văn phòng Hội đồng nhân dân và Ủy ban nhân dân thị xã Măng Đen",
]


def facts_of(kind: str, **changes: Any) -> dict[str, Any]:
    return {**FACTS, **KIND_FACTS.get(kind, {}), **changes}


def texts(message: bytes) -> tuple[str, str]:
    read = parsed(message)
    plain, html = read.get_body(("plain",)), read.get_body(("html",))
    assert plain is not None
    assert html is not None
    return plain.get_content(), html.get_content()


def test_every_kind_of_notice_has_a_subject_and_a_template() -> None:
    assert set(SUBJECTS) == {kind.value for kind in NoticeKind}
    for kind in SUBJECTS:
        assert (module._TEMPLATES / f"{kind}.j2").exists()


@pytest.mark.parametrize("is_rehearsal", [False, True])
@pytest.mark.parametrize("kind", SUBJECTS)
@pytest.mark.parametrize("step", [0, 1])
def test_every_mail_is_whole_in_text_and_in_html(kind: str, step: int, is_rehearsal: bool) -> None:
    mail = a_mail(kind, step=step, facts=facts_of(kind), is_rehearsal=is_rehearsal)
    message = compose(mail, TO, SENDER)
    read = parsed(message)
    assert read.defects == []
    assert read.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert all(part.get_content_charset() == "utf-8" for part in read.iter_parts())
    assert all(not part.defects for part in read.iter_parts())
    plain, html = texts(message)
    for text in (plain, html):
        assert "Huyện Tháp Mười" in text
        assert "incident-1" in text
        assert ("DIỄN TẬP" in text) is is_rehearsal
        assert "{{" not in text
        assert unicodedata.is_normalized("NFC", text)
    prefix = "[DIỄN TẬP]" if is_rehearsal else ""
    assert str(read["Subject"]).startswith(f"{prefix}[KSC][{SUBJECTS[kind]}] Huyện Tháp Mười")


def test_the_headers_say_who_what_thread_and_that_no_answer_is_wanted() -> None:
    read = parsed(compose(a_mail(), TO, SENDER))
    assert read["Message-ID"] == "<incident-1.lost.1.ops_team@ksc.tinh.example>"
    assert read["References"] == read["In-Reply-To"] == "<incident-1@ksc.tinh.example>"
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["X-Auto-Response-Suppress"] == "All"
    assert read["Content-Language"] == "vi"
    assert read["Date"] == "Tue, 09 Jan 2024 09:00:00 +0700"
    assert read["Reply-To"] == "van-hanh@tinh.example"
    assert str(read["From"]) == "Hệ thống giám sát KSC <ksc@tinh.example>"
    assert [one.addr_spec for one in read["To"].addresses] == [one.address for one in TO]
    assert read["Precedence"] is None
    assert read["X-KSC-Delivery"] is None


def test_the_same_mail_is_the_same_bytes_and_a_retry_says_so() -> None:
    first = compose(a_mail(), TO, SENDER)
    assert compose(a_mail(), TO, SENDER) == first
    again = compose(a_mail(), TO, SENDER, is_retry=True)
    assert again.replace(b"X-KSC-Delivery: retry\r\n", b"") == first


@pytest.mark.parametrize("kind", SUBJECTS)
def test_all_is_seven_bit_with_proper_line_ends_and_short_lines(kind: str) -> None:
    facts = facts_of(kind, place=PLACES[-1])
    message = compose(a_mail(kind, facts=facts), TO, SENDER)
    assert message.isascii()
    assert b"\n" not in message.replace(b"\r\n", b"")
    lines = message.split(b"\r\n")
    assert all(len(line) <= 78 for line in lines if not line.startswith((b"Message-ID:", b"X-KSC")))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", SUBJECTS)
@pytest.mark.parametrize("is_rehearsal", [False, True])
def test_a_subject_survives_the_way(kind: str, place: str, is_rehearsal: bool) -> None:
    """The newer email API of Python 3.11 and 3.12 loses blanks of such subjects."""
    mail = a_mail(kind, facts=facts_of(kind, place=place), is_rehearsal=is_rehearsal)
    message = compose(mail, TO, SENDER)
    assert str(parsed(message)["Subject"]) == subject_of(mail)
    raw = message.split(b"\r\nSubject: ")[1].split(b"\r\nFrom:")[0].decode("ascii")
    assert str(make_header(decode_header(raw.replace("\r\n", "\n")))) == subject_of(mail)


HOSTILE = [
    "Huyện A\r\nBcc: kẻ gian@xau.example",
    "Huyện A\nSubject: giả",
    "Huyện\x00A\x0b\x0c\x85B",
    "Huyện\u2028A\u2029B",
    "Huyện \u202eA\u2066B\u200b",
    "=?utf-8?B?R2nhuqM=?=",
    "Huyện \ud800A",
    "<img src=x onerror=alert(1)>",
    "{{7*7}}{% raw %}",
    "x" * 2000,
    "",
    "Huye\u0323\u0302n",
]


@pytest.mark.parametrize("place", HOSTILE)
def test_a_hostile_name_neither_breaks_nor_forges_a_mail(
    place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """F59."""
    message = compose(a_mail(facts=facts_of("lost", place=place)), TO, SENDER)
    assert caplog.records == []
    read = parsed(message)
    assert read.defects == []
    assert read["Bcc"] is None
    assert len(read.get_all("Subject", [])) == 1
    assert len(str(read["Subject"])) <= len("[KSC][MẤT KẾT NỐI] ") + 78
    plain, html = texts(message)
    assert "<img" not in html
    assert "\x00" not in plain + html
    assert "\u202e" not in plain + html


@given(st.text(max_size=120), st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_no_name_at_all_costs_the_alert(place: str, name: str) -> None:
    to = [Recipient(address="ops@tinh.example", name=name)]
    read = parsed(compose(a_mail(facts=facts_of("lost", place=place)), to, SENDER))
    assert str(read["Subject"]).startswith("[KSC][MẤT KẾT NỐI]")
    assert read["To"].addresses[0].addr_spec == "ops@tinh.example"
    assert len(list(read.iter_parts())) == 2


def test_the_instants_of_a_loss_cannot_be_taken_for_each_other() -> None:
    """The last contact of 09:10 stands beside the first bad evidence of 09:35: both say what they are."""
    facts = {
        **FACTS,
        "last_contact_at": "2024-01-10T02:10:00+00:00",
        "started_at": "2024-01-10T02:35:00+00:00",
        "confirmed_at": "2024-01-10T02:55:00+00:00",
    }
    plain, _ = texts(compose(a_mail("lost", facts=facts), TO, SENDER))
    assert "Lần cuối tỉnh còn liên lạc được với máy chủ: 09:10 ngày 10/01/2024" in plain
    assert "Lần kiểm tra đầu tiên thấy mất kết nối: 09:35 ngày 10/01/2024" in plain
    assert "Được xác nhận lúc: 09:55 ngày 10/01/2024" in plain
    said = " ".join(plain.split())
    assert "tính từ lần kiểm tra đầu tiên thấy mất kết nối; kết nối có thể đã đứt từ trước" in said
    unknown, _ = texts(
        compose(a_mail("lost", facts={**facts, "last_contact_at": None}), TO, SENDER)
    )
    assert "không rõ" in unknown
    assert "đứt từ trước" not in unknown


def test_clean_cuts_with_an_ellipsis_and_only_when_too_long() -> None:
    assert clean("a" * 78, 78) == "a" * 78
    assert clean("a" * 79, 78) == "a" * 77 + "…"


@pytest.mark.parametrize(
    "mail",
    [
        a_mail(facts={"place": "Huyện Tháp Mười"}),
        a_mail(facts={**FACTS, "cause": "sao băng"}),
        a_mail("unheard_of"),
    ],
    ids=["a fact is missing", "an unknown cause", "an unknown kind"],
)
def test_a_template_that_fails_gives_a_plain_mail_not_silence(
    mail: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        message = compose(mail, TO, SENDER)
    assert "plain mail" in caplog.text
    read = parsed(message)
    assert str(read["Subject"]).startswith("[KSC][")
    assert str(read["Subject"]).isascii()
    assert read["Message-ID"] == mail.message_id
    (part,) = read.iter_parts()
    assert part.get_content().isascii()
    assert "Huyen Thap Muoi" in part.get_content()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (59, "dưới 1 phút"),
        (60, "1 phút"),
        (12_600, "3 giờ 30 phút"),
        (86_400, "1 ngày"),
        (3 * 86_400 + 3_600 + 60, "3 ngày 1 giờ"),
    ],
)
def test_a_duration_reads_as_people_say_it(seconds: int, text: str) -> None:
    plain, _ = texts(
        compose(a_mail("back", facts=facts_of("back", duration_seconds=seconds)), TO, SENDER)
    )
    assert f"Thời gian gián đoạn giữa hai lần ấy: {text}\n" in plain


def test_instants_are_in_vietnamese_time() -> None:
    late = (AT + timedelta(hours=16)).isoformat()
    plain, html = texts(compose(a_mail(facts=facts_of("lost", started_at=late)), TO, SENDER))
    assert "Lần kiểm tra đầu tiên thấy mất kết nối: 01:00 ngày 10/01/2024" in plain
    assert "01:00 ngày 10/01/2024" in html
