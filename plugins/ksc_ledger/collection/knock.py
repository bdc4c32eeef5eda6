"""Whether a server's door is there: TCP and TLS, no login, no question."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.sources.faults import CallFault, Trouble
from ksc_ledger.sources.transport import Transport


class KnockOutcome(StrEnum):
    OK = "ok"  # it answers, and its certificate is the known one
    REFUSED = "refused"  # nobody listens, no route, or it hangs up during the handshake
    TIMEOUT = "timeout"
    DNS = "dns"
    CERTIFICATE = "certificate"
    PROTOCOL = "protocol"  # something listens that does not speak TLS 1.2 or later


@dataclass(frozen=True, slots=True)
class Knock:
    """``text`` is Vietnamese and for officials."""

    outcome: KnockOutcome
    text: str


_OUTCOMES = {
    Trouble.DNS: KnockOutcome.DNS,
    Trouble.REFUSED: KnockOutcome.REFUSED,
    Trouble.DROPPED: KnockOutcome.REFUSED,
    Trouble.TIMEOUT: KnockOutcome.TIMEOUT,
    Trouble.CERTIFICATE: KnockOutcome.CERTIFICATE,
    Trouble.PROTOCOL: KnockOutcome.PROTOCOL,
}


def knock(endpoint: Endpoint, budget: Budget) -> Knock:
    """Connect once and hang up. Takes ``connect_seconds`` for each address, and as much for TLS."""
    try:
        with Transport(endpoint, budget) as transport:
            transport.connect()
    except CallFault as fault:
        return Knock(_OUTCOMES[fault.trouble], str(fault))
    return Knock(KnockOutcome.OK, f"Máy chủ {endpoint.label} nhận kết nối.")
