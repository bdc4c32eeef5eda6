"""Who may hand something in at the centre's desk, what is kept, and what is not."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ksc_ledger.clock import FixedClock
from ksc_ledger.push import desk as desk_module
from ksc_ledger.push import keys, signs
from ksc_ledger.push.bundle import DOMAIN, HEAD_BYTES, MAGIC, STATEMENT_BYTES_AT_MOST
from ksc_ledger.push.desk import SKEW_AT_MOST, Refused, sweep
from ksc_ledger.rules.links_evidence import Knock
from unit.push.a_site import CODE, NOW, RealTime, key_row, packed, settings_of
from unit.push.conftest import World

SECOND = timedelta(seconds=1)


def refusal(world: World, raw: object, *, piece: int = 1000) -> Refused:
    with pytest.raises(Refused) as caught:
        world.house.receive(raw, piece=piece)  # type: ignore[arg-type]
    error = caught.value
    assert error.text
    assert error.remedy
    assert not world.house.kept()
    return error


def raw_of(bundle: object) -> bytes:
    return b"".join(bundle)  # type: ignore[call-overload]


def with_statement(world: World, **members: object) -> bytes:
    """A bundle whose statement was changed and signed anew by the site itself."""
    raw = raw_of(packed(world.site, world.load))
    (length,) = struct.unpack(">I", raw[len(MAGIC) : HEAD_BYTES])
    said = json.loads(raw[HEAD_BYTES : HEAD_BYTES + length])
    said |= {name: value for name, value in members.items() if name != "load"}
    said["load"] |= members.get("load", {})
    made = msgspec.json.encode(said)
    head = MAGIC + struct.pack(">I", len(made)) + made + world.site.key.sign(DOMAIN + made)
    return head + raw[HEAD_BYTES + length + keys.SIGNATURE_BYTES :]


@pytest.mark.parametrize("piece", [1, 7, 1000, 10_000_000])
def test_a_whole_bundle_is_kept_however_it_is_cut_on_the_way(world: World, piece: int) -> None:
    raw = raw_of(packed(world.site, world.load))
    receipt = world.house.receive(raw, piece=piece)
    assert receipt.is_new
    assert receipt.load_id == world.load.load_id
    (name,) = world.house.kept()
    kept = world.house.settings.places.pushed / CODE / name
    assert kept.read_bytes() == raw
    assert kept.stat().st_mode & 0o777 == 0o640


def test_a_key_that_nobody_registered_opens_nothing(world: World) -> None:
    stranger = Ed25519PrivateKey.generate()
    error = refusal(world, packed(world.site, world.load, key=stranger))
    assert (error.status, error.code) == (403, "push_not_known")
    assert signs.read(world.house.settings.places, CODE) is None


def test_a_key_does_not_speak_for_another_server(world: World) -> None:
    error = refusal(world, packed(world.site, None, server_code="dtp"))
    assert (error.status, error.code) == (403, "push_not_known")


def test_a_server_that_nobody_knows_is_told_the_same(world: World) -> None:
    unknown = refusal(world, packed(world.site, None, server_code="dtp_999"))
    forged = refusal(world, packed(world.site, None, key=Ed25519PrivateKey.generate()))
    assert str(unknown) == str(forged)


def test_a_load_of_another_server_is_not_taken_under_ones_own_name(world: World) -> None:
    other = "dtp_873" + world.load.load_id.removeprefix(CODE)
    error = refusal(world, with_statement(world, load={"load_id": other}))
    assert error.code == "push_broken"


@pytest.mark.parametrize(
    ("end", "is_taken"), [("2023-10-19", False), ("2023-10-20", True)], ids=["over", "last day"]
)
def test_a_key_opens_up_to_its_last_day(world: World, end: str, is_taken: bool) -> None:
    world.house.know(key_row(world.site.key, end=end))
    if is_taken:
        assert world.house.receive(packed(world.site, world.load)).is_new
    else:
        assert refusal(world, packed(world.site, world.load)).code == "push_not_known"


def test_two_keys_are_good_while_one_follows_the_other(world: World) -> None:
    old = world.site.key
    new = Ed25519PrivateKey.generate()
    world.house.know(key_row(old), key_row(new))
    assert world.house.receive(packed(world.site, None, key=old)).is_new
    assert world.house.receive(packed(world.site, None, key=new, sent_at=NOW + SECOND)).is_new


def test_what_was_sent_once_cannot_be_sent_again_by_whoever_saw_it(world: World) -> None:
    raw = raw_of(packed(world.site, world.load))
    world.house.receive(raw)
    with pytest.raises(Refused) as caught:
        world.house.receive(raw)
    assert (caught.value.status, caught.value.code) == (409, "push_replayed")
    earlier = packed(world.site, None, sent_at=NOW - SECOND)
    with pytest.raises(Refused) as caught:
        world.house.receive(earlier)
    assert caught.value.code == "push_replayed"


def test_the_same_load_signed_anew_is_kept_once(world: World) -> None:
    world.house.receive(packed(world.site, world.load))
    again = world.house.receive(packed(world.site, world.load, sent_at=NOW + SECOND))
    assert not again.is_new
    assert len(world.house.kept()) == 1
    world.house.take()
    third = world.house.receive(packed(world.site, world.load, sent_at=NOW + 2 * SECOND))
    assert not third.is_new
    assert not world.house.kept()


@pytest.mark.parametrize("cut", [1, HEAD_BYTES - 1, HEAD_BYTES + 5, -1])
def test_a_bundle_that_was_cut_is_not_kept(world: World, cut: int) -> None:
    error = refusal(world, raw_of(packed(world.site, world.load))[:cut])
    assert (error.status, error.code) == (400, "push_broken")


def test_a_bundle_with_something_behind_it_is_not_kept(world: World) -> None:
    assert refusal(world, raw_of(packed(world.site, world.load)) + b"x").code == "push_broken"


def test_one_changed_byte_anywhere_is_noticed(world: World) -> None:
    raw = raw_of(packed(world.site, world.load))
    step = max(1, len(raw) // 60)
    for place in range(0, len(raw), step):
        changed = bytearray(raw)
        changed[place] ^= 1
        with pytest.raises(Refused):
            world.house.receive(bytes(changed), piece=500)
        assert not world.house.kept(), place
        # A file that was changed is seen only after its statement was taken for good.
        places = world.house.settings.places
        (places.pushed / CODE / "seen.json").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("skew", "is_taken"),
    [
        (SKEW_AT_MOST, True),
        (-SKEW_AT_MOST + SECOND, True),
        (SKEW_AT_MOST + SECOND, False),
        (-SKEW_AT_MOST - SECOND, False),
    ],
)
def test_a_clock_may_be_wrong_by_ten_minutes(world: World, skew: timedelta, is_taken: bool) -> None:
    bundle = packed(world.site, None, sent_at=NOW + skew)
    if is_taken:
        assert world.house.receive(bundle).is_new
    else:
        error = refusal(world, bundle)
        assert (error.status, error.code) == (409, "push_clock_wrong")
        assert ("nhanh" if skew > timedelta(0) else "chậm") in error.text


@pytest.mark.parametrize(
    ("age", "code"),
    [
        (timedelta(minutes=-5), None),
        (timedelta(minutes=-5, seconds=-1), "push_from_the_future"),
        (timedelta(days=30), None),
        (timedelta(days=30, seconds=1), "push_too_old"),
    ],
)
def test_figures_are_neither_of_the_future_nor_of_long_ago(
    world: World, age: timedelta, code: str | None
) -> None:
    world.house.clock = FixedClock(world.load.observed_at + age)
    bundle = packed(world.site, world.load)
    if code is None:
        assert world.house.receive(bundle).is_new
    else:
        error = refusal(world, bundle)
        assert (error.status, error.code) == (422, code)


def test_a_bundle_may_be_as_large_as_the_limit_and_no_byte_larger(world: World) -> None:
    bundle = packed(world.site, world.load)
    settings = world.house.settings
    world.house.settings = replace(settings, push_max_bytes=bundle.length - 1)
    error = refusal(world, bundle)
    assert (error.status, error.code) == (413, "push_too_big")
    world.house.settings = replace(settings, push_max_bytes=bundle.length)
    assert world.house.receive(packed(world.site, world.load, sent_at=NOW + SECOND)).is_new


def test_a_long_statement_is_refused_before_it_is_read(world: World) -> None:
    start = MAGIC + struct.pack(">I", STATEMENT_BYTES_AT_MOST + 1)
    arrival = world.house.desk.open()
    with pytest.raises(Refused):
        arrival.feed(start)
    arrival.abort()


def test_nothing_is_written_before_it_is_known_who_sends(world: World) -> None:
    raw = raw_of(packed(world.site, world.load, key=Ed25519PrivateKey.generate()))
    arrival = world.house.desk.open()
    with pytest.raises(Refused):
        arrival.feed(raw)
    assert not world.house.settings.places.pushed.exists()


def test_a_site_whose_bundles_nobody_takes_is_told_to_wait(world: World) -> None:
    bundle = packed(world.site, world.load)
    world.house.settings = replace(world.house.settings, push_max_bytes=bundle.length)
    folder = world.house.settings.places.pushed / CODE
    folder.mkdir(parents=True)
    (folder / f"{CODE}-20231019T010000Z-0123456789.kscpush").write_bytes(bytes(4 * bundle.length))
    with pytest.raises(Refused) as caught:
        world.house.receive(bundle)
    assert (caught.value.status, caught.value.code) == (429, "push_too_many")


@pytest.mark.parametrize(
    "members",
    [
        {"server_code": "../dtp"},
        {"server_code": "dtp_872\n"},
        {"sent_at": "2023-10-20T02:00:00"},
        {"knock": "perhaps"},
        {"path": "/etc/passwd"},
        {"load": {"load_id": "../../x"}},
        {"load": {"estate_code": "kon_tum"}},
        {"load": {"rows_read_count": -1}},
        {"parts": [{"kind": "hosts", "size": -1, "sha256": "0" * 64}]},
        {"parts": [{"kind": "../x", "size": 0, "sha256": "0" * 64}]},
        {"parts": [{"kind": "hosts", "size": 0, "sha256": "0" * 64}] * 2},
    ],
)
def test_a_statement_says_what_it_may_and_nothing_else(
    world: World, members: dict[str, object]
) -> None:
    assert refusal(world, with_statement(world, **members)).code == "push_broken"


def test_a_sign_of_life_keeps_nothing_but_when_and_how(world: World) -> None:
    receipt = world.house.receive(packed(world.site, None, knock=Knock.REFUSED))
    assert receipt.load_id is None
    assert not world.house.kept()
    sign = signs.read(world.house.settings.places, CODE)
    assert sign == signs.Sign(sent_at=NOW, heard_at=NOW, knock=Knock.REFUSED)


def test_what_a_dead_process_left_half_written_goes_after_a_day(world: World) -> None:
    arrival = world.house.desk.open()
    arrival.feed(raw_of(packed(world.site, world.load))[:-1])
    (left,) = world.house.kept()
    assert left.endswith(".partial")
    places = world.house.settings.places
    now = datetime.now(UTC)
    day = timedelta(days=1)
    long = timedelta(days=90)
    assert not sweep(places, now, half_sent_for=day, refused_for=long)
    later = now + day + timedelta(minutes=1)
    assert sweep(places, later, half_sent_for=day, refused_for=long)
    assert not world.house.kept()
    arrival.abort()


def test_a_full_disk_is_told_before_the_body_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 10

    monkeypatch.setattr(desk_module.shutil, "disk_usage", lambda _: Usage)
    desk = replace(world.house.desk, free_space_mb=1, real_now=RealTime(NOW))
    with pytest.raises(Refused) as caught:
        desk.open().feed(raw_of(packed(world.site, world.load)))
    assert (caught.value.status, caught.value.code) == (507, "push_no_space")


def test_the_centre_reads_no_setting_of_the_site(world: World) -> None:
    assert settings_of(world.house.settings.home).push_max_bytes == 256 * 1024 * 1024


def test_a_refused_bundle_is_kept_for_its_days_and_no_longer(world: World) -> None:
    places = world.house.settings.places
    refused = desk_module.refused_folder(places) / CODE / "x.kscpush"
    refused.parent.mkdir(parents=True)
    refused.write_bytes(b"x")
    now = datetime.now(UTC)
    day, long = timedelta(days=1), timedelta(days=90)
    assert not sweep(places, now + timedelta(days=89), half_sent_for=day, refused_for=long)
    later = now + timedelta(days=90, minutes=1)
    assert sweep(places, later, half_sent_for=day, refused_for=long) == [refused]
