"""One KSC server, from its name to its groups; each step is taken only when the one before was well.

At most one login for each server and each run: KSC locks accounts. What the server refuses is held
back (``state.accounts``) by the caller, and an account that is held is not tried at all.
"""

from __future__ import annotations

import json
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ksc_ledger.clock import VIETNAM
from ksc_ledger.doctor.findings import Check, Finding, failed, warned, well
from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.rules.organisation import SEPARATOR, mapped_unit, normalised_path
from ksc_ledger.sources import faults
from ksc_ledger.sources.client import ChildServer, Group, KscClient
from ksc_ledger.sources.endpoint import Budget, Endpoint
from ksc_ledger.sources.faults import CallFault, NotOffered, ServerSaidNo, Trouble
from ksc_ledger.sources.presented import Presented, presented
from ksc_ledger.sources.sets import RowsInMemory
from ksc_ledger.sources.transport import Transport

ENDS_SOON = timedelta(days=30)
SKEW_WARNS = timedelta(minutes=2)
SKEW_FAILS = timedelta(minutes=10)
KNOWN_MAJORS = range(13, 17)  # the versions whose documentation the protocol was written from
_SHOWN_AT_MOST = 5

_EXPIRED, _NOT_YET = 10, 9  # OpenSSL's X509_V_ERR numbers
_WRONG_NAME = (62, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A server to be looked at. ``groups``: its mapped groups, from ``normalised_path`` to unit.

    ``group_paths`` are the same as the registry spells them, for the reader.
    """

    endpoint: Endpoint
    is_province: bool
    groups: Mapping[str, str]
    group_paths: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        return self.endpoint.server_code


@dataclass(slots=True)
class Seen:
    """What a look at a server gave. ``refusal``: why the account must not be tried again.

    ``skew_seconds`` and ``children`` are None when they were not heard.
    """

    findings: list[Finding] = field(default_factory=list)
    refusal: str | None = None
    skew_seconds: int | None = None
    children: list[ChildServer] | None = None


def look_at(
    patient: Patient,
    budget: Budget,
    *,
    now: Callable[[], datetime],
    real_now: datetime,
    chunk_size: int,
    held_reason: str | None,
    may_log_in: bool,
) -> Seen:
    """Everything about one server. ``held_reason``: its account was refused before, and why.

    ``may_log_in`` False: it is not known which accounts are held, so none is tried.
    """
    seen = Seen()
    if not _is_reached(patient.endpoint, budget, real_now, seen):
        return seen
    if held_reason is not None:
        seen.findings.append(_held(patient, held_reason))
        return seen
    if not may_log_in:
        seen.findings.append(
            warned(
                Check.LOGIN,
                patient.code,
                "login_not_tried",
                "Chưa đăng nhập thử: không đọc được cơ sở dữ liệu vận hành nên không biết tài khoản "
                "có đang bị tạm giữ hay không.",
                "Sửa cơ sở dữ liệu vận hành theo mục tương ứng rồi chạy lại.",
            )
        )
        return seen
    _ask(patient, budget, now, chunk_size, seen)
    return seen


# -- the way to it ---------------------------------------------------------------------------------


def _is_reached(endpoint: Endpoint, budget: Budget, real_now: datetime, seen: Seen) -> bool:
    """Name, TCP, TLS, in this order; False at the first that is not well."""
    for step in (_name, _road):
        finding = step(endpoint, budget)
        seen.findings.append(finding)
        if not finding.is_well:
            return False
    found, is_open = _certificate(endpoint, budget, real_now)
    seen.findings += found
    return is_open


def _name(endpoint: Endpoint, _: Budget) -> Finding:
    code = endpoint.server_code
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        fault = faults.unknown_name(endpoint)
        return failed(Check.NAME, code, "name_unknown", fault.text, fault.remedy)
    addresses = sorted({str(one[4][0]) for one in found})
    if addresses == [endpoint.host]:
        return well(Check.NAME, code, f"{endpoint.host} là địa chỉ IP, không cần DNS.")
    return well(Check.NAME, code, f"{endpoint.host} là {', '.join(addresses[:_SHOWN_AT_MOST])}.")


def _road(endpoint: Endpoint, budget: Budget) -> Finding:
    code = endpoint.server_code
    try:
        with socket.create_connection((endpoint.host, endpoint.port), budget.connect_seconds):
            return well(Check.ROAD, code, f"Cổng {endpoint.port} nhận kết nối.")
    except TimeoutError:
        return failed(
            Check.ROAD,
            code,
            "timed_out",
            f"Máy chủ {endpoint.label} không trả lời trong {budget.connect_seconds:g} giây, cũng "
            "không từ chối.",
            "Thường do tường lửa chặn hoặc sai địa chỉ: mở cổng này từ máy chạy hệ thống tới máy chủ, "
            f"thử bằng nc -vz {endpoint.host} {endpoint.port}.",
        )
    except OSError:
        fault = faults.refused(endpoint)
        return failed(Check.ROAD, code, "refused", fault.text, fault.remedy)


def _certificate(
    endpoint: Endpoint, budget: Budget, real_now: datetime
) -> tuple[list[Finding], bool]:
    try:
        with Transport(endpoint, budget) as transport:
            transport.connect()
    except CallFault as fault:
        return [_untrusted(endpoint, fault, budget)], False
    return [_trusted(endpoint, presented(endpoint, budget.connect_seconds), real_now)], True


def _untrusted(endpoint: Endpoint, fault: CallFault, budget: Budget) -> Finding:
    code = endpoint.server_code
    cause = fault.__cause__
    if fault.trouble is not Trouble.CERTIFICATE:
        return failed(
            Check.CERTIFICATE,
            code,
            "not_tls",
            f"Cổng {endpoint.port} của máy chủ {endpoint.label} nhận kết nối nhưng không bắt tay TLS 1.2 "
            "trở lên; chưa gửi tài khoản hay dữ liệu gì.",
            "Kiểm tra cổng Open API (thường 13299, không phải 13000, 14000 hay 8080) và thiết bị trung "
            "gian; máy chủ KSC quá cũ cần được nâng cấp.",
        )
    if not isinstance(cause, ssl.SSLCertVerificationError):
        if cause is not None:
            return failed(Check.CERTIFICATE, code, "ca_file_unusable", fault.text, fault.remedy)
        return failed(
            Check.CERTIFICATE,
            code,
            "wrong_pin",
            f"{fault.text} {_shown(presented(endpoint, budget.connect_seconds))}",
            fault.remedy,
        )
    shown = _shown(presented(endpoint, budget.connect_seconds))
    said = f"{fault.text} {shown}"
    if cause.verify_code == _EXPIRED:
        return failed(
            Check.CERTIFICATE,
            code,
            "expired",
            said,
            "Gia hạn chứng thư máy chủ trên KSC (klsetsrvcert), chép lại klserver.cer vào ca_file. "
            "Trong lúc chờ có thể khai certificate_sha256 thay cho ca_file: vân tay đúng thì vẫn hỏi.",
        )
    if cause.verify_code == _NOT_YET:
        return failed(
            Check.CERTIFICATE,
            code,
            "not_yet_valid",
            said,
            "Kiểm tra đồng hồ của máy chạy hệ thống và của máy chủ lúc tạo chứng thư (NTP).",
        )
    if cause.verify_code in _WRONG_NAME:
        return failed(
            Check.CERTIFICATE,
            code,
            "wrong_name",
            said,
            "Chứng thư ghi tên khác địa chỉ trong kết nối: sửa địa chỉ thành tên trong chứng thư, hoặc "
            "ghi tên đó vào ô server_hostname.",
        )
    return failed(
        Check.CERTIFICATE,
        code,
        "wrong_authority",
        said,
        f"Tệp {endpoint.ca_file} không phải của máy chủ này: chép lại klserver.cer từ chính máy chủ, đọc "
        "vân tay qua điện thoại với người quản trị để so. Nếu người quản trị không thay chứng thư, coi "
        "là sự cố an toàn thông tin.",
    )


def _trusted(endpoint: Endpoint, shown: Presented | None, real_now: datetime) -> Finding:
    code = endpoint.server_code
    how = "đúng vân tay đã khai" if endpoint.certificate_sha256 else "đúng chứng thư đã khai"
    if shown is None:
        return well(Check.CERTIFICATE, code, f"Máy chủ trình chứng thư {how}.")
    until = f"{shown.not_after.astimezone(VIETNAM):%d/%m/%Y}"
    renew = (
        "Đề nghị người quản trị gia hạn trên KSC; lấy vân tay của chứng thư mới và khai thêm (hai vân "
        "tay cách nhau dấu phẩy) trước ngày thay."
    )
    if shown.not_after <= real_now:
        return warned(
            Check.CERTIFICATE,
            code,
            "expired_but_pinned",
            f"Chứng thư {how} nhưng đã hết hạn từ {until}; hệ thống vẫn hỏi vì vân tay đúng.",
            renew,
        )
    if shown.not_after <= real_now + ENDS_SOON:
        return warned(
            Check.CERTIFICATE,
            code,
            "expires_soon",
            f"Chứng thư {how}, sẽ hết hạn ngày {until}.",
            renew,
        )
    return well(Check.CERTIFICATE, code, f"Máy chủ trình chứng thư {how}, còn hạn đến {until}.")


def _shown(shown: Presented | None) -> str:
    if shown is None:
        return "Không đọc được chứng thư máy chủ trình ra."
    names = f", tên {', '.join(shown.names[:_SHOWN_AT_MOST])}" if shown.names else ""
    issuer = "tự ký" if shown.is_self_signed else f"do {shown.issuer} cấp"
    return (
        f"Chứng thư nhận được: cấp cho {shown.subject}{names}, {issuer}, hạn đến "
        f"{shown.not_after.astimezone(VIETNAM):%d/%m/%Y}, vân tay SHA-256 {shown.sha256}."
    )


# -- what it says ----------------------------------------------------------------------------------


def _held(patient: Patient, reason: str) -> Finding:
    return failed(
        Check.LOGIN,
        patient.code,
        "account_held",
        f"Tài khoản của máy chủ {patient.endpoint.label} đang bị tạm giữ sau khi bị từ chối nên không thử "
        f"lại. Lần từ chối: {reason}",
        f"Sửa nguyên nhân trên KSC. Đổi mật khẩu trong kết nối ksc_{patient.code} thì tự thử lại; mật khẩu "
        f"vẫn đúng thì chạy: ksc-ledger accounts resume {patient.code}.",
    )


class _NoMore(Exception):  # noqa: N818 - internal signal: the rest of the questions is pointless
    """The session or the way to the server is gone."""


def _ask(
    patient: Patient,
    budget: Budget,
    now: Callable[[], datetime],
    chunk_size: int,
    seen: Seen,
) -> None:
    client = KscClient(patient.endpoint, budget, None, now, chunk_size=chunk_size)
    with ExitStack() as stack:
        try:
            stack.enter_context(client)
        except SourceFault as fault:
            seen.findings.append(_not_let_in(patient, fault, seen))
            return
        login = patient.endpoint.login
        seen.findings.append(well(Check.LOGIN, patient.code, f"Đăng nhập được bằng {login}."))
        try:
            _ask_who_it_is(client, patient, seen)
            groups = _ask_groups(client, patient, seen)
            _ask_devices(client, patient, groups, seen)
            _ask_keys(client, patient, seen)
            if patient.is_province:
                _ask_districts(client, patient, seen)
        except _NoMore:
            return


def _not_let_in(patient: Patient, fault: SourceFault, seen: Seen) -> Finding:
    code = patient.code
    if fault.fault_code is FaultCode.CREDENTIALS:
        seen.refusal = str(fault)
        return failed(
            Check.LOGIN,
            code,
            "login_refused",
            f"{fault.text} Tài khoản này được tạm giữ, không thử lại.",
            f"Kiểm tra trên KSC: tài khoản {patient.endpoint.login!r} có đúng tên, còn hoạt động, chưa bị khóa; "
            "tài khoản nội bộ KSC thì internal_user = true, tài khoản Windows thì false và điền domain. "
            f"Sửa mật khẩu trong kết nối ksc_{code}, hoặc nếu mật khẩu vẫn đúng: ksc-ledger accounts "
            f"resume {code}.",
        )
    if fault.fault_code is FaultCode.SECOND_FACTOR:
        seen.refusal = str(fault)
        return failed(
            Check.LOGIN,
            code,
            "second_factor",
            f"{fault.text} Tài khoản này được tạm giữ, không thử lại.",
            "Trên KSC, mở thuộc tính máy chủ → xác thực hai bước, thêm tài khoản này vào danh sách loại "
            f"trừ (chỉ tài khoản này), rồi chạy: ksc-ledger accounts resume {code}.",
        )
    if fault.fault_code is FaultCode.PROTOCOL:
        return _not_ksc(patient, fault)
    return failed(
        Check.LOGIN,
        code,
        "login_failed",
        fault.text,
        fault.remedy or "Xem nhật ký dịch vụ KSC trên máy chủ tại thời điểm này rồi chạy lại.",
    )


def _not_ksc(patient: Patient, fault: SourceFault) -> Finding:
    endpoint = patient.endpoint
    return failed(
        Check.PRODUCT,
        patient.code,
        "not_ksc",
        f"Nơi trả lời ở {endpoint.host}:{endpoint.port} không nói giao thức Open API của KSC. {fault.text}",
        "Kiểm tra địa chỉ và cổng 13299: có thể đang gặp trang quản trị web, proxy hay phần mềm khác. "
        "Trên máy chủ KSC, cổng Open API nằm trong thuộc tính Administration Server.",
    )


def _ask_who_it_is(client: KscClient, patient: Patient, seen: Seen) -> None:
    code = patient.code
    try:
        info = client.server_info()
    except SourceFault as fault:
        if fault.fault_code is FaultCode.PROTOCOL:
            seen.findings.append(_not_ksc(patient, fault))
            raise _NoMore from fault
        seen.findings.append(_no_right(patient, "no_right_server_info", "thông tin máy chủ", fault))
        _go_on_after(fault)
        return
    seen.findings.append(_product(code, info.product_version))
    seen.skew_seconds = info.clock_skew_seconds


def _product(code: str, version: str | None) -> Finding:
    major = (version or "").partition(".")[0]
    if not major.isdigit():
        return warned(
            Check.PRODUCT,
            code,
            "version_unknown",
            "Máy chủ không cho biết phiên bản KSC.",
            "Xem phiên bản trong bảng điều khiển; hệ thống được viết theo tài liệu KSC 13 đến 16.",
        )
    if int(major) not in KNOWN_MAJORS:
        return warned(
            Check.PRODUCT,
            code,
            "version_untested",
            f"Máy chủ chạy KSC {version}, ngoài các phiên bản 13 đến 16 mà hệ thống được viết theo.",
            "Sau lượt thu thập đầu tiên so số liệu với bảng điều khiển; phiên bản cũ hơn thì nâng cấp KSC.",
        )
    return well(Check.PRODUCT, code, f"KSC {version}.")


def _ask_groups(client: KscClient, patient: Patient, seen: Seen) -> list[Group] | None:
    try:
        return client.groups()
    except SourceFault as fault:
        seen.findings.append(_no_right(patient, "no_right_groups", "các nhóm quản trị", fault))
        _go_on_after(fault)
        return None


def _ask_devices(
    client: KscClient, patient: Patient, groups: list[Group] | None, seen: Seen
) -> None:
    code = patient.code
    rows = RowsInMemory()
    try:
        found = client.hosts(rows)
    except SourceFault as fault:
        seen.findings.append(_no_right(patient, "no_right_hosts", "danh sách máy", fault))
        _go_on_after(fault)
        return
    if groups is not None:
        seen.findings.append(
            well(Check.RIGHTS, code, f"Đọc được {len(groups)} nhóm và {found.read} máy.")
        )
    if found.read == 0:
        seen.findings.append(
            warned(
                Check.DEVICES,
                code,
                "no_devices",
                "Máy chủ trả lời nhưng tài khoản không thấy máy nào.",
                "Thường do vai trò chỉ được cấp trên một nhóm: cấp quyền đọc ở gốc (Administration "
                "Server). Nếu máy chủ thật sự chưa quản lý máy nào thì không cần làm gì.",
            )
        )
        return
    missing = sorted(name.partition(".")[2] for name in found.drift if name.startswith("missing."))
    needed = [name for name in missing if name in _NEEDED]
    if needed:
        seen.findings.append(
            warned(
                Check.DEVICES,
                code,
                "attributes_missing",
                f"Không máy nào có thuộc tính {', '.join(needed)}.",
                "Phiên bản KSC này có thể đặt tên khác: báo bộ phận kỹ thuật trước khi dùng số liệu.",
            )
        )
    seen.findings.append(_units(patient, groups or [], rows))


_NEEDED = frozenset(
    {"KLHST_WKS_DN", "KLHST_WKS_STATUS", "KLHST_WKS_RTP_STATE", "KLHST_WKS_LAST_NAGENT_CONNECTED"}
)


def _units(patient: Patient, groups: list[Group], rows: RowsInMemory) -> Finding:
    """Whether every group that holds devices counts for a unit, and every mapped group is there."""
    code = patient.code
    by_group, unassigned = _devices_by_group(groups, rows)
    total = sum(by_group.values())
    if not patient.groups:
        return well(
            Check.UNITS,
            code,
            f"Danh mục không ánh xạ nhóm nào của máy chủ này: cả {total} máy tính cho đơn vị của máy chủ.",
        )
    unmapped = {
        path: count
        for path, count in by_group.items()
        if path and mapped_unit(path, patient.groups) is None
    }
    if unmapped:
        shown = sorted(unmapped.items(), key=lambda one: (-one[1], one[0]))
        listed = "; ".join(f"«{path}» {count} máy" for path, count in shown[:_SHOWN_AT_MOST])
        more = f" và {len(shown) - _SHOWN_AT_MOST} nhóm khác" if len(shown) > _SHOWN_AT_MOST else ""
        return warned(
            Check.UNITS,
            code,
            "groups_unmapped",
            f"{len(unmapped)} nhóm trên KSC không có trong danh mục nên {sum(unmapped.values())} máy tính "
            f"cho đơn vị của máy chủ: {listed}{more}.",
            f"Thêm các nhóm này vào server_groups.csv (server_code {code}, group_path đúng như trên, đơn vị "
            "tương ứng), rồi chạy ksc-ledger registry check.",
        )
    there = {path for path in map(normalised_path, by_group) if path}
    there |= {normalised_path(_below_root(group.full_name)) for group in groups}
    absent = [path for path in patient.group_paths if normalised_path(path) not in there]
    if absent:
        listed = "; ".join(f"«{path}»" for path in absent[:_SHOWN_AT_MOST])
        return warned(
            Check.UNITS,
            code,
            "groups_absent",
            f"Danh mục nêu {len(absent)} nhóm mà KSC không có: {listed}.",
            "Nhóm bị đổi tên hay bị xóa trên KSC, hoặc gõ sai trong server_groups.csv: sửa cho khớp; nhóm "
            "đã bỏ thì ghi valid_to_date.",
        )
    root = by_group.get("", 0)
    return well(
        Check.UNITS,
        code,
        f"{total - root} máy nằm trong nhóm đã ánh xạ, {root} máy ở nhóm gốc, {unassigned} máy chưa phân nhóm.",
    )


def _devices_by_group(groups: list[Group], rows: RowsInMemory) -> tuple[Counter[str], int]:
    """Devices by their group's path below the root ('': the root itself), and the unassigned ones."""
    names = {group.id: group.full_name for group in groups}
    found: Counter[str] = Counter()
    unassigned = 0
    for row in rows.taken:
        facts = json.loads(row)
        if facts.get("KLHST_WKS_FROM_UNASSIGNED") is True:
            unassigned += 1
            continue
        path = facts.get("grp_full_name") or names.get(facts.get("KLHST_WKS_GROUPID")) or ""
        found[_below_root(str(path))] += 1
    return found, unassigned


def _below_root(full_name: str | None) -> str:
    """A group's path without the root's name, which differs from console to console."""
    return (full_name or "").strip(SEPARATOR).partition(SEPARATOR)[2]


def _ask_keys(client: KscClient, patient: Patient, seen: Seen) -> None:
    code = patient.code
    try:
        serials = client.licence_keys(RowsInMemory())
    except NotOffered as fault:
        seen.findings.append(
            warned(
                Check.RIGHTS,
                code,
                "no_right_keys",
                f"{fault.text} Số liệu máy vẫn đủ, nhưng không có số liệu bản quyền và hạn khóa.",
                "Cấp cho vai trò của tài khoản quyền Read với khóa cấp phép (theo tài liệu nằm trong “General "
                "features: Basic functionality”; tên vùng quyền khác nhau giữa các phiên bản KSC).",
            )
        )
    except SourceFault as fault:
        seen.findings.append(_no_right(patient, "no_right_keys", "khóa cấp phép", fault))
        _go_on_after(fault)
    else:
        seen.findings.append(well(Check.RIGHTS, code, f"Đọc được {len(serials)} khóa cấp phép."))


def _ask_districts(client: KscClient, patient: Patient, seen: Seen) -> None:
    try:
        seen.children = client.servers()
    except SourceFault as fault:
        seen.findings.append(
            _no_right(patient, "no_right_hierarchy", "danh sách máy chủ cấp dưới", fault)
        )
        _go_on_after(fault)


def _no_right(patient: Patient, code: str, what: str, fault: SourceFault) -> Finding:
    """A question after the login that was not answered; mostly a right that is missing."""
    is_refusal = isinstance(fault, ServerSaidNo | NotOffered) or (
        isinstance(fault, CallFault) and fault.http_status in (401, 403)
    )
    if not is_refusal:
        return failed(
            Check.RIGHTS, patient.code, "answer_unusable", f"Hỏi {what}: {fault.text}", fault.remedy
        )
    return failed(
        Check.RIGHTS,
        patient.code,
        code,
        f"Đăng nhập được nhưng không được đọc {what}. {fault.text}",
        "Trên KSC, cấp cho vai trò của tài khoản quyền Read tại “General features: Basic functionality” ở "
        "gốc (Administration Server), không kèm quyền nào khác; nếu KSC giới hạn địa chỉ IP của Open API "
        "thì thêm máy chạy hệ thống.",
    )


def _go_on_after(fault: SourceFault) -> None:
    """Raise _NoMore unless the session can still be used: a business error leaves it open."""
    if isinstance(fault, ServerSaidNo | NotOffered):
        return
    raise _NoMore from fault
