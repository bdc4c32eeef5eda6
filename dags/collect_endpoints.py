"""
### Thu thập trạng thái máy trạm

Mỗi giờ hỏi máy chủ KSC của tỉnh và của từng huyện: danh sách máy, nhóm, trạng thái bảo vệ.
Mỗi máy chủ là một ô trong tác vụ `ask_server`; ô đỏ là máy chủ không trả lời đầy đủ, lý do và
cách khắc phục nằm trong nhật ký của ô. Một máy chủ hỏng không làm dừng các máy chủ khác và không
làm giảm số liệu: số liệu tốt gần nhất được giữ, kèm tuổi của nó.

**Đọc** kết nối `ksc_<server_code>` · **Ghi** `landing/`, `quarantine/` · **Đánh thức** `build_marts`

[Sổ tay xử lý](tinh-hinh/so-tay/collect_endpoints) (docs/runbooks/collect_endpoints.md)
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from ksc_ledger.orchestration import collecting
from ksc_ledger.orchestration.assets import LANDED
from ksc_ledger.orchestration.defaults import DEFAULT_ARGS, START, Pool, Tag
from ksc_ledger.orchestration.instants import aware
from ksc_ledger.orchestration.lateness import late_after
from ksc_ledger.orchestration.links import linked


@dag(
    schedule="0 * * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=50),
    deadline=late_after(minutes=45),
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    dag_display_name="Thu thập trạng thái máy trạm",
    tags=[Tag.SOURCE],
)
def collect_endpoints() -> None:
    @task
    def name_servers() -> list[dict[str, str]]:
        return collecting.name_servers()

    @task(pool=Pool.KSC_SERVERS, map_index_template="{{ server_code }}", multiple_outputs=False)
    def ask_server(order: dict[str, str]) -> dict[str, Any]:
        return collecting.ask_server(order)

    @task(trigger_rule="all_done", outlets=[LANDED])
    def judge_landed(orders: list[dict[str, str]] | None, landed: Any) -> list[str]:
        instant = aware(orders[0]["as_of_at"]) if orders else None
        return collecting.judge_landed(() if landed is None else landed, instant)

    orders = name_servers()
    linked(judge_landed(orders, ask_server.expand(order=orders)))


collect_endpoints()
