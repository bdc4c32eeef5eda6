"""
### Gửi thư

Mỗi phút lấy thư trong hộp thư đi và gửi qua máy chủ thư (kết nối `smtp_alerts`, `smtp_engineers`);
trong diễn tập thì ghi thành tệp `.eml` trong `mail/`. Thư không gửi được sẽ thử lại đến 72 giờ, không thư
nào bị bỏ. Ô bị bỏ qua (màu hồng) nghĩa là không có thư chờ.

**Đọc** hộp thư đi, `contacts.csv` · **Ghi** kết quả từng người nhận; bảng `fct_mail` có kết quả ở lần dựng kho kế tiếp

[Sổ tay xử lý](tinh-hinh/so-tay/deliver_mail) (docs/runbooks/deliver_mail.md)
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from ksc_ledger.orchestration import watching
from ksc_ledger.orchestration.defaults import DEFAULT_ARGS, START, Tag


@dag(
    schedule="* * * * *",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=10),
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    dag_display_name="Gửi thư",
    tags=[Tag.ALERT],
)
def deliver_mail() -> None:
    @task(multiple_outputs=False)
    def deliver() -> dict[str, int]:
        return watching.deliver_mails()

    deliver()


deliver_mail()
