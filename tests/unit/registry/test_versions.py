from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ksc_ledger import settings as settings_module
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import RegistryError, in_force, load, version
from ksc_ledger.settings import Settings
from unit.registry.registry_folder import UNITS, write_registry

WRONG = UNITS.replace(",tinh,", ",,")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = settings_module.load({"KSC_LEDGER_HOME": str(tmp_path / "home")})
    return replace(made, registry=write_registry(tmp_path / "registry"))


def kept(settings: Settings) -> list[str]:
    return sorted(file.name for file in settings.places.registry_versions.iterdir())


def test_a_good_registry_is_in_force_and_kept_as_a_version(settings: Settings) -> None:
    found = in_force(settings)
    assert found.registry == load(settings.registry)
    assert found.mistakes == ()
    assert not found.is_last_good
    assert kept(settings) == sorted([found.registry.sha256, "last_good"])


def test_a_version_reads_back_the_same(settings: Settings) -> None:
    registry = in_force(settings).registry
    assert version(settings, registry.sha256) == registry


def test_looking_again_changes_nothing_on_the_disk(settings: Settings) -> None:
    in_force(settings)
    places = settings.places.registry_versions
    before = {file: file.stat().st_mtime_ns for file in places.rglob("*")}
    in_force(settings)
    assert {file: file.stat().st_mtime_ns for file in places.rglob("*")} == before


def test_wrong_files_leave_the_last_good_registry_in_force(settings: Settings) -> None:
    good = in_force(settings).registry
    write_registry(settings.registry, {"units.csv": WRONG})

    found = in_force(settings)

    assert found.is_last_good
    assert found.registry == good
    assert [(one.row, one.field) for one in found.mistakes] == [(2, "unit_kind")]


def test_a_missing_folder_leaves_the_last_good_registry_in_force(settings: Settings) -> None:
    good = in_force(settings).registry
    found = in_force(replace(settings, registry=settings.registry / "gone"))
    assert (found.registry, found.is_last_good) == (good, True)


def test_the_newest_good_registry_is_the_last_good_one(settings: Settings) -> None:
    old = in_force(settings).registry
    write_registry(settings.registry, {"units.csv": UNITS.replace("Nội vụ", "Tư pháp")})
    new = in_force(settings).registry
    write_registry(settings.registry, {"units.csv": WRONG})

    assert in_force(settings).registry == new
    assert version(settings, old.sha256) == old


def test_going_back_to_an_earlier_registry_makes_it_the_last_good_one(settings: Settings) -> None:
    old = in_force(settings).registry
    write_registry(settings.registry, {"units.csv": UNITS.replace("Nội vụ", "Tư pháp")})
    in_force(settings)
    write_registry(settings.registry)
    in_force(settings)
    write_registry(settings.registry, {"units.csv": WRONG})

    assert in_force(settings).registry == old


def test_wrong_files_from_the_start_are_refused(settings: Settings) -> None:
    write_registry(settings.registry, {"units.csv": WRONG})
    with pytest.raises(RegistryError) as caught:
        in_force(settings)
    assert len(caught.value.mistakes) == 1
    assert not settings.places.registry_versions.exists()


def test_a_half_written_version_is_not_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: Path, target: Path) -> Path:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "rename", stop)
    with pytest.raises(OSError, match="no space"):
        in_force(settings)
    assert kept(settings) == []

    monkeypatch.undo()
    assert not in_force(settings).is_last_good


def test_a_version_that_another_process_kept_meanwhile_is_as_good(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def lose_the_race(self: Path, target: Path) -> Path:
        target.mkdir()
        for file in self.rglob("*"):
            if file.is_dir():
                (target / file.relative_to(self)).mkdir()
            else:
                (target / file.relative_to(self)).write_bytes(file.read_bytes())
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", lose_the_race)
    registry = in_force(settings).registry
    assert version(settings, registry.sha256) == registry
    assert kept(settings) == sorted([registry.sha256, "last_good"])


def test_an_altered_version_is_refused(settings: Settings) -> None:
    sha256 = in_force(settings).registry.sha256
    write_registry(
        settings.places.registry_versions / sha256,
        {"units.csv": UNITS.replace("Nội vụ", "Tư pháp")},
    )
    with pytest.raises(LedgerError) as caught:
        version(settings, sha256)
    assert caught.value.code == "registry_version_altered"


@pytest.mark.parametrize("sha256", ["0" * 64, "..", "last_good", ""])
def test_a_version_that_was_never_kept_is_refused(settings: Settings, sha256: str) -> None:
    in_force(settings)
    with pytest.raises(LedgerError) as caught:
        version(settings, sha256)
    assert caught.value.code == "registry_version_missing"
