"""How a method is made known to the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ksc_ledger.simulator.arguments import Arguments
from ksc_ledger.simulator.estate import Estate
from ksc_ledger.simulator.server import SimulatedServer
from ksc_ledger.simulator.sessions import Session
from ksc_ledger.simulator.wire import Answer


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    ``entrance`` is the server that was dialled and owns the session; ``server`` is the one that
    answers, which behind a gateway is another.
    """

    method: str
    arguments: Arguments
    entrance: SimulatedServer
    server: SimulatedServer
    session: Session
    estate: Estate


Handler = Callable[[Call], Answer]


@dataclass(frozen=True, slots=True)
class Method:
    handler: Handler
    argument_names: str


METHODS: Final[dict[str, Method]] = {}


def method(name: str, argument_names: str = "") -> Callable[[Handler], Handler]:
    """Register a handler for ``Class.Method``; see Arguments for how names are written."""

    def register(handler: Handler) -> Handler:
        METHODS[name] = Method(handler, argument_names)
        return handler

    return register
