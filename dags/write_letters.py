"""
### Dự thảo công văn

Chạy theo yêu cầu: dự thảo công văn đôn đốc (`don_doc`), phân bổ (`phan_bo`), thời hạn bản quyền (`term`)
hoặc tập huấn (`training`) với số liệu của một ngày, phụ lục, mẫu báo cáo điền sẵn và phiếu theo dõi của từng
đơn vị. Mỗi con số kèm mã số liệu trong tệp .json bên cạnh. Số và ngày của công văn để trống cho văn thư.
Phiếu đơn vị nêu tên máy, chỉ gửi cho chính đơn vị đó (tham số `unit_sheets` = `mail`).

**Đọc** danh mục, `marts/` · **Ghi** `letters/<địa bàn>/`

[Sổ tay xử lý](tinh-hinh/so-tay/write_letters) (docs/runbooks/write_letters.md)
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import Param, dag, task

from ksc_ledger.orchestration import lettering
from ksc_ledger.orchestration.defaults import DEFAULT_ARGS, START, Tag
from ksc_ledger.orchestration.links import LetterLink, linked

CODE = "^[a-z0-9_]{2,32}$"


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=20),
    default_args=DEFAULT_ARGS,
    doc_md=__doc__,
    dag_display_name="Dự thảo công văn",
    tags=[Tag.REPORT],
    params={
        "estate": Param(type="string", pattern=CODE, title="Mã địa bàn"),
        "as_of": Param(type="string", format="date", title="Ngày lấy số liệu"),
        "kind": Param(
            "don_doc",
            type="string",
            enum=["don_doc", "phan_bo", "term", "training"],
            values_display={
                "don_doc": "Đôn đốc cài đặt",
                "phan_bo": "Phân bổ bản quyền",
                "term": "Thời hạn bản quyền",
                "training": "Tập huấn",
            },
            title="Loại công văn",
        ),
        "unit_code": Param(type="string", pattern=CODE, title="Mã đơn vị có số liệu"),
        "unit_sheets": Param(
            "write",
            type="string",
            enum=["none", "write", "mail"],
            values_display={
                "none": "Không lập",
                "write": "Lập phiếu",
                "mail": "Lập phiếu và gửi cho từng đơn vị",
            },
            title="Phiếu theo dõi của từng đơn vị (chỉ với công văn đôn đốc)",
        ),
    },
)
def write_letters() -> None:
    @task
    def write() -> list[str]:
        return lettering.write_letter()

    linked(write(), LetterLink)


write_letters()
