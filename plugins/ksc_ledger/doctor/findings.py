"""What one look at one thing gave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

OK = "ok"


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"  # it works, but not as it should
    FAIL = "fail"  # it does not work, or must not be left so


_ORDER = (Verdict.OK, Verdict.WARN, Verdict.FAIL)


class Check(StrEnum):
    """What is looked at. The value is for machines and never changes."""

    REGISTRY = "registry"
    CONNECTION = "connection"
    NAME = "name"
    ROAD = "road"
    CERTIFICATE = "certificate"
    LOGIN = "login"
    PRODUCT = "product"
    CLOCK = "clock"
    RIGHTS = "rights"
    DEVICES = "devices"
    UNITS = "units"
    DISTRICTS = "districts"
    AIRFLOW = "airflow"
    HOME = "home"
    DISK = "disk"
    STATE = "state"
    WAREHOUSE = "warehouse"
    PUBLISHED = "published"
    CONTACTS = "contacts"
    PAGE_USERS = "page_users"
    TIME_ZONE = "time_zone"
    RELAY = "relay"
    WATCHDOG = "watchdog"


LABELS: dict[Check, str] = {
    Check.REGISTRY: "danh mục",
    Check.CONNECTION: "kết nối đã khai",
    Check.NAME: "tên máy chủ (DNS)",
    Check.ROAD: "đường tới máy chủ (TCP)",
    Check.CERTIFICATE: "chứng thư (TLS)",
    Check.LOGIN: "đăng nhập",
    Check.PRODUCT: "phần mềm trên máy chủ",
    Check.CLOCK: "đồng hồ",
    Check.RIGHTS: "quyền của tài khoản",
    Check.DEVICES: "danh sách máy",
    Check.UNITS: "nhóm và đơn vị",
    Check.DISTRICTS: "máy chủ tỉnh và máy chủ huyện",
    Check.AIRFLOW: "Airflow",
    Check.HOME: "thư mục dữ liệu",
    Check.DISK: "ổ đĩa",
    Check.STATE: "cơ sở dữ liệu vận hành",
    Check.WAREHOUSE: "kho số liệu",
    Check.PUBLISHED: "bản đã xuất bản",
    Check.CONTACTS: "danh bạ",
    Check.PAGE_USERS: "phân quyền trang Tình hình",
    Check.TIME_ZONE: "múi giờ",
    Check.RELAY: "máy chủ thư",
    Check.WATCHDOG: "tiến trình giám sát",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One look. ``said`` tells what was seen, or what is wrong with it; ``remedy`` what to do then.

    Both are Vietnamese and hold no password. ``code`` names the diagnosis for machines (docs/doctor.md).
    ``subject``: a server, a connection or a file; blank when there is only one such thing.
    """

    check: Check
    subject: str
    verdict: Verdict
    said: str
    remedy: str = ""
    code: str = OK

    @property
    def is_well(self) -> bool:
        return self.verdict is Verdict.OK

    @property
    def looked_at(self) -> str:
        label = LABELS[self.check]
        return f"{self.subject}: {label}" if self.subject else label


def well(check: Check, subject: str, said: str) -> Finding:
    return Finding(check=check, subject=subject, verdict=Verdict.OK, said=said)


def warned(check: Check, subject: str, code: str, said: str, remedy: str) -> Finding:
    return Finding(
        check=check, subject=subject, verdict=Verdict.WARN, said=said, remedy=remedy, code=code
    )


def failed(check: Check, subject: str, code: str, said: str, remedy: str) -> Finding:
    return Finding(
        check=check, subject=subject, verdict=Verdict.FAIL, said=said, remedy=remedy, code=code
    )


def worst(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict among them; OK when there is none."""
    return max((one.verdict for one in findings), key=_ORDER.index, default=Verdict.OK)
