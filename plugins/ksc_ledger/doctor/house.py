"""This machine: the registry, the home, the databases, what was published, who is to be written to."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from ksc_ledger.clock import VIETNAM
from ksc_ledger.doctor.findings import Check, Finding, failed, warned, well
from ksc_ledger.errors import LedgerError
from ksc_ledger.registry import Mistake, Registry
from ksc_ledger.settings import Places, Settings

PUBLISHED_AGE = timedelta(hours=26)
HEARTBEAT_AGE = timedelta(minutes=15)
OFFSET = timedelta(hours=7)
_SHOWN_AT_MOST = 5
_MB = 1024 * 1024
# What a warehouse's reader says of a state that ends by itself or with the next build.
_PASSING = ("warehouse_busy", "warehouse_held_open", "warehouse_not_migrated")
_OTHERS = stat.S_IRWXO
_ALL_BUT_OWNER = stat.S_IRWXG | stat.S_IRWXO
ROLES_OF_THE_WATCH = ("engineers",)


def registry(mistakes: Sequence[Mistake], registry: Registry | None, day: date) -> Finding:
    """``registry`` is None when no good version was ever read."""
    if mistakes:
        shown = "; ".join(str(one) for one in mistakes[:_SHOWN_AT_MOST])
        more = (
            f" và {len(mistakes) - _SHOWN_AT_MOST} lỗi khác"
            if len(mistakes) > _SHOWN_AT_MOST
            else ""
        )
        return failed(
            Check.REGISTRY,
            "",
            "registry_wrong",
            f"Danh mục có {len(mistakes)} lỗi"
            f"{', đang dùng bản tốt gần nhất' if registry else ''}: {shown}{more}.",
            "Chạy ksc-ledger registry check, sửa từng dòng theo thông báo.",
        )
    servers = registry.servers_on(day) if registry else ()
    if not servers:
        return failed(
            Check.REGISTRY,
            "",
            "registry_without_servers",
            f"Danh mục không có máy chủ nào còn hiệu lực ngày {day:%d/%m/%Y}.",
            "Khai máy chủ trong servers.csv và kiểm tra valid_from_date, valid_to_date.",
        )
    estates = {server.estate_code for server in servers}
    return well(
        Check.REGISTRY, "", f"{len(estates)} địa bàn, {len(servers)} máy chủ, không có lỗi."
    )


def home(settings: Settings) -> Iterator[Finding]:
    """The home is there, ours to write, and closed to others."""
    place = settings.home
    if not place.is_dir():
        yield failed(
            Check.HOME,
            str(place),
            "home_missing",
            "Thư mục dữ liệu KSC_LEDGER_HOME chưa có.",
            f"Tạo thư mục cho tài khoản chạy hệ thống: install -d -m 0750 {place}, hoặc sửa "
            "KSC_LEDGER_HOME.",
        )
        return
    if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        yield failed(
            Check.HOME,
            str(place),
            "home_not_writable",
            "Tài khoản đang chạy không ghi được vào thư mục dữ liệu.",
            f"Chạy bằng đúng tài khoản của hệ thống, hoặc: chown -R <tài khoản> {place}.",
        )
        return
    if place.stat().st_mode & _OTHERS:
        yield warned(
            Check.HOME,
            str(place),
            "home_open",
            "Mọi tài khoản trên máy này vào được thư mục dữ liệu, trong đó có tên máy và dữ liệu thô.",
            f"Chạy: chmod o-rwx {place}.",
        )
    else:
        said = "thư mục diễn tập" if settings.places.rehearsal_mark.exists() else "dữ liệu thật"
        yield well(Check.HOME, str(place), f"Ghi được, đóng với người khác ({said}).")
    yield from _open_files(settings.places)


def _open_files(places: Places) -> Iterator[Finding]:
    """Files with machine names or secrets that every account may read though they must not."""
    secret = [
        places.state_database,
        places.named_marts_file.parent,
        places.named_marts_file,
        places.backups,
        places.raw,
        places.airflow / "airflow.cfg",
    ]
    is_guarded = not places.home.stat().st_mode & stat.S_IXOTH
    for path in secret:
        if path.exists() and path.stat().st_mode & _OTHERS and not is_guarded:
            yield warned(
                Check.HOME,
                str(path),
                "file_open",
                "Mọi tài khoản trên máy này đọc được.",
                f"Chạy: chmod o-rwx {path}.",
            )


def disk(settings: Settings) -> Finding:
    """Room for a build, a backup and a rebuild beside what is there."""
    from ksc_ledger.warehouse.housekeeping import check_space

    if not settings.home.is_dir():
        return warned(
            Check.DISK,
            "",
            "disk_unknown",
            "Chưa xem được ổ đĩa vì chưa có thư mục dữ liệu.",
            "Tạo thư mục dữ liệu rồi chạy lại.",
        )
    try:
        free = check_space(settings)
    except LedgerError as error:
        return failed(Check.DISK, "", error.code, error.text, error.remedy)
    return well(Check.DISK, "", f"Còn trống {free} MB.")


def state(settings: Settings) -> tuple[Finding, bool]:
    """The operational database, and whether it may be asked which accounts are held."""
    from ksc_ledger.state.database import HEAD, revision_of

    try:
        revision = revision_of(settings.state_url)
    except LedgerError as error:
        return failed(Check.STATE, "", error.code, error.text, error.remedy), False
    if revision is None:
        finding = warned(
            Check.STATE,
            "",
            "state_missing",
            "Chưa có cơ sở dữ liệu vận hành.",
            "Bình thường trước lần khởi động đầu tiên: nó tự được tạo. Nếu hệ thống đã từng chạy: kiểm tra "
            "KSC_LEDGER_STATE_URL và KSC_LEDGER_HOME.",
        )
        return finding, True
    if revision > HEAD:
        finding = failed(
            Check.STATE,
            "",
            "state_newer_than_code",
            f"Cơ sở dữ liệu vận hành ở phiên bản {revision}, mới hơn phần mềm đang chạy ({HEAD}).",
            "Chạy đúng phiên bản phần mềm đã nâng cấp nó, hoặc phục hồi bản sao lưu trước khi nâng cấp.",
        )
        return finding, False
    if revision != HEAD:
        finding = warned(
            Check.STATE,
            "",
            "state_not_migrated",
            f"Cơ sở dữ liệu vận hành ở phiên bản {revision}, phần mềm dùng {HEAD}.",
            "Sao lưu (ksc-ledger backup) rồi khởi động lại hệ thống: lần mở đầu tiên tự nâng cấp.",
        )
        return finding, False
    return well(Check.STATE, "", f"Mở được, phiên bản {HEAD}."), True


def warehouse(settings: Settings) -> Finding:
    from ksc_ledger.warehouse.condition import condition

    if not settings.places.warehouse_file.exists():
        return warned(
            Check.WAREHOUSE,
            "",
            "warehouse_missing",
            "Chưa có kho số liệu.",
            "Bình thường trước lượt build_marts đầu tiên. Nếu đã từng chạy: kiểm tra KSC_LEDGER_HOME, rồi "
            "ksc-ledger rebuild hoặc ksc-ledger restore.",
        )
    try:
        found = condition(settings)
    except LedgerError as error:
        make = warned if error.code in _PASSING else failed
        return make(Check.WAREHOUSE, "", error.code, error.text, error.remedy)
    if found.waiting:
        return warned(
            Check.WAREHOUSE,
            "",
            "warehouse_not_migrated",
            f"Kho còn thiếu {len(found.waiting)} bước nâng cấp: {', '.join(found.waiting)}.",
            "Sao lưu (ksc-ledger backup); lượt build_marts kế tiếp tự nâng cấp.",
        )
    if found.is_older_storage:
        return warned(
            Check.WAREHOUSE,
            "",
            "warehouse_older_storage",
            f"Kho dùng định dạng lưu trữ DuckDB {found.storage_version}, cũ hơn định dạng của phần mềm.",
            "Không cần làm gì: lượt build_marts kế tiếp tự chuyển sang định dạng mới.",
        )
    return well(
        Check.WAREHOUSE,
        "",
        f"Mở được, định dạng lưu trữ {found.storage_version}, {found.load_count} lần tải trong lịch sử.",
    )


def published(settings: Settings, now: datetime) -> Finding:
    """What BI opens: there, whole, and of today."""
    from ksc_ledger.warehouse.reader import query

    link = settings.places.marts_file
    if link.is_symlink() and not link.exists():
        return failed(
            Check.PUBLISHED,
            str(link),
            "published_link_broken",
            "Liên kết tới bản đã xuất bản trỏ vào một tệp không còn.",
            "Chạy lại build_marts; không tự xóa tệp phiên bản trong marts/.",
        )
    if not link.exists():
        return warned(
            Check.PUBLISHED,
            str(link),
            "not_published",
            "Chưa xuất bản số liệu lần nào.",
            "Bình thường trước lượt build_marts đầu tiên; nếu không, xem sổ tay build_marts.",
        )
    try:
        (row,) = query(link, "select version_id, as_of_at from marts._published")
    except Exception as error:  # whatever DuckDB raises, BI cannot open it either
        what = error.text if isinstance(error, LedgerError) else type(error).__name__
        return failed(
            Check.PUBLISHED,
            str(link),
            "published_unreadable",
            f"Không mở được bản đã xuất bản: {what}",
            "Chạy lại build_marts để xuất bản bản mới; kiểm tra ổ đĩa.",
        )
    as_of_at: datetime = row["as_of_at"]
    hours = int((now - as_of_at).total_seconds() // 3600)
    said = f"Bản {row['version_id']}, số liệu tại {_local(as_of_at)}"
    if now - as_of_at > PUBLISHED_AGE:
        return warned(
            Check.PUBLISHED,
            str(link),
            "published_old",
            f"{said}, đã {hours} giờ.",
            "Xem luồng collect_endpoints và build_marts có đang bị tạm dừng hoặc đỏ không; bộ lập lịch "
            "Airflow có chạy không.",
        )
    return well(Check.PUBLISHED, str(link), f"{said}, cách đây {max(hours, 0)} giờ.")


def contacts(settings: Settings, wanted_roles: Sequence[str]) -> Iterator[Finding]:
    """The address book: there, closed, right, and with somebody for every role that is written to."""
    from ksc_ledger.alerts.roles import load_contacts

    file = settings.contacts
    if not file.exists():
        yield failed(
            Check.CONTACTS,
            str(file),
            "contacts_missing",
            "Chưa có danh bạ: không cảnh báo nào có người nhận.",
            "Tạo tệp với dòng đầu role,unit_code,name,address rồi chmod 600; vai trò nêu ở docs/alerts.md.",
        )
        return
    try:
        found = load_contacts(file)
    except LedgerError as error:
        yield failed(Check.CONTACTS, str(file), error.code, error.text, error.remedy)
        return
    there = {one.role for one in found}
    nobody = sorted(set(wanted_roles) - there)
    if nobody:
        yield warned(
            Check.CONTACTS,
            str(file),
            "roles_without_people",
            f"Không ai giữ vai trò: {', '.join(nobody)}; thư cho vai trò đó không có người nhận.",
            "Thêm dòng cho từng vai trò vào contacts.csv.",
        )
        return
    yield well(
        Check.CONTACTS,
        str(file),
        f"{len(found)} người nhận, {len(there)} vai trò, chỉ chủ tệp đọc được.",
    )


def page_users(settings: Settings) -> Finding:
    from ksc_ledger.ops_room.access import load_users

    file = settings.page_users
    if not file.exists():
        return warned(
            Check.PAGE_USERS,
            str(file),
            "page_users_missing",
            "Chưa có tệp phân quyền: đăng nhập được cũng không ai xem được trang Tình hình.",
            "Tạo tệp với dòng đầu user_name,role,unit_code rồi chmod 600 (docs/ops-page.md).",
        )
    if file.stat().st_mode & _ALL_BUT_OWNER:
        return failed(
            Check.PAGE_USERS,
            str(file),
            "page_users_open",
            "Tệp phân quyền có tên người dùng nhưng tài khoản khác cũng đọc hoặc sửa được.",
            f"Chạy: chmod 600 {file}.",
        )
    try:
        users = load_users(file)
    except LedgerError as error:
        return failed(Check.PAGE_USERS, str(file), error.code, error.text, error.remedy)
    return well(Check.PAGE_USERS, str(file), f"{len(users)} người dùng, chỉ chủ tệp đọc được.")


def time_zone(now: datetime, airflow_zone: str | None) -> Finding:
    """Vietnamese days are what deadlines are counted in. ``airflow_zone`` None: not known."""
    offset = now.astimezone(VIETNAM).utcoffset()
    if offset != OFFSET:
        return failed(
            Check.TIME_ZONE,
            "",
            "time_zone_data_wrong",
            f"Dữ liệu múi giờ trên máy này cho Asia/Ho_Chi_Minh lệch {offset}, phải là +7 giờ.",
            "Cài lại gói tzdata của hệ điều hành và của môi trường Python.",
        )
    if airflow_zone not in (None, "Asia/Ho_Chi_Minh"):
        return warned(
            Check.TIME_ZONE,
            "",
            "airflow_time_zone",
            f"Múi giờ mặc định của Airflow là {airflow_zone}: giờ trên giao diện không phải giờ Việt Nam.",
            "Đặt AIRFLOW__CORE__DEFAULT_TIMEZONE=Asia/Ho_Chi_Minh rồi khởi động lại. Thời hạn vẫn được tính "
            "theo giờ Việt Nam.",
        )
    return well(Check.TIME_ZONE, "", "Asia/Ho_Chi_Minh, +7 giờ.")


def watchdog(settings: Settings, real_now: datetime) -> Finding:
    """Whether somebody outside Airflow is looking."""
    from ksc_ledger.watchdog.process import heartbeat_file

    file = heartbeat_file(settings.places)
    is_rehearsal = settings.places.rehearsal_mark.exists()
    if not is_rehearsal and not settings.watchdog_relay_host:
        return warned(
            Check.WATCHDOG,
            "",
            "watchdog_without_relay",
            "Tiến trình giám sát chưa có máy chủ thư riêng nên không khởi động được.",
            "Đặt KSC_LEDGER_WATCHDOG_RELAY_HOST (docs/runbooks/watchdog.md), tốt nhất khác máy chủ thư của "
            "cảnh báo.",
        )
    if not file.exists():
        return warned(
            Check.WATCHDOG,
            "",
            "watchdog_never_ran",
            "Tiến trình giám sát chưa chạy lần nào ở thư mục này.",
            "Chạy như một dịch vụ: python -m ksc_ledger.watchdog --every 60.",
        )
    age = real_now - datetime.fromtimestamp(file.stat().st_mtime, UTC)
    if age > HEARTBEAT_AGE:
        return warned(
            Check.WATCHDOG,
            "",
            "watchdog_stopped",
            f"Tiến trình giám sát xem lần cuối cách đây {int(age.total_seconds() // 60)} phút.",
            "Khởi động lại dịch vụ giám sát; đặt để nó tự chạy lại khi máy khởi động.",
        )
    return well(
        Check.WATCHDOG, "", f"Xem lần cuối cách đây {int(max(age.total_seconds(), 0))} giây."
    )


def _local(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%H:%M %d/%m/%Y}"
