"""What a hurried person writes: requests, json_normalize, append. No history, no raw copy."""

from __future__ import annotations

from bench.meter import Meter, order

meter = Meter()

import json  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import duckdb  # noqa: E402
import pandas as pd  # noqa: E402
import requests  # noqa: E402

from bench.digest import digest  # noqa: E402
from bench.rows import INSTANTS, LONGS, TYPED  # noqa: E402
from bench.wire_client import PREFIX, bodies  # noqa: E402

COLUMNS = {
    name: f'"value.{name}.value"' if name in (*INSTANTS, *LONGS) else f'"value.{name}"'
    for name in TYPED
}


def main() -> None:
    asked = order()
    meter.imports_done()
    file = Path(asked["home"]) / "naive.duckdb"
    landed = []
    for day, step in enumerate(("first", "second")):
        with meter.step(step):
            session = requests.Session()
            url = f"https://127.0.0.1:{asked['ports'][day]}{PREFIX}"

            def post(method: str, arguments: dict[str, Any]) -> bytes:
                answer = session.post(url + method, json=arguments, verify=asked["ca_file"])  # noqa: B023
                answer.raise_for_status()
                return answer.content

            items = []
            for body in bodies(post, asked["chunk_size"]):
                items.extend(json.loads(body)["pChunk"]["KLCSP_ITERATOR_ARRAY"])
            frame = pd.json_normalize(items)
            with duckdb.connect(str(file), config={"threads": 1}) as con:
                con.register("given", frame)
                con.execute(f"create table day{day} as from given")
        with duckdb.connect(str(file), read_only=True) as con:
            landed.append(digest(con, f"day{day}", COLUMNS))
    meter.report(landed=landed)


if __name__ == "__main__":
    main()
