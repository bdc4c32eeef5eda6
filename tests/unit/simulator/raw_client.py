"""A bare client of the protocol for these tests: it shares no code with the product's own."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from ksc_ledger.simulator import Simulator


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def result(self) -> Any:
        """``PxgRetVal``; fails on a business error."""
        assert self.status == 200, self
        assert "PxgError" not in self.json, self.json
        return self.json.get("PxgRetVal")

    @property
    def error(self) -> str:
        """The text of a business error."""
        assert self.status == 200, self
        return str(self.json["PxgError"]["message"])


class RawClient:
    def __init__(self, sim: Simulator, code: str = "dtp", *, ca_file: str | None = None) -> None:
        self.address = sim.ports["servers"][code]
        self.password = sim.password(code)
        context = ssl.create_default_context(cafile=ca_file or self.address["certificate"])
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 does by itself
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", self.address["port"], context=context, timeout=10
        )
        self.session = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.connection.close()

    def basic(self, password: str | None = None, tail: str = ', internal="1"') -> str:
        user = base64.b64encode(self.address["login"].encode()).decode()
        word = base64.b64encode((password or self.password).encode()).decode()
        return f'KSCBasic user="{user}", pass="{word}"{tail}'

    def send(
        self, verb: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Reply:
        self.connection.request(verb, path, body, headers or {})
        response = self.connection.getresponse()
        return Reply(response.status, dict(response.headers), response.read())

    def call(self, method: str, arguments: dict[str, Any] | None = None, **headers: str) -> Reply:
        """Call a method; header names are written with ``_`` for ``-``."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.session:
            sent.setdefault("X-KSC-Session", self.session)
        body = json.dumps(arguments or {}).encode()
        return self.send("POST", f"/api/v1.0/{method}", body, sent)

    def log_in(self) -> Self:
        self.session = self.call("Session.StartSession", Authorization=self.basic()).result
        return self

    def find_hosts(
        self, text: str = "", *fields: str, order: tuple[str, bool] | None = None
    ) -> Reply:
        keys = []
        if order:
            value = {"Name": order[0], "Asc": order[1]}
            keys = [{"type": "params", "value": value}]
        return self.call(
            "HostGroup.FindHosts",
            {
                "wstrFilter": text,
                "vecFieldsToReturn": list(fields or ("KLHST_WKS_DN",)),
                "vecFieldsToOrder": keys,
                "pParams": {},
                "lMaxLifeTime": 600,
            },
        )

    def chunk(self, accessor: str, start: int = 0, count: int = 1000) -> Reply:
        return self.call(
            "ChunkAccessor.GetItemsChunk",
            {"strAccessor": accessor, "nStart": start, "nCount": count},
        )

    def hosts(
        self, text: str = "", *fields: str, order: tuple[str, bool] | None = None
    ) -> list[dict[str, Any]]:
        """Every device of a filter, its members still typed as on the wire."""
        found = self.find_hosts(text, *fields, order=order)
        assert found.result is not None
        return elements(self.chunk(found.json["strAccessor"], 0, max(found.result, 1)))

    def names(self, text: str) -> list[str]:
        order = ("KLHST_WKS_DN", True)
        return [row["KLHST_WKS_DN"] for row in self.hosts(text, "KLHST_WKS_DN", order=order)]


def elements(reply: Reply) -> list[dict[str, Any]]:
    """The containers of a chunk."""
    assert reply.result is not None
    array = reply.json["pChunk"]["KLCSP_ITERATOR_ARRAY"]
    assert all(set(item) == {"type", "value"} and item["type"] == "params" for item in array)
    return [item["value"] for item in array]
