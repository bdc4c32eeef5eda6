"""The gate over the marts, before they are published: whether the figures add up.

The same relations under the same suites get the same verdicts: these are remembered, and Great
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
    key = _key(tables, [root / FOLDER / f"{name}.json" for name in sorted(wanted)])
    known = _remembered(memory)
    if known.get("key") == key:
        return list(known["verdicts"]), False
    verdicts = [
        {**verdict.to_json(), "remedy": verdict.remedy}
        for name in names
        for verdict in judge(tables[name.removeprefix(f"{FOLDER}.")].to_pandas(), name, root=root)
    ]
    memory.parent.mkdir(parents=True, exist_ok=True)
    beside = memory.with_suffix(f".{os.getpid()}.tmp")
    beside.write_text(json.dumps({"key": key, "verdicts": verdicts}, ensure_ascii=False), "utf-8")
    beside.replace(memory)
    return verdicts, True


def _key(tables: Mapping[str, pa.Table], suites: list[Path]) -> str:
    import pyarrow as pa

    digest = hashlib.sha256(__version__.encode())
    for name, table in sorted(tables.items()):
        digest.update(name.encode())
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table.combine_chunks())
        digest.update(sink.getvalue())
    for path in suites:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _remembered(memory: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(memory.read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # then they are judged
    return found
