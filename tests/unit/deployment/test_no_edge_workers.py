"""What is shipped opens no door to edge workers (ADR 23)."""

from __future__ import annotations

import configparser

from ksc_ledger.settings import REPOSITORY


def test_nothing_that_is_shipped_turns_the_edge_on() -> None:
    config = configparser.ConfigParser(interpolation=None)
    config.read(REPOSITORY / "deploy" / "airflow" / "airflow.cfg", "utf-8")
    assert not config.has_section("edge")
    assert "edge3" not in config.get("core", "executor")
    for name in ("docker-compose.yaml", ".env.example", "Dockerfile"):
        text = (REPOSITORY / name).read_text("utf-8")
        assert "AIRFLOW__EDGE" not in text, name
        assert "EdgeExecutor" not in text, name
