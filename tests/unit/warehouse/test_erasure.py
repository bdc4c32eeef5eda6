"""A person's data goes out of everything, the figures stay, and that it was done is on record."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from ksc_ledger.errors import LedgerError
from ksc_ledger.landing.manifest import LoadStatus
from ksc_ledger.state import open_state, reading
from ksc_ledger.state.erasing import erase_text
from ksc_ledger.warehouse import backup, publish
from ksc_ledger.warehouse.erasure import LOG, REPLACEMENT, erase
from ksc_ledger.warehouse.rebuild import rebuild
from ksc_ledger.warehouse.unit_files import publish_units
from unit.warehouse.builders import DAY, T0, House, a_host, a_small_estate

WHO = "nguyenvana"
NAME = "Nguyễn Văn A"


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path, a_small_estate().grant("pnv", 3).registry())
    house.settings = replace(house.settings, registry=tmp_path / "registry")
    house.land(T0, [a_host("m1", display_name="PNV-NGUYENVANA", group_path="Phòng Nội vụ")])
    house.land(
        T0 + DAY,
        status=LoadStatus.FAILED,
        fault_code="internal",
        fault_text=rf"Không đọc được C:\Users\{WHO.upper()}\x",
    )
    house.build(T0 + DAY)
    publish(house.settings, now=T0 + DAY)
    publish_units(house.settings)
    return house


def pack(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zstandard.ZstdCompressor().compress(content))


def unpack(path: Path) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())


def figures(house: House) -> object:
    return house.ask("from marts.fct_unit_coverage_daily order by all")


def test_it_is_gone_from_every_place_and_the_figures_stay(house: House) -> None:
    places = house.settings.places
    raw = places.raw / "huyen" / "2022-10-12"
    pack(raw / "a.detections.ndjson.zst", json.dumps({"user": "DOMAIN\\NguyenVanA"}).encode())
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        member = tarfile.TarInfo("0001")
        body = json.dumps({"name": NAME}).encode()  # accents escaped, as servers do
        member.size = len(body)
        tar.addfile(member, io.BytesIO(body))
    pack(raw / "a.tar.zst", made.getvalue())
    typed = places.snapshot / "huyen" / "2022-10" / "x.detections.parquet"
    pq.write_table(
        pa.table({"detection_id": ["nguyenvana-1"], "object_name": [r"C:\Users\NguyenVanA\v.exe"]}),
        typed,
    )
    house.settings.contacts.write_text(
        f"role,unit_code,name,address\nunit,pnv,{NAME},a@x.example\nso,tinh,Trần B,b@x.example\n",
        "utf-8",
    )
    mail = EmailMessage()
    mail["To"] = f"{NAME} <a@x.example>"
    mail.set_content("x")
    places.mail.mkdir()
    (places.mail / "1.eml").write_bytes(bytes(mail))
    kept = backup.back_up(house.settings, code_version="1.2.3", now=T0)
    before = figures(house)

    by_login = erase(house.settings, WHO, code_version="1.2.3", now=T0)
    by_name = erase(house.settings, NAME, code_version="1.2.3", now=T0)

    assert by_login.counts["tệp Parquet"] == 1
    assert by_login.counts["ô trong kho"] >= 1
    assert (by_name.counts["dòng danh bạ"], by_name.counts["thư"]) == (1, 1)
    assert figures(house) == before
    assert WHO.encode() not in unpack(raw / "a.detections.ndjson.zst").lower()
    with tarfile.open(fileobj=io.BytesIO(unpack(raw / "a.tar.zst"))) as tar:
        member_file = tar.extractfile("0001")
        assert member_file is not None
        assert json.loads(member_file.read()) == {"name": REPLACEMENT}
    (row,) = pq.read_table(typed).to_pylist()
    assert row == {"detection_id": "nguyenvana-1", "object_name": rf"C:\Users\{REPLACEMENT}\v.exe"}
    assert house.settings.contacts.read_text("utf-8").splitlines()[1:] == [
        "so,tinh,Trần B,b@x.example"
    ]
    assert house.settings.contacts.stat().st_mode & 0o777 == 0o600
    assert list(places.mail.iterdir()) == []
    assert not kept.exists()
    assert len(backup.backups(places)) == 1


@pytest.mark.long
def test_it_is_in_no_file_that_anybody_can_open(house: House) -> None:
    erase(house.settings, WHO, code_version="1.2.3", now=T0)
    places = house.settings.places
    fault = house.ask("select fault_text from marts.fct_source_load where fault_text is not null")
    assert fault == [{"fault_text": rf"Không đọc được C:\Users\{REPLACEMENT}\x"}]
    files = [path for path in house.settings.home.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        assert b"users\\nguyenvana" not in path.read_bytes().lower(), path
    assert len(list(places.marts.glob("ksc_ledger.2*.duckdb"))) == 1


@pytest.mark.long
def test_a_rebuild_does_not_bring_it_back_and_machines_keep_their_names(house: House) -> None:
    before = figures(house)
    erase(house.settings, WHO, code_version="1.2.3", now=T0)
    rebuild(house.settings, house.registry, code_version="1.2.3")
    assert figures(house) == before
    (row,) = house.ask("select display_name from marts.dim_endpoint")
    assert row["display_name"] == "PNV-NGUYENVANA"
    assert REPLACEMENT in str(house.ask("select fault_text from marts.fct_source_load"))


def test_that_it_was_done_is_on_record_without_the_text(house: House) -> None:
    erase(house.settings, WHO, code_version="1.2.3", now=T0)
    erase(house.settings, WHO, code_version="1.2.3", now=T0 + DAY)
    text = (house.settings.places.state / LOG).read_text("utf-8")
    first, second = map(json.loads, text.splitlines())
    assert WHO not in text.lower()
    assert first["text_sha256"] == second["text_sha256"]
    assert first["counts"]["ô trong kho"] > 0
    assert second["counts"]["ô trong kho"] == 0
    assert first["at"] == T0.isoformat()


def test_a_text_that_could_be_anybody_is_refused(house: House) -> None:
    with pytest.raises(LedgerError) as raised:
        erase(house.settings, " an ", code_version="1.2.3", now=T0)
    assert raised.value.code == "erase_text_too_short"


def test_a_recipient_loses_name_and_address_and_the_mail_stays(tmp_path: Path) -> None:
    engine = open_state(f"sqlite:///{tmp_path / 's.sqlite'}")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into outbox (message_id, thread_id, mail_kind, channel, incident_id, step,"
            " recipient_role, estate_code, unit_code, facts, is_rehearsal, created_at, status,"
            " attempt_count) values ('<1@x>', 't', 'lost', 'smtp', 'i', 1, 'unit', 'e', 'pnv',"
            " '{}', 0, '2024-01-10 02:55:00', 'sent', 1)"
        )
        for name, address in ((NAME, "a@x.example"), ("Trần B", "b@x.example")):
            connection.exec_driver_sql(
                "insert into outbox_recipient (message_id, address, name, status, changed_at)"
                " values ('<1@x>', ?, ?, 'sent', '2024-01-10 02:55:00')",
                (address, name),
            )
    assert erase_text(engine, NAME.upper(), REPLACEMENT) == 1
    with reading(engine) as connection:
        rows = connection.exec_driver_sql(
            "select address, name from outbox_recipient order by name"
        ).all()
        (mails,) = connection.exec_driver_sql("select count(*) from outbox").one()
    assert {tuple(row) for row in rows} == {
        ("b@x.example", "Trần B"),
        ("erased-1@erased.invalid", REPLACEMENT),
    }
    assert mails == 1
    engine.dispose()
