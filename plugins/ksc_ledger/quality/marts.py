"""The gate over the marts, before they are published: whether the figures add up.

The same relation under the same suite gets the same verdicts: these are remembered, and Great
Expectations (seconds to import) is not asked again. Most builds only bring in a mail or a link.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ksc_ledger import __version__
from ksc_ledger.quality.gate import judge
from ksc_ledger.quality.suites import suite_names
from ksc_ledger.settings import Places

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "marts"


def judge_marts(
    tables: Mapping[str, pa.Table], *, root: Path, places: Places
) -> tuple[list[dict[str, Any]], bool]:
    """The verdicts of every suite ``marts.<relation>``, and whether they were newly found.

    Every relation given has its suite and the reverse, else KeyError. Raises BrokenExpectation.
    """
    names = [name for name in suite_names(root) if name.startswith(f"{FOLDER}.")]
    wanted = {name.removeprefix(f"{FOLDER}.") for name in names}
    if wanted != set(tables):
        raise KeyError(f"suites and relations differ: {sorted(wanted ^ set(tables))}")
    memory = places.state / "marts_verdicts.json"
    known = _remembered(memory)
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        relation = name.removeprefix(f"{FOLDER}.")
        key = _key(tables[relation], root / FOLDER / f"{relation}.json")
        found[name] = known.get(name, {})
        if found[name].get("key") != key:
            verdicts = [
                {**verdict.to_json(), "remedy": verdict.remedy}
                for verdict in judge(tables[relation].to_pandas(), name, root=root)
            ]
            found[name] = {"key": key, "verdicts": verdicts}
    is_news = found != known
    if is_news:
        memory.parent.mkdir(parents=True, exist_ok=True)
        beside = memory.with_suffix(f".{os.getpid()}.tmp")
        beside.write_text(json.dumps(found, ensure_ascii=False), "utf-8")
        beside.replace(memory)
    return [verdict for one in found.values() for verdict in one["verdicts"]], is_news


def _key(table: pa.Table, suite: Path) -> str:
    import pyarrow as pa

    digest = hashlib.sha256(__version__.encode())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    digest.update(sink.getvalue())
    digest.update(suite.read_bytes())
    return digest.hexdigest()


def _remembered(memory: Path) -> dict[str, dict[str, Any]]:
    """By the suite: the ``key`` of what was judged, and the ``verdicts``."""
    try:
        found: dict[str, Any] = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # then they are judged
    return {name: one for name, one in found.items() if isinstance(one, dict)}
