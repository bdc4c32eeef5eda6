"""The buttons by which a task leads to what it is about: what was said, which server, which letter.

A task that knows its place says so while it runs (``leads_to``); its button, asked in the same
process when the task has ended, finds it. Without a place the button leads to the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.operatorlink import BaseOperatorLink

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.models.taskinstancekey import TaskInstanceKey
    from airflow.sdk import BaseOperator, Context

DATA_DOCS = "/chat-luong-du-lieu"
PAGE = "/tinh-hinh"


class _Link(BaseOperatorLink):
    """``key``: under which XCom key the task leaves the address; ``usual``: without one."""

    key: str
    usual: str

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        from airflow.sdk.execution_time.xcom import XCom

        left = XCom.get_value(ti_key=ti_key, key=self.key)
        return left if isinstance(left, str) else self.usual


class DataDocsLink(_Link):
    """To the page of this run's checks."""

    name = "Kiểm tra dữ liệu"
    key = "data_docs_page"
    usual = f"{DATA_DOCS}/"


class OutageLink(_Link):
    """To the server whose outage this tick began or ended."""

    name = "Sự cố"
    key = "outage_page"
    usual = f"{PAGE}/#ket-noi"


class LetterLink(_Link):
    """To the letter that this run wrote."""

    name = "Công văn"
    key = "letter_page"
    usual = f"{PAGE}/cong-van"


def leads_to(context: Context, link: type[_Link], address: str) -> None:
    """In a task: where its button leads from now on, also when it fails afterwards."""
    context["ti"].xcom_push(key=link.key, value=address)


def shows_checks(context: Context, page: Path | None) -> None:
    """In a task that judges data: the page of what was said, where there is one."""
    if page is not None:
        leads_to(context, DataDocsLink, f"{DATA_DOCS}/runs/{page.name}")


def linked(result: Any, link: type[_Link] = DataDocsLink) -> Any:
    """The result of a decorated task, whose task now has the button."""
    result.operator.operator_extra_links = (link(),)
    return result
