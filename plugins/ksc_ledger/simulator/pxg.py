"""Business errors: HTTP 200 with a ``PxgError`` container.

The vendor's numbers behind the symbolic names are not public. Every number of this product's
simulator stands in ``INVENTED_CODES`` and is invented; nobody may branch on one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from ksc_ledger.simulator import wire


class Symbol(StrEnum):
    NOTFOUND = "STDE_NOTFOUND"
    NOACCESS = "STDE_NOACCESS"
    NOTPERM = "STDE_NOTPERM"
    EXIST = "STDE_EXIST"
    BADPARAM = "STDE_BADPARAM"
    BADFORMAT = "STDE_BADFORMAT"
    UNAVAIL = "STDE_UNAVAIL"
    TOOBIG = "STDE_TOOBIG"
    NOMEMORY = "STDE_NOMEMORY"


INVENTED_CODES: Final = {
    Symbol.NOTFOUND: 9001,
    Symbol.NOACCESS: 9002,
    Symbol.NOTPERM: 9003,
    Symbol.EXIST: 9004,
    Symbol.BADPARAM: 9005,
    Symbol.BADFORMAT: 9006,
    Symbol.UNAVAIL: 9007,
    Symbol.TOOBIG: 9008,
    Symbol.NOMEMORY: 9009,
}


class BusinessError(Exception):
    """A method refuses. ``subject`` names what the error is about (an accessor, an argument)."""

    def __init__(self, symbol: Symbol, message: str, subject: str = "") -> None:
        super().__init__(message)
        self.symbol = symbol
        self.message = message
        self.subject = subject

    def answer(self) -> wire.Answer:
        error: dict[str, wire.Member] = {
            "code": INVENTED_CODES[self.symbol],
            "subcode": 0,
            "module": "KLSTD",
            "file": "sim/method.cpp",
            "line": 88,
            "message": f"{self.symbol}: {self.message}",
        }
        if self.subject:
            error["locdata"] = wire.Params(
                {
                    "format-id": 15,
                    "format": "%1",
                    "locmodule": "klsrv",
                    "args": wire.Array([self.subject]),
                }
            )
        return wire.Answer(out={"PxgError": wire.Params(error)})


def not_found(what: str, which: object) -> BusinessError:
    return BusinessError(Symbol.NOTFOUND, f"Object not found: {what} '{which}'", str(which))


def bad_argument(message: str, name: str) -> BusinessError:
    return BusinessError(Symbol.BADPARAM, message, name)
