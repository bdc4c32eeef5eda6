"""The strictest ``[edge] jwt_verifier`` that can be written: a token's issuer is the worker's name."""

from __future__ import annotations

from typing import Any


def verify(claims: dict[str, Any], context: Any) -> dict[str, bool]:
    """Let a token act only as the worker that its issuer says it is."""
    own = f"/{claims.get('iss')}"
    is_about_a_worker = context.method.startswith(("worker/", "jobs/fetch/"))
    return {"authorized": not is_about_a_worker or context.method.endswith(own)}
