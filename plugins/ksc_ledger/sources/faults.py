"""Every way in which a call can go wrong, named once, with the text an official reads.

The texts name the server and what to do. They never hold a password, a header or a session.
"""

from __future__ import annotations

from enum import StrEnum

from ksc_ledger.errors import FaultCode, SourceFault
from ksc_ledger.sources.endpoint import Endpoint

CONSOLE = "Mở bảng điều khiển KSC của máy chủ này"


class Trouble(StrEnum):
    """What happened on the line; finer than FaultCode, for those who decide what to try next."""

    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    DROPPED = "dropped"  # the connection ended before a whole answer had begun
    CUT = "cut"  # it ended inside the body
    CERTIFICATE = "certificate"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"
    STATUS = "status"  # an HTTP status that is not 200
    BUSINESS = "business"  # HTTP 200 with PxgError


class CallFault(SourceFault):
    """A call that did not give an answer.

    ``http_status`` is None until a status line was read; ``was_sent`` tells whether the request
    may have reached the server; ``retry_after_seconds`` is what a 429 or 503 asked for;
    ``pending_session`` is the half-open session of a login that wants a second factor;
    ``body_is_whole`` is told with a status: whether its body was read to the end.
    """

    def __init__(
        self,
        trouble: Trouble,
        code: FaultCode,
        text: str,
        remedy: str,
        *,
        http_status: int | None = None,
        was_sent: bool = True,
        retry_after_seconds: float | None = None,
        pending_session: str | None = None,
        body_is_whole: bool = False,
    ) -> None:
        super().__init__(code, text, remedy)
        self.trouble = trouble
        self.http_status = http_status
        self.was_sent = was_sent
        self.retry_after_seconds = retry_after_seconds
        self.pending_session = pending_session
        self.body_is_whole = body_is_whole


class ServerSaidNo(CallFault):
    """A business error (PxgError): HTTP 200, but the method was not executed."""

    def __init__(
        self, endpoint: Endpoint, method: str, *, module: str, number: int, message: str
    ) -> None:
        text = one_line(endpoint.without_secrets(message), 300)
        super().__init__(
            Trouble.BUSINESS,
            FaultCode.SERVER_ERROR,
            f"Máy chủ {endpoint.label} báo lỗi {module or '?'} {number} khi gọi {method}: "
            f"{text or 'không kèm nội dung'}.",
            f"{CONSOLE}, kiểm tra quyền đọc của tài khoản và nhật ký máy chủ tại thời điểm này.",
            http_status=200,
        )
        self.module = module
        self.number = number
        self.message = text

    @property
    def words(self) -> str:
        """Module, number and message, as the server gave them."""
        return f"{self.module or '?'} {self.number} {self.message}".rstrip()


class NotOffered(CallFault):
    """The server does not have this question (404), or refused it outright (PxgError).

    Which of the two a missing method or a missing right gives depends on the version; for the
    figures it is the same: this fact is not to be had here.
    """

    def __init__(self, endpoint: Endpoint, method: str, fault: CallFault) -> None:
        said = f": {fault.words}" if isinstance(fault, ServerSaidNo) else ""
        super().__init__(
            fault.trouble,
            FaultCode.SERVER_ERROR,
            f"Máy chủ {endpoint.label} không cho hỏi {method}{said}.",
            "Nếu phiên bản KSC này có chức năng đó thì cấp quyền đọc cho tài khoản thu thập; nếu "
            "không có thì không cần làm gì, số liệu máy vẫn đủ.",
            http_status=fault.http_status,
        )


def is_absence(fault: CallFault) -> bool:
    """Whether a fault of a question's first call means that the server does not offer it."""
    return fault.http_status == 404 or isinstance(fault, ServerSaidNo)


def one_line(text: str, length: int) -> str:
    """Text from outside, fit to stand in a log or a mail: printable, on one line, not too long."""
    clean = "".join(c if c.isprintable() else " " for c in text)
    clean = " ".join(clean.split())
    return clean if len(clean) <= length else clean[: length - 1] + "…"


