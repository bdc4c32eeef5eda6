"""Session.* besides StartSession, which belongs to logging in."""

from __future__ import annotations

from ksc_ledger.simulator.methods.registry import Call, method
from ksc_ledger.simulator.wire import Answer


@method("Session.Ping")
def ping(call: Call) -> Answer:
    return Answer()


@method("Session.EndSession")
def end_session(call: Call) -> Answer:
    call.entrance.sessions.end(call.session.id)
    return Answer()


@method("Session.CreateToken")
def create_token(call: Call) -> Answer:
    return Answer(call.entrance.sessions.make_token(call.session.login))
