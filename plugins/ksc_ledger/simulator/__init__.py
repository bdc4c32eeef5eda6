"""Simulated KSC servers over HTTPS, made of a scenario's ``estate/`` folder (docs/simulator.md)."""

from ksc_ledger.simulator.check import ScenarioError, check_scenario
from ksc_ledger.simulator.faults import FaultKind
from ksc_ledger.simulator.simulator import Simulator
from ksc_ledger.simulator.tables import Mistake

__all__ = ["FaultKind", "Mistake", "ScenarioError", "Simulator", "check_scenario"]
