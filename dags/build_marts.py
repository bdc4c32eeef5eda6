"""
### Dựng kho số liệu

Chạy khi có dữ liệu mới (tài sản `landed`, `state_changed`, `reports_accepted`, `registry_changed`):
đưa các lần tải vào lịch sử, dựng các bảng số liệu, đối chiếu tổng, rồi xuất bản nguyên vẹn sau một
liên kết. Người đọc không bao giờ thấy bảng dở dang; nếu kiểm tra không đạt, bản trước vẫn còn đó.

**Đọc** `landing/snapshot/`, danh mục · **Ghi** `warehouse/ledger.duckdb`, `marts/` · **Đánh thức** `watch_deadlines`

[Sổ tay xử lý](tinh-hinh/so-tay/build_marts) (docs/runbooks/build_marts.md)
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from ksc_ledger.orchestration import building
from ksc_ledger.orchestration.assets import (
    LANDED,
    MARTS_PUBLISHED,
    REGISTRY_CHANGED,
    REPORTS_ACCEPTED,
    STATE_CHANGED,
)
from ksc_ledger.orchestration.defaults import DEFAULT_ARGS, START, Pool, Queue, Tag
from ksc_ledger.orchestration.lateness import late_after
from ksc_ledger.orchestration.links import linked


@dag(
    schedule=(LANDED | STATE_CHANGED | REPORTS_ACCEPTED | REGISTRY_CHANGED),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=50),
    deadline=late_after(minutes=30),
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    dag_display_name="Dựng kho số liệu",
    tags=[Tag.MARTS],
)
def build_marts() -> None:
    @task(pool=Pool.WAREHOUSE_WRITER, queue=Queue.WAREHOUSE, multiple_outputs=False)
    def build() -> dict[str, Any]:
        return building.build_history_and_marts()

    # A ministry's 9,100 files for its units take a quarter of an hour, longer where others work too.
    @task(
        pool=Pool.WAREHOUSE_WRITER,
        queue=Queue.WAREHOUSE,
        outlets=[MARTS_PUBLISHED],
        execution_timeout=timedelta(minutes=40),
    )
    def publish(built: dict[str, Any]) -> str:
        return building.check_and_publish(built)

    publish(linked(build()))


build_marts()