def unknown_name(endpoint: Endpoint) -> CallFault:
    return CallFault(
        Trouble.DNS,
        FaultCode.UNREACHABLE,
        f"Không phân giải được tên {endpoint.host} của máy chủ {endpoint.label}.",
        "Kiểm tra tên trong kết nối và dịch vụ DNS của máy chạy hệ thống.",
        was_sent=False,
    )


def refused(endpoint: Endpoint) -> CallFault:
    return CallFault(
        Trouble.REFUSED,
        FaultCode.UNREACHABLE,
        f"Máy chủ {endpoint.label} không nhận kết nối.",
        "Kiểm tra máy chủ có bật, dịch vụ KSC đang chạy, tường lửa cho phép cổng này và đường "
        "truyền tới huyện còn thông.",
        was_sent=False,
    )


def timed_out(endpoint: Endpoint, what: str, *, was_sent: bool) -> CallFault:
    """``what`` continues the sentence "the server … "."""
    return CallFault(
        Trouble.TIMEOUT,
        FaultCode.UNREACHABLE,
        f"Máy chủ {endpoint.label} {what}.",
        "Kiểm tra đường truyền và tải của máy chủ; nếu máy chủ vốn chậm thì tăng các giới hạn "
        "KSC_LEDGER_…_SECONDS hoặc giảm KSC_LEDGER_CHUNK_SIZE.",
        was_sent=was_sent,
    )


def out_of_budget(endpoint: Endpoint, seconds: float) -> CallFault:
    what = f"chưa trả lời hết các câu hỏi trong {seconds:g} giây dành cho một máy chủ"
    return timed_out(endpoint, what, was_sent=False)


def dropped(endpoint: Endpoint, *, was_sent: bool) -> CallFault:
    return CallFault(
        Trouble.DROPPED,
        FaultCode.UNREACHABLE,
        f"Máy chủ {endpoint.label} ngắt kết nối trước khi trả lời.",
        "Kiểm tra đường truyền, tường lửa và nhật ký dịch vụ KSC trên máy chủ.",
        was_sent=was_sent,
    )


def cut(endpoint: Endpoint, method: str, status: int) -> CallFault:
    return CallFault(
        Trouble.CUT,
        FaultCode.INCOMPLETE,
        f"Câu trả lời {method} của máy chủ {endpoint.label} bị đứt giữa chừng.",
        "Số liệu đợt này không dùng; kiểm tra đường truyền nếu lỗi lặp lại.",
        http_status=status,
    )


def wrong_pin(endpoint: Endpoint, seen: str) -> CallFault:
    return CallFault(
        Trouble.CERTIFICATE,
        FaultCode.CERTIFICATE,
        f"Chứng thư của máy chủ {endpoint.label} không phải chứng thư đã biết (vân tay nhận được "
        f"{seen}); chưa gửi tài khoản hay dữ liệu gì.",
        "Hỏi người quản trị máy chủ có thay chứng thư không. Nếu có, lấy vân tay tại chính máy chủ "
        "đó rồi cập nhật certificate_sha256; nếu không, coi là sự cố an toàn thông tin.",
        was_sent=False,
    )


_VERIFY_REASONS = {
    9: "chưa đến ngày hiệu lực",
    10: "đã hết hạn",
    18: "không phải chứng thư đã biết",
    19: "không phải chứng thư đã biết",
    20: "không phải chứng thư đã biết",
    21: "không phải chứng thư đã biết",
    62: "ghi tên máy khác",
    64: "ghi địa chỉ khác",
}


