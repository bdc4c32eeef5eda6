"""
### Giữ nhà

Mỗi đêm: sao lưu cơ sở dữ liệu vận hành, kho số liệu và các phiên bản danh mục, **rồi phục hồi thử ngay**
vào một thư mục tạm và so từng con số; dọn những gì quá hạn giữ (bản tin gốc 90 ngày, ảnh chụp 5 năm, bản
sao lưu cũ); cập nhật tệp riêng của từng đơn vị; xem ổ đĩa còn đủ chỗ không. Ô `back_up` đỏ nghĩa là **hôm
nay không có bản sao lưu dùng được**: xử lý trong ngày.

**Đọc** `warehouse/`, `state/`, `marts/` · **Ghi** `backups/`, `marts/units/` · **Dọn** `landing/`, `backups/`

[Sổ tay xử lý](tinh-hinh/so-tay/keep_house) (docs/runbooks/keep_house.md)
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, TriggerRule, dag, task

from ksc_ledger.orchestration import keeping
from ksc_ledger.orchestration.defaults import DEFAULT_ARGS, START, Pool, Queue, Tag
from ksc_ledger.orchestration.lateness import late_after


@dag(
    schedule=CronTriggerTimetable("15 1 * * *", timezone="Asia/Ho_Chi_Minh"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=2),
    deadline=late_after(minutes=90),
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    dag_display_name="Giữ nhà",
    tags=[Tag.HOUSE],
)
def keep_house() -> None:
    @task(pool=Pool.WAREHOUSE_WRITER, queue=Queue.WAREHOUSE)
    def back_up() -> str:
        return keeping.back_up_and_try()

    @task(queue=Queue.WAREHOUSE)
    def retain() -> None:
        keeping.retain()

    @task(queue=Queue.WAREHOUSE)
    def publish_unit_files() -> None:
        keeping.publish_unit_files()

    @task(trigger_rule=TriggerRule.NONE_SKIPPED, queue=Queue.WAREHOUSE)
    def check_space() -> int:
        return keeping.check_space()

    # Nothing old goes before there is a good copy of what is new.
    back_up() >> retain() >> publish_unit_files() >> check_space()


keep_house()
