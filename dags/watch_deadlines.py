"""
### Theo dõi thời hạn

Xét mọi nghĩa vụ ghi trong danh mục (báo cáo, tổng hợp, cài đủ, tập huấn, phản hồi cấu hình): chưa đến
hạn, sắp đến hạn, hoàn thành, trễ, quá hạn, được miễn, hay chưa đủ căn cứ để kết luận. Nhắc trước hạn ba
và một ngày làm việc, báo khi quá hạn và nhắc lại sau một ngày làm việc, mỗi thư một lần. Chạy lúc 07:30
hằng ngày và sau mỗi lần xuất bản số liệu. Ô bị bỏ qua (màu hồng) nghĩa là không tình trạng nào thay đổi.

**Đọc** danh mục, `marts/`, `inbox/` · **Ghi** cơ sở dữ liệu vận hành · **Đánh thức** `build_marts` khi có thay đổi

[Sổ tay xử lý](tinh-hinh/so-tay/watch_deadlines) (docs/runbooks/watch_deadlines.md)
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from ksc_ledger.orchestration import deadlines
from ksc_ledger.orchestration.assets import MARTS_PUBLISHED, STATE_CHANGED
from ksc_ledger.orchestration.defaults import DEFAULT_ARGS, START, Tag
from ksc_ledger.orchestration.lateness import late_after


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable("30 7 * * *", timezone="Asia/Ho_Chi_Minh"),
        assets=MARTS_PUBLISHED,
    ),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=20),
    deadline=late_after(minutes=15),
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    dag_display_name="Theo dõi thời hạn",
    tags=[Tag.ALERT],
)
def watch_deadlines() -> None:
    @task(outlets=[STATE_CHANGED])
    def watch() -> bool:
        return deadlines.watch_deadlines()

    watch()


watch_deadlines()
