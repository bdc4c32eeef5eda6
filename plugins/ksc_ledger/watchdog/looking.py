"""One look at what the pipeline leaves behind when it runs: rows, manifests, versions, room.

Nothing of Airflow is asked: a scheduler that hangs may still answer that it is well.
"""

from __future__ import annotations

import os
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ksc_ledger.errors import LedgerError
from ksc_ledger.settings import Places, Settings
from ksc_ledger.state import open_state, reading
from ksc_ledger.state.outbox import MailStatus
from ksc_ledger.state.tables import LINK_WATCH, OUTBOX
from ksc_ledger.watchdog.judging import Sighting

# The instant in the name of a manifest: <server>-<observed_at>-<digest>.json
_OBSERVED_AT = re.compile(r"-(\d{8}T\d{6})Z-[0-9a-f]+\.json")
_DEAD_LATELY = timedelta(days=1)


def look(settings: Settings, now: datetime, real_now: datetime) -> Sighting:
    """See how old everything is. ``now`` is on the mode's clock, files are made in real time."""
    places = settings.places
    newest_load = newest_load_at(places.snapshot)
    sighting = Sighting(
        at=now,
        free_bytes=shutil.disk_usage(_nearest(places.home)).free,
        load_age=None if newest_load is None else _age(newest_load, now),
        published_age=_file_age(places.marts_file, real_now),
    )
    try:
        return _with_state(sighting, settings.state_url, now, estates_in_force(places))
    except LedgerError as error:
        return _with_error(sighting, error.text)
    except Exception as error:  # whatever a driver raises, it means: not readable
        return _with_error(sighting, f"{type(error).__name__}: {error}")


def newest_load_at(snapshot: Path) -> datetime | None:
    """When a server was last asked, by the names of the manifests of each server's last month."""
    newest = ""
    for server in _names(snapshot):
        months = sorted(_names(snapshot / server))
        for name in _names(snapshot / server / months[-1]) if months else ():
            found = _OBSERVED_AT.search(name)
            if found:
                newest = max(newest, found[1])
    return datetime.strptime(newest, "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if newest else None


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone, of thousands of files
    except (FileNotFoundError, NotADirectoryError):
        return []


def estates_in_force(places: Places) -> frozenset[str] | None:
    """The estates of the registry that the pipeline last worked with; None when none was ever good.

    A version of the registry is a folder with a folder an estate; whoever loads a good one points at it.
    """
    try:
        sha256 = places.registry_in_force.read_text("ascii").strip()
        return frozenset(
            one.name for one in (places.registry_versions / sha256).iterdir() if one.is_dir()
        )
    except (FileNotFoundError, NotADirectoryError):
        return None


def _with_state(
    sighting: Sighting, url: str, now: datetime, estates: frozenset[str] | None
) -> Sighting:
    engine = open_state(url)
    try:
        with reading(engine) as connection:
            ticks = connection.execute(LINK_WATCH.select()).all()
            pending = OUTBOX.c.status == MailStatus.PENDING.value
            dead = OUTBOX.c.status == MailStatus.DEAD.value
            waiting = connection.execute(OUTBOX.select().where(pending)).all()
            given_up = connection.execute(
                OUTBOX.select().where(dead, OUTBOX.c.finished_at > now - _DEAD_LATELY)
            ).all()
    finally:
        engine.dispose()
    # Of several estates the slowest counts: each has ticks of its own. One that has left the registry
    # is watched no longer, and its last tick only grows older.
    ticked = [
        row.ticked_at
        for row in ticks
        if row.ticked_at is not None and (estates is None or row.estate_code in estates)
    ]
    return Sighting(
        at=sighting.at,
        free_bytes=sighting.free_bytes,
        load_age=sighting.load_age,
        published_age=sighting.published_age,
        tick_age=_age(min(ticked), now) if ticked else None,
        waiting_age=_age(min(row.created_at for row in waiting), now) if waiting else None,
        waiting_count=len(waiting),
        dead_count=len(given_up),
    )


def _with_error(sighting: Sighting, text: str) -> Sighting:
    return Sighting(
        at=sighting.at,
        free_bytes=sighting.free_bytes,
        load_age=sighting.load_age,
        published_age=sighting.published_age,
        state_error=text,
    )


def _file_age(file: Path, real_now: datetime) -> timedelta | None:
    try:
        made_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except FileNotFoundError:
        return None
    return _age(made_at, real_now)


def _age(at: datetime, now: datetime) -> timedelta:
    return max(now - at, timedelta())


def _nearest(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return next(one for one in (path, *path.parents) if one.exists())
