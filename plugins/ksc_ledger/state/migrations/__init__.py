"""Alembic's folder; run by ``ksc_ledger.state.database`` only."""
