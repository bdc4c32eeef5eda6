"""
### Theo dõi kết nối máy chủ huyện

Năm phút một lần gõ cửa từng máy chủ (TCP, TLS); khi đến hạn hoặc khi có nghi ngờ thì hỏi máy chủ tỉnh
xem máy chủ huyện còn kết nối không. Mất kết nối được xác nhận sau ba lần liên tiếp và 15 phút; khôi
phục sau hai lần và 10 phút. Thư nằm trong hộp thư đi, do `deliver_mail` gửi. Ô bị bỏ qua (màu hồng)
nghĩa là không có gì thay đổi.

**Đọc** kết nối `ksc_<server_code>` · **Ghi** cơ sở dữ liệu vận hành · **Đánh thức** `build_marts` khi có thay đổi

[Sổ tay xử lý](tinh-hinh/so-tay/watch_server_links) (docs/runbooks/watch_server_links.md)
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from ksc_ledger.orchestration import watching
from ksc_ledger.orchestration.assets import STATE_CHANGED
from ksc_ledger.orchestration.defaults import DEFAULT_ARGS, START, Tag
from ksc_ledger.orchestration.lateness import late_after
from ksc_ledger.orchestration.links import OutageLink, linked


@dag(
    schedule="*/5 * * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=10),
    deadline=late_after(minutes=10),
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    dag_display_name="Theo dõi kết nối máy chủ huyện",
    tags=[Tag.ALERT],
)
def watch_server_links() -> None:
    @task(outlets=[STATE_CHANGED])
    def watch() -> bool:
        return watching.watch_links()

    linked(watch(), OutageLink)


watch_server_links()
