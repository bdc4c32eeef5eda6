"""A minimal valid scenario folder for tests, so that a test states only the facts that matter to it.

``write_estate(tmp_path / "thap_muoi", hosts=[host("TM-VP-01")])`` is a whole scenario: one
provincial server ``dtp`` with one healthy device. Every row may be given as a dict of the columns of
docs/scenarios.md; what a row leaves out is filled in here with something healthy.
"""

from __future__ import annotations

import csv
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
AT = "2023-10-20T08:00:00+07:00"
UNASSIGNED = "(unassigned)"
_NAMES = uuid.UUID("6c1f0c0e-1d0b-4c59-9f51-2f3d4a5b6c7d")


def host_id_of(name: str) -> str:
    """The id that :func:`host` gives a device of this name."""
    return str(uuid.uuid5(_NAMES, name))


def host(display_name: str = "TM-VP-01", **facts: Any) -> dict[str, Any]:
    """One healthy, installed, protected, connected device; ``facts`` override columns.

    ``server_code`` may be among the facts; without it the device lies on the first server.
    A fact of ``""`` or None leaves the cell blank (``agent_version=None``: no agent).
    """
    return {
        "host_id": host_id_of(display_name),
        "display_name": display_name,
        "os_name": "Microsoft Windows 10",
        "is_server": 0,
        "agent_version": "14.2.0.26967",
        "antivirus_version": "12.2.0.462",
        "rtp_state": 4,
        "bases": "-10h",
        "last_connected": "-5m",
        "last_visible": "-5m",
        "last_full_scan": "-3d",
        "created_at": "2022-10-01T08:00:00+07:00",
        "ip": "10.84.6.21",
        **facts,
    }


def server(server_code: str, parent_server_code: str = "", **facts: Any) -> dict[str, Any]:
    """One KSC server; without a parent it is a provincial one."""
    return {
        "server_code": server_code,
        "parent_server_code": parent_server_code,
        "display_name": f"KSC-{server_code.upper().replace('_', '-')}",
        "version": "14.2.0.26967",
        "is_passive": 0,
        "address": "10.84.6.10:13000",
        "clock_skew_seconds": 0,
        **facts,
    }


def write_estate(
    folder: Path,
    hosts: Iterable[Row] = (),
    *,
    servers: Sequence[Row] = (),
    groups: Iterable[Row] = (),
    keys: Iterable[Row] = (),
    detections: Iterable[Row] = (),
    events: Iterable[Row] = (),
    timeline: Sequence[Row] = ({"at": AT, "do": "collect"},),
    ends_at: str | None = None,
    estate_code: str = "dong_thap",
    figures: Sequence[Row] = (),
    units: Sequence[str] = (),
    letters: Sequence[Row] = (),
) -> Path:
    """Write a scenario into ``folder`` (whose name becomes the scenario's) and return the folder.

    Without ``servers`` there is one provincial server ``dtp``. Groups that devices name are added
    to groups.csv by themselves. Rows of ``hosts`` without ``server_code`` lie on the first server.
    ``figures`` are the entries of expected.yml; the registry's folder holds ``units`` and nothing
    more (without them each server's code is a unit), which is all that the simulator looks at.
    """
    all_servers = [dict(row) for row in servers] or [server("dtp")]
    first = str(all_servers[0]["server_code"])
    by_server: dict[str, list[dict[str, Any]]] = {}
    all_groups = [dict(row) for row in groups]
    known = {(row["server_code"], row["group_path"]) for row in all_groups}
    for row in hosts:
        facts = dict(row)
        code = str(facts.pop("server_code", first))
        by_server.setdefault(code, []).append(facts)
        path = facts.get("group_path") or ""
        if path not in ("", UNASSIGNED) and (code, path) not in known:
            known.add((code, path))
            all_groups.append({"server_code": code, "group_path": path})

    estate = folder / "estate"
    (estate / "hosts").mkdir(parents=True, exist_ok=True)
    scenario = {
        "name": folder.name,
        "title": "Kịch bản thử",
        "estate_code": estate_code,
        "timeline": [dict(row) for row in timeline],
        "ends_at": ends_at or (timeline[-1]["at"] if timeline else AT),
    }
    if letters:
        scenario["letters"] = [dict(row) for row in letters]
    # JSON is YAML, and needs no library here.
    (folder / "scenario.yml").write_text(json.dumps(scenario, ensure_ascii=False), "utf-8")
    (folder / "expected.yml").write_text(
        json.dumps({"figures": [dict(row) for row in figures]}, ensure_ascii=False), "utf-8"
    )
    registry = folder / "registry" / estate_code
    registry.mkdir(parents=True, exist_ok=True)
    codes = units or list(dict.fromkeys(str(row["server_code"]) for row in all_servers))
    write_csv(registry / "units.csv", [{"unit_code": code} for code in codes])
    write_csv(estate / "servers.csv", all_servers)
    write_csv(estate / "groups.csv", all_groups, ["server_code", "group_path"])
    for code, rows in by_server.items():
        write_csv(estate / "hosts" / f"{code}.csv", rows)
    for name, optional in (("keys", keys), ("detections", detections), ("events", events)):
        rows = [dict(row) for row in optional]
        if rows:
            write_csv(estate / f"{name}.csv", rows)
    return folder


def write_csv(file: Path, rows: Sequence[Row], header: Sequence[str] = ()) -> None:
    """Write rows as CSV; the header is the union of their columns; None is a blank cell."""
    columns = list(dict.fromkeys([*header, *(name for row in rows for name in row)]))
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, restval="")
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)
