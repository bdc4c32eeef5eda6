"""What the tasks of ``keep_house`` do."""

from __future__ import annotations

import logging
from datetime import datetime

from airflow.sdk import get_current_context

from ksc_ledger import __version__
from ksc_ledger import settings as settings_module
from ksc_ledger.clock import clock_of
from ksc_ledger.orchestration.instants import as_of_at
from ksc_ledger.orchestration.process import die_with_parent

log = logging.getLogger(__name__)


def back_up_and_try() -> str:
    """Back up, restore into a scratch folder, compare; the backup's name."""
    from ksc_ledger.warehouse import backup

    die_with_parent()
    settings = settings_module.load()
    folder = backup.back_up(settings, code_version=__version__, now=_instant())
    log.info("Đã sao lưu vào %s", folder)
    log.info("%s", backup.drill(settings, folder))
    return folder.name


def retain() -> None:
    """Take away what is older than the settings say, and tend a shared warehouse."""
    from ksc_ledger.warehouse import housekeeping, lake_upkeep

    die_with_parent()
    settings = settings_module.load()
    log.info("%s", housekeeping.retain(settings, now=_instant()))
    tended = lake_upkeep.tend(settings)
    if tended is not None:
        log.info("%s", tended)


def publish_unit_files() -> None:
    """Bring every unit's own file up to the published version."""
    from ksc_ledger.warehouse.unit_files import publish_units

    die_with_parent()
    log.info("%s", publish_units(settings_module.load()))


def check_space() -> int:
    """The free megabytes; fails when they are too few."""
    from ksc_ledger.warehouse import housekeeping

    return housekeeping.check_space(settings_module.load())


def _instant() -> datetime:
    """Raises AirflowSkipException while a rehearsal is driven and the driver did not ask."""
    places = settings_module.load().places
    return as_of_at(get_current_context()["dag_run"].conf, clock_of(places))
