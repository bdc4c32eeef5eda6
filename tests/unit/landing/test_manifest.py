"""The record of a load: what was written is what is read, then and later."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from ksc_ledger.landing import manifest
from ksc_ledger.landing.manifest import ABSENT, Extra, ExtraFault, ExtraKind, Load, LoadStatus
from ksc_ledger.settings import Places

AT = datetime(2023, 10, 20, 2, 0, tzinfo=UTC)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "home")


def load(**changes: object) -> Load:
    facts: dict[str, object] = {
        "load_id": manifest.load_id_of("dtp", AT, "x"),
        "estate_code": "dong_thap",
        "server_code": "dtp",
        "as_of_at": AT,
        "observed_at": AT,
        "collected_at": AT,
        "status": LoadStatus.COMPLETE,
    }
    return Load(**{**facts, **changes})  # type: ignore[arg-type]


def test_extras_and_their_faults_come_back_as_they_went(places: Places) -> None:
    one = load(
        extras={
            ExtraKind.DETECTIONS: Extra(path="a/b.ndjson.zst", count=3, newest_at=AT),
            ExtraKind.HARDWARE: Extra(path="a/c.ndjson.zst", count=0),
        },
        extra_faults={ExtraKind.LICENCES: ExtraFault(code=ABSENT, text="không có")},
    )
    read = manifest.read(manifest.write(one, places))
    assert read == one
    assert read.extras[ExtraKind.DETECTIONS].newest_at == AT
    assert read.extras["hardware"].newest_at is None


def test_instants_inside_extras_are_written_in_utc(places: Places) -> None:
    local = AT.astimezone(timezone(timedelta(hours=7)))
    one = load(extras={ExtraKind.DETECTIONS: Extra(path="p", count=1, newest_at=local)})
    raw = json.loads(manifest.write(one, places).read_text("utf-8"))
    assert raw["extras"]["detections"]["newest_at"] == "2023-10-20T02:00:00+00:00"


def test_a_load_that_landed_before_there_were_extras_has_none(places: Places) -> None:
    path = manifest.write(load(), places)
    raw = json.loads(path.read_text("utf-8"))
    del raw["extras"], raw["extra_faults"]
    path.write_text(json.dumps(raw), "utf-8")
    read = manifest.read(path)
    assert (read.extras, read.extra_faults, read) == ({}, {}, load())


def test_what_json_does_not_know_is_our_mistake_and_leaves_no_manifest(places: Places) -> None:
    with pytest.raises(TypeError, match="Path"):
        manifest.write(load(verdicts=({"path": Path("x")},)), places)
    assert list(manifest.read_all(places)) == []
