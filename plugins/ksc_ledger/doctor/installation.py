"""What Airflow itself must have been given before anything runs: pools, and DAGs that are not paused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ksc_ledger.doctor.findings import Check, Finding, failed, warned, well


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """As Airflow's metadata database has it.

    ``pools`` and ``wanted_pools``: slots by name. ``dags``: whether each is paused, by id;
    ``wanted_dags``: those that this code has.
    """

    time_zone: str
    pools: Mapping[str, int] = field(default_factory=dict)
    wanted_pools: Mapping[str, int] = field(default_factory=dict)
    dags: Mapping[str, bool] = field(default_factory=dict)
    wanted_dags: Sequence[str] = ()


def look_at_airflow(found: Installation) -> Iterator[Finding]:
    yield _pools(found)
    yield _dags(found)


def _pools(found: Installation) -> Finding:
    missing = sorted(set(found.wanted_pools) - set(found.pools))
    if missing:
        return failed(
            Check.AIRFLOW,
            "",
            "pools_missing",
            f"Airflow chưa có pool {', '.join(missing)}: tác vụ dùng pool đó chờ mãi mà không báo lỗi.",
            "Chạy ksc-ledger init, hoặc tạo ở Admin → Pools: "
            + ", ".join(f"{name} {found.wanted_pools[name]} chỗ" for name in missing)
            + ".",
        )
    wide = [name for name, slots in found.wanted_pools.items() if slots == 1 != found.pools[name]]
    if wide:
        return warned(
            Check.AIRFLOW,
            "",
            "pool_too_wide",
            f"Pool {', '.join(wide)} có nhiều hơn một chỗ: các lượt ghi kho chờ khóa của nhau trong lúc chiếm chỗ "
            "chạy.",
            "Đặt lại 1 chỗ ở Admin → Pools: kho số liệu chỉ có một người ghi.",
        )
    return well(Check.AIRFLOW, "", f"Có đủ {len(found.wanted_pools)} pool.")


def _dags(found: Installation) -> Finding:
    missing = sorted(set(found.wanted_dags) - set(found.dags))
    if missing:
        return failed(
            Check.AIRFLOW,
            "",
            "dags_missing",
            f"Airflow chưa đọc được luồng: {', '.join(missing)}.",
            "Kiểm tra tiến trình dag-processor có chạy, AIRFLOW__CORE__DAGS_FOLDER trỏ vào thư mục dags/, và "
            "mục Import Errors trên trang chủ Airflow.",
        )
    paused = [dag for dag in sorted(found.wanted_dags) if found.dags[dag]]
    if paused:
        return warned(
            Check.AIRFLOW,
            "",
            "dags_paused",
            f"Các luồng đang tạm dừng: {', '.join(paused)}.",
            "Bình thường khi chưa chạy thật. Khi mọi mục khác đã đạt, bật từng luồng bằng công tắc cạnh tên luồng.",
        )
    return well(
        Check.AIRFLOW, "", f"Có đủ {len(found.wanted_dags)} luồng, không luồng nào tạm dừng."
    )
