"""The fewest calls that fetch all hosts, for competitors and the floor: what one would write first.

The certificate is given explicitly; nothing is taken from the environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Protocol

from bench.rows import ATTRIBUTES

PREFIX = "/api/v1.0/"
FIND = {
    "wstrFilter": "",
    "vecFieldsToReturn": list(ATTRIBUTES),
    "vecFieldsToOrder": [],
    "pParams": {"KLGRP_FIND_FROM_CUR_VS_ONLY": True},
    "lMaxLifeTime": 1800,
}


class Post(Protocol):
    """One call: method and arguments in, the body out."""

    def __call__(self, method: str, arguments: dict[str, Any]) -> bytes: ...


def over_urllib3(port: int, ca_file: str) -> Post:
    """Calls over one kept connection of urllib3, the cheapest of the usual clients."""
    import urllib3

    pool = urllib3.HTTPSConnectionPool("127.0.0.1", port, ca_certs=ca_file, maxsize=1)

    def post(method: str, arguments: dict[str, Any]) -> bytes:
        response = pool.request("POST", PREFIX + method, body=json.dumps(arguments).encode())
        if response.status != 200:
            raise ConnectionError(f"{method}: {response.status}")
        return response.data

    return post


def bodies(post: Post, chunk_size: int) -> Iterator[bytes]:
    """The body of every chunk of all hosts, in order."""
    post("Session.StartSession", {})
    found = json.loads(post("HostGroup.FindHosts", FIND))
    for start in range(0, found["PxgRetVal"], chunk_size):
        yield post(
            "ChunkAccessor.GetItemsChunk",
            {"strAccessor": found["strAccessor"], "nStart": start, "nCount": chunk_size},
        )
    post("Session.EndSession", {})
