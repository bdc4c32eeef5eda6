"""A shorter timeline over the same estates: the scenarios as they are, at some of their instants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def cut(scenario: Path, into: Path, instants: frozenset[str]) -> Path:
    """The scenario with those instants (ISO 8601, as its file has them) and what is expected then."""
    into.mkdir(parents=True)
    for one in scenario.iterdir():
        if one.name not in {"scenario.yml", "expected.yml"}:
            (into / one.name).symlink_to(one)
    plan = _read(scenario / "scenario.yml")
    plan["timeline"] = [one for one in plan["timeline"] if str(one["at"]) in instants]
    days = {str(one["at"])[:10] for one in plan["timeline"] if one["do"] == "collect"}
    plan["letters"] = [one for one in plan.get("letters", []) if str(one["as_of"]) in days]
    expected = _read(scenario / "expected.yml")
    expected["figures"] = [one for one in expected["figures"] if str(one["as_of_date"]) in days]
    for name, content in (("scenario.yml", plan), ("expected.yml", expected)):
        (into / name).write_text(yaml.safe_dump(content, allow_unicode=True), "utf-8")
    return into


def _read(file: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(file.read_text("utf-8")))