def untrusted(endpoint: Endpoint, verify_code: int) -> CallFault:
    """``verify_code`` is OpenSSL's X509_V_ERR number."""
    reason = _VERIFY_REASONS.get(verify_code, f"không được tin cậy (mã {verify_code})")
    return CallFault(
        Trouble.CERTIFICATE,
        FaultCode.CERTIFICATE,
        f"Chứng thư của máy chủ {endpoint.label} {reason}; chưa gửi tài khoản hay dữ liệu gì.",
        "Hỏi người quản trị máy chủ có thay chứng thư không. Nếu có, lấy lại tệp klserver.cer "
        "tại chính máy chủ đó (ca_file), hoặc khai tên trong chứng thư ở server_hostname; nếu "
        "không, coi là sự cố an toàn thông tin.",
        was_sent=False,
    )


def ca_file_unusable(endpoint: Endpoint) -> CallFault:
    return CallFault(
        Trouble.CERTIFICATE,
        FaultCode.CERTIFICATE,
        f"Không đọc được tệp chứng thư {endpoint.ca_file} của máy chủ {endpoint.label}; "
        "chưa kết nối.",
        "Chép lại tệp klserver.cer (dạng PEM) và cấp quyền đọc cho tài khoản chạy hệ thống.",
        was_sent=False,
    )


def not_tls(endpoint: Endpoint) -> CallFault:
    return CallFault(
        Trouble.PROTOCOL,
        FaultCode.PROTOCOL,
        f"Cổng {endpoint.port} của máy chủ {endpoint.label} không bắt tay được TLS 1.2 trở lên; "
        "chưa gửi tài khoản hay dữ liệu gì.",
        "Kiểm tra địa chỉ và cổng Open API (thường 13299); máy chủ KSC quá cũ cần được nâng cấp.",
        was_sent=False,
    )


def not_the_protocol(
    endpoint: Endpoint, method: str, what: str, status: int | None = 200
) -> CallFault:
    """``what`` continues the sentence "the server answers … by …"."""
    return CallFault(
        Trouble.PROTOCOL,
        FaultCode.PROTOCOL,
        f"Máy chủ {endpoint.label} trả lời {method} không đúng giao thức Open API: {what}.",
        "Kiểm tra địa chỉ, cổng và thiết bị trung gian (proxy, tường lửa); nội dung nhận được "
        "nằm trong tệp thô của đợt thu thập.",
        http_status=status,
    )


def too_large(endpoint: Endpoint, method: str, limit: int, status: int) -> CallFault:
    return CallFault(
        Trouble.TOO_LARGE,
        FaultCode.PROTOCOL,
        f"Câu trả lời {method} của máy chủ {endpoint.label} lớn quá giới hạn {limit} byte.",
        "Giảm KSC_LEDGER_CHUNK_SIZE; nếu số máy thực sự lớn như vậy thì tăng "
        "KSC_LEDGER_MAX_BODY_BYTES.",
        http_status=status,
    )


def bad_status(
    endpoint: Endpoint,
    method: str,
    status: int,
    *,
    is_login: bool,
    wants_second_factor: bool,
    retry_after_seconds: float | None,
    pending_session: str | None,
    body_is_whole: bool,
) -> CallFault:
    """An HTTP status that is not 200."""
    if status == 401 and is_login and wants_second_factor:
        code = FaultCode.SECOND_FACTOR
        text = f"Máy chủ {endpoint.label} đòi mã xác thực hai bước cho tài khoản thu thập."
        remedy = (
            "Loại tài khoản dịch vụ này khỏi xác thực hai bước trên KSC; hệ thống không thể tự "
            "nhập mã."
        )
    elif status == 401 and is_login:
        code = FaultCode.CREDENTIALS
        text = f"Máy chủ {endpoint.label} từ chối tài khoản thu thập (HTTP 401)."
        remedy = (
            f"Kiểm tra tài khoản trên KSC rồi cập nhật mật khẩu trong kết nối "
            f"ksc_{endpoint.server_code}. Hệ thống không thử lại mật khẩu này để tránh khóa tài "
            "khoản."
        )
    elif status in (401, 403):
        code = FaultCode.SERVER_ERROR
        text = f"Máy chủ {endpoint.label} không cho gọi {method} (HTTP {status})."
        remedy = (
            f"{CONSOLE}, kiểm tra quyền đọc của tài khoản và danh sách địa chỉ IP được phép dùng "
            "Open API."
        )
    elif status == 429 or status >= 500:
        code = FaultCode.SERVER_ERROR
        text = f"Máy chủ {endpoint.label} bận hoặc lỗi khi gọi {method} (HTTP {status})."
        remedy = "Xem tải và nhật ký dịch vụ KSC trên máy chủ; lượt thu thập sau sẽ tự hỏi lại."
    else:
        return CallFault(
            Trouble.STATUS,
            FaultCode.PROTOCOL,
            f"Máy chủ {endpoint.label} trả lời {method} bằng HTTP {status}, không đúng giao thức "
            "Open API.",
            "Kiểm tra địa chỉ, cổng, phiên bản KSC và thiết bị trung gian (proxy, tường lửa).",
            http_status=status,
            body_is_whole=body_is_whole,
        )
    return CallFault(
        Trouble.STATUS,
        code,
        text,
        remedy,
        http_status=status,
        retry_after_seconds=retry_after_seconds,
        pending_session=pending_session,
        body_is_whole=body_is_whole,
    )


