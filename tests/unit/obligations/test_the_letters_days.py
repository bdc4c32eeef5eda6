"""Breach tables of the letters' days, and the letters themselves, from the committed scenarios."""

from __future__ import annotations

import email
import email.policy
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from integration.the_road import Road, road
from ksc_ledger import letters
from ksc_ledger.clock import VIETNAM, RehearsalClock
from ksc_ledger.errors import LedgerError
from ksc_ledger.letters import writing
from ksc_ledger.letters.chart import waterfall_png
from ksc_ledger.letters.model import GapReason, Letter, LetterKind, Presence
from ksc_ledger.obligations import (
    Judged,
    Published,
    Reported,
    judge,
    letter_of,
    report_forms,
    unit_sheets,
)
from ksc_ledger.obligations.evidence import Filed
from ksc_ledger.registry import Difficulty, Registry, in_force, load
from ksc_ledger.rehearsal.home import gather_contacts
from ksc_ledger.rules.deadlines import Status
from ksc_ledger.state import open_state, outbox
from ksc_ledger.warehouse.reader import query
from unit.letters.reading import annex_tables, cells_of, opened, text_of

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"
REPORT, ROLL_UP, TRAINING = "tm_2022_bao_cao", "tm_2022_tong_hop", "dtp_2023_tap_huan"
INSTALLATION, HARDWARE = "kpl_2024_cai_dat", "kpl_2024_cau_hinh"
NO_MARTS = Path("/nonexistent/ksc_ledger.duckdb")
ONE_MINUTE = timedelta(minutes=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+07:00")


REPORT_DUE, REPORT_LATE = at("2022-10-19T23:59:59"), at("2022-10-20T00:00:00")


@pytest.fixture(scope="module")
def dong_thap() -> Registry:
    return load(SCENARIOS / "dong_thap" / "registry")


def standing(registry: Registry, now: datetime, **changes: object) -> dict[tuple[str, str], Judged]:
    found = judge(registry.model_copy(update=changes), "dong_thap", NO_MARTS, now)
    return {one.duty.key: one for one in found}


def tally(judged: dict[tuple[str, str], Judged], code: str) -> Counter[Status]:
    return Counter(one.found.status for key, one in judged.items() if key[0] == code)


# Tháp Mười, October 2022


def test_until_the_last_second_of_the_19th_nobody_in_thap_muoi_is_late(
    dong_thap: Registry,
) -> None:
    assert tally(standing(dong_thap, REPORT_DUE), REPORT) == {Status.MET: 23, Status.DUE_SOON: 4}


def test_a_second_later_those_without_a_report_are_in_breach(dong_thap: Registry) -> None:
    judged = standing(dong_thap, REPORT_LATE)
    assert tally(judged, REPORT) == {
        Status.MET: 23,
        Status.BREACHED: 3,
        Status.UNDETERMINED: 1,
    }
    assert judged[REPORT, "dtp_872_30052"].found.status is Status.BREACHED
    assert judged[REPORT, "dtp_872_30052"].found.overdue_days == 1
    # A file came in time that nobody could use: a person has to look, it is no breach.
    assert judged[REPORT, "dtp_872_30061"].found.status is Status.UNDETERMINED


@pytest.mark.parametrize(
    ("received_at", "status", "overdue_days"),
    [
        pytest.param(REPORT_DUE - ONE_MINUTE, Status.MET, 0, id="a minute before"),
        pytest.param(REPORT_DUE, Status.MET, 0, id="in the last second"),
        pytest.param(REPORT_LATE, Status.MET_LATE, 1, id="in the first second of the next day"),
        pytest.param(REPORT_LATE + ONE_MINUTE, Status.MET_LATE, 1, id="a minute after"),
    ],
)
def test_a_report_is_judged_by_the_instant_at_which_it_came(
    dong_thap: Registry, received_at: datetime, status: Status, overdue_days: int
) -> None:
    rows = tuple(
        one.model_copy(update={"received_at": received_at})
        for one in dong_thap.receipts
        if one.obligation_code == REPORT and one.unit_code == "dtp_872_pnv"
    )
    judged = standing(dong_thap, at("2022-10-20T17:00:00"), receipts=rows)
    found = judged[REPORT, "dtp_872_pnv"].found
    assert (found.status, found.overdue_days) == (status, overdue_days)


def test_a_file_in_the_inbox_is_as_good_as_a_row(dong_thap: Registry) -> None:
    filed = Filed(
        unit_code="dtp_872_30052", received_at=REPORT_DUE, document="tệp 1.xlsx", is_accepted=True
    )
    judged = judge(dong_thap, "dong_thap", NO_MARTS, REPORT_LATE, [filed])
    (found,) = [one.found for one in judged if one.duty.key == (REPORT, "dtp_872_30052")]
    assert found.status is Status.MET
    assert "tệp 1.xlsx" in found.evidence


def test_without_a_reading_of_the_register_nobody_is_accused(dong_thap: Registry) -> None:
    judged = standing(dong_thap, REPORT_LATE, receipt_readings=())
    assert tally(judged, REPORT)[Status.BREACHED] == 0


@pytest.mark.parametrize(
    ("now", "status"),
    [
        ("2022-10-20T23:59:59", Status.DUE_SOON),
        ("2022-10-21T00:00:00", Status.BREACHED),
        ("2022-10-21T09:14:59", Status.BREACHED),
        ("2022-10-21T09:15:00", Status.MET_LATE),
    ],
)
def test_the_roll_up_of_the_department_of_culture(
    dong_thap: Registry, now: str, status: Status
) -> None:
    judged = standing(dong_thap, at(now))
    assert judged[ROLL_UP, "dtp_872_vhtt"].found.status is status


def test_who_missed_the_training_of_20_october_2023(dong_thap: Registry) -> None:
    judged = standing(dong_thap, at("2023-10-21T00:00:00"))
    assert tally(judged, TRAINING) == {
        Status.MET: 28,
        Status.BREACHED: 2,
        Status.WAIVED: 1,
        Status.UNDETERMINED: 1,
    }
    assert judged[TRAINING, "dtp_sngv"].found.status is Status.BREACHED
    assert judged[TRAINING, "dtp_bqlkkt"].found.status is Status.WAIVED
    assert judged[TRAINING, "dtp_869"].found.status is Status.UNDETERMINED


def test_a_document_of_a_later_month_obliges_nobody_yet(dong_thap: Registry) -> None:
    assert tally(standing(dong_thap, at("2023-09-30T23:59:59")), TRAINING) == {}
    assert sum(tally(standing(dong_thap, at("2023-10-01T00:00:00")), TRAINING).values()) == 32


# Figures of a built warehouse


@pytest.fixture(scope="module")
def way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Tháp Mười as counted in 2022, Kon Plông before and after its deadline; built once."""
    home = tmp_path_factory.mktemp("letters") / "home"
    with road([SCENARIOS / "dong_thap", SCENARIOS / "kon_tum"], home) as opened:
        for instant, servers in (
            ("2022-10-12T08:00:00", ("dtp", "dtp_872")),
            ("2024-01-08T08:00:00", ("ktm", "ktm_613")),
            ("2024-01-15T17:00:00", ("ktm", "ktm_613")),
            ("2024-01-16T08:00:00", ("ktm", "ktm_613")),
        ):
            opened.simulator.set_clock(at(instant))
            opened.gate([opened.collect_one(at(instant), code) for code in servers], at(instant))
        opened.publish(at("2024-01-16T08:00:00"))
        yield opened


@pytest.fixture(scope="module")
def published(way: Road) -> Published:
    return Published(file=way.settings.places.marts_file, registry=in_force(way.settings).registry)


def kon_plong(published: Published, now: str) -> dict[tuple[str, str], Judged]:
    found = judge(published.registry, "kon_tum", published.file, at(now))
    return {one.duty.key: one for one in found}


def test_kon_plong_before_and_after_the_night_to_the_16th(published: Published) -> None:
    before = kon_plong(published, "2024-01-15T23:59:59")
    assert tally(before, INSTALLATION) == {Status.DUE_SOON: 20, Status.MET: 1}
    after = kon_plong(published, "2024-01-16T00:00:00")
    assert tally(after, INSTALLATION) == {Status.BREACHED: 20, Status.MET: 1}
    accused = after[INSTALLATION, "ktm_613_vpub"].found
    assert "17:00 ngày 15/01/2024" in accused.evidence
    assert "20240115T100000Z-ktm_613_vpub" in accused.evidence
    assert accused.overdue_days == 1


def test_machines_with_a_document_that_they_are_too_weak_are_deducted(
    published: Published,
) -> None:
    after = kon_plong(published, "2024-01-16T00:00:00")
    assert (
        "2 máy không đủ cấu hình đã có văn bản"
        in after[INSTALLATION, "ktm_613_23452"].found.evidence
    )
    assert tally(after, HARDWARE) == {Status.MET: 1, Status.UNDETERMINED: 20}


def test_where_nothing_was_published_nobody_is_accused(published: Published) -> None:
    found = judge(published.registry, "kon_tum", NO_MARTS, at("2024-01-16T00:00:00"))
    states = {one.found.status for one in found if one.duty.key[0] == INSTALLATION}
    assert states == {Status.UNDETERMINED}


def letter(published: Published, kind: str, unit_code: str, day: date) -> Letter:
    return letter_of(published.registry, published, LetterKind(kind), unit_code, day)


def test_the_letter_of_thap_muoi_carries_its_figures(published: Published, tmp_path: Path) -> None:
    made = letter(published, "don_doc", "dtp_872", date(2022, 10, 12))
    paths = letters.write(made, tmp_path)
    text = text_of(paths.docx)
    for part in ("255", "330", "235", "1134/STTTT-CNTT", "chậm nhất ngày 19/10/2022"):
        assert part in text
    assert "chậm nhất ngày 20/10/2022" in text
    assert len(made.rows) == 27
    proof = json.loads(paths.json.read_text("utf-8"))
    figure = published.figures(date(2022, 10, 12))["dtp_872"]
    assert proof["snapshot_id"] == figure["snapshot_id"]
    assert {one["snapshot_id"] for one in proof["figures"]} == {
        published.figures(date(2022, 10, 12))[code]["snapshot_id"]
        for code in ["dtp_872", *(row.unit_code for row in made.rows)]
    }
    forms = report_forms(published.registry, made)
    assert len(forms) == 27
    assert {form.due for form in forms} == {"chậm nhất ngày 19/10/2022"}


def test_the_letter_of_kon_plong_carries_its_figures(published: Published, tmp_path: Path) -> None:
    made = letter(published, "don_doc", "ktm_613", date(2024, 1, 8))
    text = text_of(letters.write(made, tmp_path).docx)
    assert "62" in text
    assert "190" in text
    assert "32,6%" in text
    assert "31/STTTT-BCVT&CNTT" in text
    assert "1679/UBND-VHTT" in text
    assert len(made.rows) == 21
    assert {demand.due_at for demand in made.demands} == {at("2024-01-15T23:59:59")}


def test_the_letter_of_the_department_has_20_and_12_rows(
    published: Published, tmp_path: Path
) -> None:
    made = letter(published, "phan_bo", "dtp", date(2023, 10, 13))
    paths = letters.write(made, tmp_path)
    departments, districts = made.sections
    assert (len(departments.rows), len(districts.rows)) == (20, 12)
    assert sum(row.allocated_count for row in departments.rows) == 1077
    assert sum(row.allocated_count for row in districts.rows) == 3960
    shown = [cell for table in annex_tables(paths.docx) for row in table for cell in row]
    assert "1.077" in shown
    assert "3.960" in shown
    assert any("Sở Nội vụ" in row for row in cells_of(paths.xlsx))
    assert "thứ Sáu, ngày 20/10/2023, bắt đầu lúc 08 giờ" in text_of(paths.docx)


def test_machines_in_no_group_of_a_unit_stand_in_a_row_of_their_own(published: Published) -> None:
    """From 13/10/2023 the district itself holds its seats and its units keep their machines."""
    words = published.registry
    (text,) = [one for one in words.letter_words if one.unit_code == "dtp_872"]
    directive = words.directive(text.directive_code).model_copy(
        update={"directive_code": "tm_moi", "issued_year": 2023}
    )
    later = words.model_copy(
        update={
            "directives": (*words.directives, directive),
            "letter_words": (text.model_copy(update={"directive_code": "tm_moi"}),),
        }
    )
    made = letter_of(later, published, LetterKind.DON_DOC, "dtp_872", date(2023, 10, 13))
    assert made.rows[-1].allocated_count == 330
    assert made.rows[-1].unit_name == "Chưa phân về đơn vị nào"
    assert made.totals.allocated_count == 330


@pytest.mark.parametrize(
    ("kind", "unit_code", "day", "code"),
    [
        ("don_doc", "dtp", date(2022, 10, 12), "letter_without_words"),
        ("don_doc", "ktm_613", date(2023, 12, 31), "letter_without_words"),
        ("don_doc", "dtp_872", date(2022, 10, 21), "letter_deadlines_past"),
        ("don_doc", "dtp_872", date(2022, 10, 11), "no_figure"),
    ],
)
def test_a_letter_that_cannot_be_written_says_why(
    published: Published, kind: str, unit_code: str, day: date, code: str
) -> None:
    with pytest.raises(LedgerError) as caught:
        letter(published, kind, unit_code, day)
    assert caught.value.code == code


def test_the_last_day_of_a_letter_may_still_be_written_about(published: Published) -> None:
    made = letter(published, "don_doc", "dtp_872", date(2022, 10, 20))
    assert made.sources is not None
    assert made.sources.servers_observed_count == 0  # nobody was asked that day, and it says so


# Seats


def test_seats_of_documented_weak_machines_are_proposed_to_who_asked_for_more(
    published: Published,
) -> None:
    rows = query(
        published.file,
        "select from_unit_code, to_unit_code, proposed_count, status, documents"
        " from marts.rpt_licence_reallocation where estate_code = 'kon_tum'",
    )
    (row,) = rows
    assert (row["from_unit_code"], row["to_unit_code"]) == ("ktm_613_23452", "ktm_613_vhtt")
    assert (row["proposed_count"], row["status"]) == (1, "proposed")
    assert row["documents"].startswith("Công văn phản hồi cấu hình máy")


# What officers entered, in the marts


def test_attendance_difficulties_and_posts_are_published(published: Published) -> None:
    (attendance,) = query(
        published.file,
        "select count(*) as n, count(*) filter (where not is_present) as absent_count"
        " from marts.fct_training_attendance",
    )
    assert attendance == {"n": 30, "absent_count": 2}
    difficulties = query(
        published.file, "select unit_code, is_open from marts.fct_difficulty order by unit_code"
    )
    assert difficulties == [
        {"unit_code": "dtp_872_30052", "is_open": True},
        {"unit_code": "dtp_872_30070", "is_open": False},
    ]
    posts = query(
        published.file,
        "select post_title from marts.dim_responsible_post where unit_code = 'dtp_872_30052'",
    )
    assert posts == [{"post_title": "Chủ tịch Ủy ban nhân dân xã"}]


# Letters about the term and the training, and the units' one-pagers


def test_a_letter_about_the_training_counts_who_came(published: Published, tmp_path: Path) -> None:
    made = letter(published, "training", "dtp", date(2023, 10, 20))
    assert [len(section.rows) for section in made.sections] == [20, 12]
    assert Counter(row.presence for row in made.rows) == {
        Presence.PRESENT: 28,
        Presence.ABSENT: 2,
        Presence.WAIVED: 1,
        Presence.UNKNOWN: 1,
    }
    paths = letters.write(made, tmp_path)
    text = text_of(paths.docx)
    assert "28 cơ quan, đơn vị đã cử người dự tập huấn; 1 nơi được miễn; 2 nơi vắng" in text
    assert "Căn cứ Công văn tháng 10/2023 của Sở Thông tin và Truyền thông" in text
    shown = [row for table in annex_tables(paths.docx) for row in table]
    assert ["18", "Sở Ngoại vụ", "Vắng", ""] in shown
    rows = cells_of(paths.xlsx)
    assert [18, "Sở Ngoại vụ", "Vắng", None] in rows
    proof = json.loads(paths.json.read_text("utf-8"))
    assert "absent" in [one["value"] for one in proof["figures"] if one["unit_code"] == "dtp_sngv"]


def test_before_the_training_the_letter_accuses_nobody(published: Published) -> None:
    made = letter(published, "training", "dtp", date(2023, 10, 18))
    assert {row.presence for row in made.rows} == {Presence.UNKNOWN}


def test_where_no_training_was_owed_no_letter_is_written(published: Published) -> None:
    with pytest.raises(LedgerError) as caught:
        letter(published, "training", "dtp_872", date(2022, 10, 12))
    assert caught.value.code == "letter_without_training"


def test_a_letter_about_the_term_has_the_keys_own_expiry_beside_the_documents(
    published: Published, tmp_path: Path
) -> None:
    made = letter(published, "term", "ktm_613", date(2024, 1, 8))
    assert made.term is not None
    assert made.term.key_expires_at is not None
    paths = letters.write(made, tmp_path)
    text = text_of(paths.docx)
    expiry = made.term.key_expires_at.astimezone(VIETNAM)
    assert f"hết hạn lúc {expiry:%H:%M} ngày {expiry:%d/%m/%Y}" in text
    assert "có 62 máy tính đang được bảo vệ trên 190 bản quyền" in text
    (table,) = annex_tables(paths.docx)
    assert table[-1] == ["", "Cộng", "190", "62"]


def test_a_key_that_ran_out_is_not_named_as_the_expiry(published: Published) -> None:
    """In October 2023 only the keys of 2022 had been read: what comes after them is not known."""
    made = letter(published, "phan_bo", "dtp", date(2023, 10, 13))
    assert made.term is not None
    assert made.term.key_expires_at is None


def test_every_unit_gets_its_sheet_with_the_names_of_that_day(
    way: Road, published: Published, tmp_path: Path
) -> None:
    made = letter(published, "don_doc", "dtp_872", date(2022, 10, 12))
    sheets = unit_sheets(published.registry, made, way.settings.places.named_marts_file)
    assert len(sheets) == 27
    assert sum(len(sheet.renames) + sheet.more_renames for sheet in sheets) == 20  # 255 less 235
    commune = next(sheet for sheet in sheets if sheet.unit_code == "dtp_872_30058")
    assert commune.responsible == "Chủ tịch Ủy ban nhân dân xã"
    assert commune.totals.installed_count == 4
    assert len(commune.renames) == 4
    assert all(one.suggested_name.startswith("MYDONG-") for one in commune.renames)
    suggested = [one.suggested_name for sheet in sheets for one in sheet.renames]
    assert len(set(suggested)) == 20
    (duty,) = commune.duties
    assert duty.startswith("Báo cáo kết quả cài đặt về Ủy ban nhân dân huyện")
    assert duty.endswith("để tổng hợp: chậm nhất ngày 19/10/2022")
    path = letters.write_unit_sheet(commune, tmp_path).docx
    (renames,) = opened(path).tables
    assert len(renames.rows) == 5
    assert len(opened(path).inline_shapes) == 1


def test_what_is_wrong_with_a_machine_is_told_to_its_unit(
    way: Road, published: Published, tmp_path: Path
) -> None:
    made = letter(published, "don_doc", "ktm_613", date(2024, 1, 8))
    sheets = unit_sheets(published.registry, made, way.settings.places.named_marts_file)
    office = next(sheet for sheet in sheets if sheet.unit_code == "ktm_613_vpub")
    problems = Counter(one.problems for one in office.offenders)
    assert problems["không bật bảo vệ thời gian thực"] == office.parts[GapReason.NOT_PROTECTED]
    text = [
        cell.text
        for table in opened(letters.write_unit_sheet(office, tmp_path).docx).tables
        for row in table.rows
        for cell in row.cells
    ]
    assert "không bật bảo vệ thời gian thực" in text


def test_difficulties_that_wait_for_an_answer_stand_in_the_annex(published: Published) -> None:
    words, day = published.registry, date(2022, 10, 12)

    def difficulty(name: str, raised: date, answered: date | None) -> Difficulty:
        return Difficulty(
            estate_code="dong_thap",
            difficulty_id=name,
            unit_code="dtp_872_30052",
            raised_date=raised,
            difficulty_text=f"Vướng mắc {name}",
            owner_post="Trưởng phòng Văn hóa và Thông tin",
            answer_text="Đã xử lý" if answered else None,
            answered_date=answered,
            source_document="Báo cáo của xã",
        )

    rows = (
        difficulty("a", date(2022, 10, 11), None),
        difficulty("b", date(2022, 10, 1), date(2022, 10, 12)),
        difficulty("c", date(2022, 10, 13), None),
        difficulty("d", date(2022, 10, 1), date(2022, 10, 13)),
    )
    made = letter_of(
        words.model_copy(update={"difficulties": rows}),
        published,
        LetterKind.DON_DOC,
        "dtp_872",
        day,
    )
    (row,) = [one for one in made.rows if one.unit_code == "dtp_872_30052"]
    assert row.difficulties == "Vướng mắc a; Vướng mắc d"


def test_what_a_unit_wrote_in_its_form_stands_in_the_annex(published: Published) -> None:
    """Only what had come by the end of that day, the newest form of it; documents go before it."""

    def form(received_at: str, computers: int, unit_code: str = "dtp_872_pnv") -> Reported:
        return Reported(
            unit_code=unit_code,
            received_at=at(received_at),
            computer_count=computers,
            requested_count=2,
            difficulties="Máy cũ",
        )

    forms = [
        form("2022-10-12T23:59:59", 14),
        form("2022-10-11T08:00:00", 13),
        form("2022-10-13T00:00:00", 15),
        form("2022-10-12T08:00:00", 9, "dtp_872_30070"),
    ]
    made = letter_of(
        published.registry,
        published,
        LetterKind.DON_DOC,
        "dtp_872",
        date(2022, 10, 12),
        forms,
    )
    rows = {row.unit_code: row for row in made.rows}
    office = rows["dtp_872_pnv"]
    assert (office.computer_count, office.requested_count, office.difficulties) == (14, 2, "Máy cũ")
    commune = rows["dtp_872_30070"]
    assert commune.difficulties == "Đường truyền của xã chậm, tải bộ cài không xong; Máy cũ"
    assert rows["dtp_872_ptp"].computer_count is None


@pytest.mark.airflow
def test_the_task_writes_letter_forms_and_sheets_and_mails_each_sheet_to_its_unit_once(
    way: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ksc_ledger.orchestration import lettering, watching

    places = way.settings.places
    places.rehearsal_mark.touch()
    RehearsalClock(places.clock_file).set(at("2022-10-14T08:00:00"), is_driven=True)
    gather_contacts([SCENARIOS / "dong_thap"], places.home / "contacts.csv")
    lines = (places.home / "contacts.csv").read_text("utf-8").splitlines()
    alone = [line for line in lines if not line.startswith("unit,dtp_872_30058,")]
    assert len(alone) == len(lines) - 1
    (places.home / "contacts.csv").write_text("\n".join(alone) + "\n", "utf-8")
    params = {
        "estate": "dong_thap",
        "as_of": "2022-10-12",
        "kind": "don_doc",
        "unit_code": "dtp_872",
        "unit_sheets": "mail",
    }
    buttons: dict[str, str] = {}
    context = {
        "params": params,
        "run_id": "test",
        "dag_run": SimpleNamespace(conf={"as_of_at": "2022-10-14T08:00:00+07:00"}),
        "outlet_events": defaultdict(SimpleNamespace),
        "ti": SimpleNamespace(xcom_push=lambda **pushed: buttons.update(pushed)),
    }
    monkeypatch.setenv("KSC_LEDGER_HOME", str(places.home))
    monkeypatch.setenv("KSC_LEDGER_REGISTRY", str(way.settings.registry))
    for module in (lettering, watching):
        monkeypatch.setattr(module, "die_with_parent", lambda: None)
        monkeypatch.setattr(module, "get_current_context", lambda: context)

    chart = waterfall_png(1, {GapReason.OK: 1})  # drawing 54 of them is not what this is about
    monkeypatch.setattr(writing, "waterfall_png", lambda *_: chart)

    files = lettering.write_letter()
    assert Counter(Path(name).suffix for name in files) == {".docx": 28, ".json": 28, ".xlsx": 28}
    assert all((places.letters / name).is_file() for name in files)
    assert buttons["value"] == "/tinh-hinh/cong-van/dong_thap/2022-10-12-don_doc-dtp_872"
    assert lettering.write_letter() == files
    queued = outbox.mails(open_state(way.settings.state_url))
    sheets = [mail for mail in queued if mail.mail_kind == "unit_sheet"]
    assert len(sheets) == 26  # one unit has no address of its own

    watching.deliver_mails()
    mails = [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in places.mail.glob("*unit_sheet*.eml")
    ]
    assert len(mails) == 26
    names = {
        file.get_filename(): str(mail["To"]) for mail in mails for file in mail.iter_attachments()
    }
    assert len(names) == 26
    office = names["2022-10-12-phieu_don_vi-dtp_872_pnv.docx"]
    assert office.endswith("<dtp-872-pnv@dongthap.example>")
