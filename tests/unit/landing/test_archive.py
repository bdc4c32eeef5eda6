"""Raw files: whole under their final name, readable under ``.partial``, closed to others."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from ksc_ledger.landing.archive import Archive
from ksc_ledger.settings import Places

AT = datetime(2022, 10, 12, 23, 30, tzinfo=UTC)
FOLDER = "landing/raw/dtp_872/2022-10-12"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "home")


def unpacked(file: Path) -> bytes:
    """Everything that can be read from a zstd file, ended or not."""
    reader = zstandard.ZstdDecompressor().stream_reader(file.read_bytes(), read_across_frames=True)
    return reader.read()


def members(file: Path, *, is_ended: bool = True) -> dict[str, bytes]:
    plain = file.with_suffix(".tar")
    plain.write_bytes(unpacked(file) + (b"" if is_ended else bytes(1024)))
    with tarfile.open(plain) as tar:
        found = {one.name: tar.extractfile(one) for one in tar}
        result = {name: body.read() for name, body in found.items() if body is not None}
    plain.unlink()
    return result


def files(places: Places) -> list[str]:
    return sorted(one.name.split(".", 1)[1] for one in (places.home / FOLDER).glob("*"))


def test_bodies_lie_in_one_tar_in_the_order_in_which_they_came(places: Places) -> None:
    with Archive(places, "dtp_872", AT) as archive:
        archive.keep("HostGroup.FindHosts", 200, b'{"a":1}', is_whole=True)
        archive.keep("HostGroup.FindHosts", 503, b"busy", is_whole=True)
        archive.keep("ChunkAccessor.GetItemsChunk", 200, b'{"b', is_whole=False)
        archive.keep("ChunkAccessor.GetItemsChunk", 200, "Phòng".encode(), is_whole=True)
    assert archive.raw_path is not None
    assert archive.raw_path.startswith(f"{FOLDER}/20221012T233000Z-")
    assert members(places.home / archive.raw_path) == {
        "0001-HostGroup.FindHosts.json": b'{"a":1}',
        "0002-HostGroup.FindHosts.http503.json": b"busy",
        "0003-ChunkAccessor.GetItemsChunk.cut.json": b'{"b',
        "0004-ChunkAccessor.GetItemsChunk.json": "Phòng".encode(),
    }


def test_the_tar_is_one_that_tar_itself_reads(places: Places) -> None:
    with Archive(places, "dtp_872", AT) as archive:
        archive.keep("A.B", 200, b"x" * 100_000, is_whole=True)
    assert archive.raw_path is not None
    tar = subprocess.run(
        ["tar", "-tf", "-"],  # noqa: S607
        input=unpacked(places.home / archive.raw_path),
        capture_output=True,
        check=True,
    )
    assert tar.stdout == b"0001-A.B.json\n"


def test_nothing_received_leaves_nothing(places: Places) -> None:
    with Archive(places, "dtp_872", AT) as archive:
        archive.rows("hosts")
    assert (archive.raw_path, archive.rows_path("hosts")) == (None, None)
    assert not places.raw.exists()


def test_rows_are_one_object_a_line(places: Places) -> None:
    with Archive(places, "dtp_872", AT) as archive:
        rows = archive.rows("hosts")
        rows.begin(3)
        rows.write([b'{"a":1}', memoryview(b'{"a":2}')])
        rows.write([])
        rows.write([b'{"a":3}'])
        rows.finish()
    path = archive.rows_path("hosts")
    assert path is not None
    assert path.endswith(".hosts.ndjson.zst")
    assert unpacked(places.home / path) == b'{"a":1}\n{"a":2}\n{"a":3}\n'
    assert (rows.count, rows.expected) == (3, 3)


def test_a_new_set_forgets_the_old_one_wholly(places: Places) -> None:
    with Archive(places, "dtp_872", AT) as archive:
        rows = archive.rows("hosts")
        rows.begin(1000)
        rows.write([os.urandom(100).hex().encode() for _ in range(1000)])
        rows.begin(1)
        assert rows.count == 0
        rows.write([b"{}"])
        rows.finish()
    path = archive.rows_path("hosts")
    assert path is not None
    assert unpacked(places.home / path) == b"{}\n"


def test_no_rows_at_all_is_an_empty_file_and_not_a_missing_one(places: Places) -> None:
    with Archive(places, "dtp_872", AT) as archive:
        archive.rows("hosts").begin(0)
        archive.rows("hosts").finish()
    path = archive.rows_path("hosts")
    assert path is not None
    assert unpacked(places.home / path) == b""


def test_rows_never_finished_keep_the_mark_and_have_no_path(places: Places) -> None:
    with Archive(places, "dtp_872", AT) as archive:
        archive.rows("hosts").begin(2)
        archive.rows("hosts").write([b"{}"])
    assert archive.rows_path("hosts") is None
    assert files(places) == ["hosts.ndjson.zst.partial"]
    assert unpacked(next((places.home / FOLDER).glob("*"))) == b"{}\n"


def test_rows_need_a_beginning(places: Places) -> None:
    with Archive(places, "dtp_872", AT) as archive:
        with pytest.raises(ValueError, match="begin"):
            archive.rows("hosts").write([b"{}"])
        with pytest.raises(ValueError, match="begin"):
            archive.rows("hosts").finish()


def test_an_archive_left_by_an_exception_is_kept_and_marked(places: Places) -> None:
    archive = Archive(places, "dtp_872", AT)
    with suppress(RuntimeError), archive:
        archive.keep("A.B", 200, b"{}", is_whole=True)
        archive.rows("groups").begin(1)
        raise RuntimeError
    assert files(places) == ["groups.ndjson.zst.partial", "tar.zst.partial"]
    assert archive.raw_path is not None
    assert archive.raw_path.endswith(".tar.zst.partial")
    assert members(places.home / archive.raw_path) == {"0001-A.B.json": b"{}"}


def test_a_body_can_be_read_even_when_the_process_is_killed_right_after(
    places: Places,
) -> None:
    program = f"""
        import os, signal
        from datetime import datetime
        from pathlib import Path
        from ksc_ledger.landing.archive import Archive
        from ksc_ledger.settings import Places
        archive = Archive(
            Places(Path({str(places.home)!r})), "dtp_872", datetime.fromisoformat("{AT}")
        )
        archive.keep("A.B", 200, b"first", is_whole=True)
        archive.keep("A.C", 200, b"second" * 5, is_whole=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False)
    (partial,) = (places.home / FOLDER).glob("*.tar.zst.partial")
    assert members(partial, is_ended=False) == {
        "0001-A.B.json": b"first",
        "0002-A.C.json": b"second" * 5,
    }


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_files_and_folders_are_closed_to_others_whatever_the_umask(places: Places) -> None:
    with Archive(places, "dtp_872", AT) as archive:
        archive.keep("A.B", 200, b"{}", is_whole=True)
        archive.rows("hosts").begin(0)
        archive.rows("hosts").finish()
    made = [one for one in places.home.rglob("*") if one.is_file()]
    assert len(made) == 2
    assert {stat.S_IMODE(one.stat().st_mode) for one in made} == {0o640}
    folders = [one for one in places.home.rglob("*") if one.is_dir()]
    assert {stat.S_IMODE(one.stat().st_mode) for one in folders} == {0o750}


def test_two_attempts_at_one_instant_do_not_meet(places: Places) -> None:
    for _ in range(2):
        with Archive(places, "dtp_872", AT) as archive:
            archive.keep("A.B", 200, b"{}", is_whole=True)
    assert len(list((places.home / FOLDER).glob("*.tar.zst"))) == 2


def test_a_disk_that_is_full_at_the_end_loses_neither_error_nor_body(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    archive = Archive(places, "dtp_872", AT)
    archive.keep("A.B", 200, b"{}", is_whole=True)
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        archive.close()
    archive.abort()
    assert files(places) == ["tar.zst.partial"]
