"""
### Nhận báo cáo của đơn vị

Mười phút một lần lấy các tệp trong `inbox/<mã đơn vị>/` (và thư trong hộp thư nhận báo cáo, nếu có kết nối
`imap_reports`): đọc trong hộp cát, đối chiếu tên đơn vị, kiểm tra, rồi tiếp nhận hoặc cách ly kèm lý do và cách sửa.
Đơn vị gửi nhận được biên nhận; thời hạn xét theo lúc tệp đến. Ô bị bỏ qua (màu hồng) nghĩa là không có tệp mới.

**Đọc** `inbox/`, danh mục, kết nối `imap_reports` · **Ghi** `landing/reports/`, `quarantine/`, hộp thư đi · **Đánh thức** `build_marts`

[Sổ tay xử lý](tinh-hinh/so-tay/receive_unit_reports) (docs/runbooks/receive_unit_reports.md)
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import dag, task

from ksc_ledger.orchestration import receiving
from ksc_ledger.orchestration.assets import REPORTS_ACCEPTED
from ksc_ledger.orchestration.defaults import DEFAULT_ARGS, START, Tag
from ksc_ledger.orchestration.lateness import late_after
from ksc_ledger.orchestration.links import linked


@dag(
    schedule="*/10 * * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=50),
    deadline=late_after(minutes=30),
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    dag_display_name="Nhận báo cáo của đơn vị",
    tags=[Tag.SOURCE],
)
def receive_unit_reports() -> None:
    @task
    def fetch_mailbox() -> int:
        return receiving.fetch_mailbox()

    # A mailbox that does not answer keeps no file waiting that lies in the inbox already.
    @task(trigger_rule="all_done", outlets=[REPORTS_ACCEPTED], multiple_outputs=False)
    def receive() -> dict[str, Any]:
        return receiving.receive_reports()

    @task
    def confirm(received: dict[str, Any]) -> None:
        receiving.confirm(received)

    received = linked(receive())
    fetch_mailbox() >> received
    confirm(received)


receive_unit_reports()