def set_disagrees(endpoint: Endpoint, what: str, reads: int) -> SourceFault:
    """A result set that contradicts itself, even after it was read anew."""
    return SourceFault(
        FaultCode.INCOMPLETE,
        f"Máy chủ {endpoint.label}: {what} (đã đọc {reads} lần).",
        "Số liệu đợt này không dùng, hệ thống giữ số liệu đủ gần nhất và sẽ hỏi lại ở lượt sau.",
    )


def set_lost(endpoint: Endpoint) -> SourceFault:
    return SourceFault(
        FaultCode.INCOMPLETE,
        f"Máy chủ {endpoint.label} hai lần kết thúc phiên làm việc khi đang đọc dữ liệu.",
        "Số liệu đợt này không dùng. Kiểm tra có ai ngắt phiên hoặc đổi quyền của tài khoản thu "
        "thập trên KSC không.",
    )


def sweep_failed(endpoint: Endpoint, reason: str) -> SourceFault:
    """The server itself gave up a search over its secondary servers."""
    return SourceFault(
        FaultCode.SERVER_ERROR,
        f"Máy chủ {endpoint.label} không hoàn thành việc tìm trên các máy chủ cấp dưới: "
        f"{one_line(endpoint.without_secrets(reason), 300) or 'không cho biết lý do'}.",
        f"{CONSOLE}, xem nhật ký máy chủ tại thời điểm này; lượt sau sẽ tự hỏi lại.",
    )


def gateway_refused(endpoint: Endpoint) -> CallFault:
    """The one-time key of a gateway was not accepted. The account's password was not sent."""
    return CallFault(
        Trouble.STATUS,
        FaultCode.SERVER_ERROR,
        f"Máy chủ {endpoint.label} không nhận khóa cổng nối vừa cấp (HTTP 401).",
        "Lượt sau hệ thống xin khóa mới; nếu lặp lại, kiểm tra liên kết giữa máy chủ cấp dưới và "
        "máy chủ tỉnh. Tài khoản thu thập không bị ảnh hưởng.",
        http_status=401,
    )


def gateway_closed(endpoint: Endpoint, secondary: str, said: ServerSaidNo) -> CallFault:
    """A server would not open its gateway to a secondary one: as a rule that one is off."""
    return CallFault(
        Trouble.BUSINESS,
        FaultCode.UNREACHABLE,
        f"Máy chủ {endpoint.label} không mở được cổng nối tới máy chủ cấp dưới {secondary}: "
        f"{said.words}.",
        "Kiểm tra máy chủ cấp dưới có bật và còn nối với tỉnh, và tài khoản thu thập có quyền vào "
        "máy chủ đó.",
        http_status=200,
    )
