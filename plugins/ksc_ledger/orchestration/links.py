"""The button by which a task that judges data leads to what was said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk.bases.operatorlink import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.models.taskinstancekey import TaskInstanceKey
    from airflow.sdk import BaseOperator

DATA_DOCS = "/chat-luong-du-lieu"


class DataDocsLink(BaseOperatorLink):
    """To the pages that ``data_docs_plugin`` serves."""

    name = "Kiểm tra dữ liệu"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        return f"{DATA_DOCS}/"


def linked(result: Any) -> Any:
    """The result of a decorated task, whose task now has the button."""
    result.operator.operator_extra_links = (DataDocsLink(),)
    return result
