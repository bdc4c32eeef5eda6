"""Where a task's button leads: to the list, and to this run's own page once the task has said so."""

from __future__ import annotations

import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.airflow


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own, at import
        from ksc_ledger.orchestration import links

        return links


@pytest.fixture
def left(links: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The XComs of one task."""
    from airflow.sdk.execution_time import xcom

    kept: dict[str, Any] = {}
    monkeypatch.setattr(
        xcom, "XCom", SimpleNamespace(get_value=lambda *, ti_key, key: kept.get(key))
    )
    return kept


def context_of(left: dict[str, Any]) -> Any:
    def push(*, key: str, value: Any) -> None:
        left[key] = value

    return {"ti": SimpleNamespace(xcom_push=push)}


def test_a_button_leads_to_the_list_until_the_task_says_more(
    links: Any, left: dict[str, Any]
) -> None:
    found = {
        one: one().get_link(None, ti_key=None)
        for one in (links.DataDocsLink, links.OutageLink, links.LetterLink)
    }
    assert set(found.values()) == {
        "/chat-luong-du-lieu/",
        "/tinh-hinh/#ket-noi",
        "/tinh-hinh/cong-van",
    }
    links.leads_to(context_of(left), links.LetterLink, "/tinh-hinh/cong-van/dong_thap/x")
    assert links.LetterLink().get_link(None, ti_key=None) == "/tinh-hinh/cong-van/dong_thap/x"
    assert links.OutageLink().get_link(None, ti_key=None) == "/tinh-hinh/#ket-noi"


def test_the_page_of_a_runs_checks(links: Any, left: dict[str, Any]) -> None:
    links.shows_checks(context_of(left), None)
    assert links.DataDocsLink().get_link(None, ti_key=None) == "/chat-luong-du-lieu/"
    links.shows_checks(context_of(left), Path("/x/runs/20221012T010000Z-landed.html"))
    assert (
        links.DataDocsLink().get_link(None, ti_key=None)
        == "/chat-luong-du-lieu/runs/20221012T010000Z-landed.html"
    )


def test_buttons_have_keys_of_their_own(links: Any) -> None:
    ours = (links.DataDocsLink, links.OutageLink, links.LetterLink)
    assert len({one.key for one in ours} | {one().xcom_key for one in ours}) == 6


@pytest.mark.parametrize(
    ("changed", "leads"),
    [
        pytest.param([], None, id="nothing changed"),
        pytest.param(["dtp_875"], "/tinh-hinh/may-chu/dtp_875", id="one server"),
        pytest.param(["dtp_875", "dtp_866"], None, id="several servers"),
    ],
)
def test_a_tick_leads_to_the_server_whose_outage_it_began(
    links: Any, left: dict[str, Any], changed: list[str], leads: str | None
) -> None:
    from ksc_ledger.alerts.rounds import Round
    from ksc_ledger.orchestration import watching
    from ksc_ledger.rules.links_model import OutageClosed
    from unit.alerts.mails import AT

    effects = tuple(
        OutageClosed(incident_id=code, server_code=code, ended_at=AT) for code in changed
    )
    watching._show(context_of(left), Round(effects={"dong_thap": effects}))
    assert left.get(links.OutageLink.key) == leads
