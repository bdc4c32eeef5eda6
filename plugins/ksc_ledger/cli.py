"""The command line ``ksc-ledger``. Each command imports its room when it runs, not before."""

from __future__ import annotations

import argparse
import json
import os
import pwd
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ksc_ledger import __version__
from ksc_ledger import settings as settings_module
from ksc_ledger.clock import VIETNAM, clock_of
from ksc_ledger.errors import LedgerError

if TYPE_CHECKING:
    from ksc_ledger.push.sending import Site

READER_IS_GONE = 141  # as a shell tells of a program that wrote into a closed pipe


def main(words: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 mistakes were found, 2 it could not be done, 141 nobody reads on."""
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()  # here, where a closed pipe can be told from other trouble
    except BrokenPipeError:
        # Python writes what is left when it ends; into nothing, so that it has no complaint.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_IS_GONE


def _run(words: Sequence[str] | None) -> int:
    parser = _parser()
    given = parser.parse_args(words)
    run: Callable[[argparse.Namespace], int] = given.run
    try:
        return run(given)
    except LedgerError as error:
        print(error.text, file=sys.stderr)
        if error.remedy:
            print(f"Cách khắc phục: {error.remedy}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ksc-ledger", description="KSC Ledger")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="LỆNH")

    as_of = commands.add_parser("as-of", help="số liệu của một ngày bất kỳ, kèm nguồn")
    as_of.add_argument("day", nargs="?", type=date.fromisoformat, metavar="YYYY-MM-DD")
    as_of.add_argument("--unit", help="chỉ một đơn vị (mã đơn vị)")
    as_of.add_argument("--snapshot", metavar="ID", help="dựng lại đúng con số đã in")
    as_of.add_argument(
        "--map",
        choices=["own", "today"],
        default="own",
        help="tính theo tổ chức của chính ngày đó (own) hay tổ chức hiện nay (today)",
    )
    as_of.add_argument("--json", action="store_true", help="in dạng JSON")
    as_of.set_defaults(run=_as_of)

    registry = commands.add_parser("registry", help="danh mục").add_subparsers(required=True)
    check = registry.add_parser("check", help="kiểm tra các tệp danh mục")
    check.add_argument("path", nargs="?", type=Path)
    check.set_defaults(run=_registry_check)

    simulator = commands.add_parser("simulator", help="địa bàn giả lập").add_subparsers(
        required=True
    )
    check = simulator.add_parser("check", help="kiểm tra một kịch bản")
    check.add_argument("path", type=Path)
    check.set_defaults(run=_simulator_check)

    accounts = commands.add_parser(
        "accounts", help="tài khoản KSC đang tạm giữ sau khi bị từ chối"
    ).add_subparsers(required=True)
    accounts.add_parser("list", help="liệt kê").set_defaults(run=_accounts_list)
    resume = accounts.add_parser("resume", help="cho phép thử lại")
    resume.add_argument("server_code")
    resume.set_defaults(run=_accounts_resume)

    commands.add_parser(
        "backup", help="sao lưu rồi phục hồi thử ngay vào thư mục tạm"
    ).set_defaults(run=_backup)
    restore = commands.add_parser("restore", help="phục hồi một bản sao lưu (dừng Airflow trước)")
    restore.add_argument("name", nargs="?", help="tên bản trong backups/; bỏ trống: liệt kê")
    restore.add_argument("--yes", action="store_true", help="đã dừng Airflow, phục hồi thật")
    restore.set_defaults(run=_restore)

    links = commands.add_parser(
        "links", help="kết nối máy chủ: xem, tiếp nhận sự cố, tạm ngừng cảnh báo"
    ).add_subparsers(required=True, metavar="VIỆC")
    shown = links.add_parser("list", help="tình trạng từng máy chủ")
    shown.add_argument("--json", action="store_true", help="in dạng JSON")
    shown.set_defaults(run=_links_list)
    ack = links.add_parser("ack", help="tiếp nhận một sự cố: ngừng nhắc, ngừng báo cấp trên")
    ack.add_argument("subject", metavar="MÁY_CHỦ|SỰ_CỐ")
    ack.add_argument("--note", default="", help="nội dung tiếp nhận")
    ack.set_defaults(run=_links_ack)
    silence = links.add_parser("silence", help="tạm ngừng cảnh báo về một máy chủ")
    silence.add_argument("server_code", metavar="MÁY_CHỦ")
    silence.add_argument("--reason", required=True, help="lý do")
    silence.add_argument("--owner", help="cơ quan, tổ chịu trách nhiệm; mặc định: người thực hiện")
    silence.add_argument("--from", dest="from_at", metavar="THỜI_ĐIỂM", help="mặc định: bây giờ")
    silence.set_defaults(run=_links_silence)
    unsilence = links.add_parser("unsilence", help="thôi tạm ngừng cảnh báo")
    unsilence.add_argument("silence_id", metavar="MÃ")
    unsilence.set_defaults(run=_links_unsilence)
    for command in (ack, silence):
        end = command.add_mutually_exclusive_group(required=True)
        end.add_argument("--until", metavar="THỜI_ĐIỂM", help="ví dụ 2024-01-10T17:00+07:00")
        end.add_argument("--hours", type=_hours, metavar="GIỜ", help="bao nhiêu giờ kể từ bây giờ")
    for command in (ack, silence, unsilence):
        command.add_argument("--by", metavar="TÊN", help="người thực hiện; mặc định: tài khoản máy")

    intake = commands.add_parser("intake", help="tệp đơn vị gửi").add_subparsers(
        required=True, metavar="VIỆC"
    )
    back = intake.add_parser(
        "return", help="trả một tệp đã nhận về hộp nhận để đọc lại; giữ thời điểm nhận ban đầu"
    )
    back.add_argument("receipt", metavar="BIÊN_NHẬN|TỆP")
    back.set_defaults(run=_intake_return)

    erase = commands.add_parser(
        "erase", help="xóa dữ liệu của một người khỏi danh bạ, dữ liệu đã tải, kho và bản sao lưu"
    )
    erase.add_argument("text", help="tên đăng nhập, họ tên hoặc địa chỉ thư")
    erase.add_argument("--yes", action="store_true", help="xóa thật, không thể lấy lại")
    erase.set_defaults(run=_erase)

    keys = commands.add_parser("keys", help="tạo các tệp bí mật còn thiếu của một hệ thống mới")
    keys.add_argument("--into", type=Path, required=True, metavar="THƯ_MỤC")
    keys.set_defaults(run=_keys)
    init = commands.add_parser(
        "init", help="chuẩn bị hệ thống: cơ sở dữ liệu, vai trò, người dùng, pool, kết nối"
    )
    init.add_argument(
        "--private", type=Path, default=Path("/etc/ksc-ledger/private"), metavar="THƯ_MỤC"
    )
    init.add_argument(
        "--connections",
        type=Path,
        action="append",
        default=[],
        metavar="THƯ_MỤC",
        help="thư mục khác có tệp <mã kết nối>.json",
    )
    init.add_argument(
        "--passwords", type=Path, default=Path("/run/secrets/initial_passwords"), metavar="TỆP"
    )
    init.set_defaults(run=_init)

    doctor = commands.add_parser(
        "doctor", help="khám hệ thống và từng máy chủ KSC: sai ở đâu, sửa thế nào"
    )
    doctor.add_argument("--server", metavar="MÃ", help="chỉ một máy chủ (mã trong danh mục)")
    doctor.add_argument(
        "--connections",
        type=Path,
        metavar="TỆP",
        help="kết nối từ tệp của airflow connections export, hoặc thư mục có tệp <mã kết nối>.json; "
        "không hỏi Airflow",
    )
    doctor.add_argument("--send-to", metavar="ĐỊA_CHỈ", help="gửi một thư thử tới địa chỉ này")
    doctor.add_argument("--all", action="store_true", help="kể cả từng mục đã đạt")
    doctor.add_argument("--json", action="store_true", help="in dạng JSON")
    doctor.set_defaults(run=_doctor)

    push = commands.add_parser(
        "push", help="nơi trung tâm không với tới: tự thu thập và gửi về"
    ).add_subparsers(required=True, metavar="VIỆC")
    key = push.add_parser("key", help="tạo khóa của nơi này, in khóa công khai để trung tâm khai")
    key.add_argument("--into", type=Path, required=True, metavar="TỆP")
    key.set_defaults(run=_push_key)
    send = push.add_parser("send", help="thu thập rồi gửi mọi lần tải mà trung tâm chưa có")
    send.set_defaults(run=_push_send)
    sign = push.add_parser("sign", help="chỉ báo còn sống và máy chủ KSC có trả lời không")
    sign.set_defaults(run=_push_sign)
    for command in (send, sign):
        command.add_argument("--server", required=True, metavar="MÃ", help="mã máy chủ")
        command.add_argument("--to", required=True, metavar="URL", help="https://…/gui-so-lieu/v1")
        command.add_argument("--key", type=Path, required=True, metavar="TỆP", help="khóa riêng")
        command.add_argument(
            "--connections",
            type=Path,
            required=True,
            metavar="THƯ_MỤC",
            help="có tệp ksc_<mã máy chủ>.json (địa chỉ, tài khoản của máy chủ KSC)",
        )
        command.add_argument(
            "--ca-file", type=Path, metavar="TỆP", help="chứng thư của trung tâm hoặc của nơi cấp"
        )

    commands.add_parser("rebuild", help="dựng lại lịch sử và bảng từ dữ liệu đã tải").set_defaults(
        run=_rebuild
    )
    return parser


def _push_key(given: argparse.Namespace) -> int:
    from ksc_ledger.push import keys

    print(keys.make(given.into))
    print(
        f"Dòng trên là khóa công khai: gửi cho trung tâm để khai trong push_keys.csv. Tệp {given.into} "
        "là khóa riêng: không gửi cho ai, không sao chép đi đâu.",
        file=sys.stderr,
    )
    return 0


def _push_send(given: argparse.Namespace) -> int:
    """Exit status 1: the server was not read whole, or the centre refused a load for good."""
    site = _push_site(given)
    load = site.collect()
    print(load.fault_text or f"Đã đọc {load.rows_read_count} máy.")
    done = site.send()
    for load_id in done.taken:
        print(f"Trung tâm đã nhận {load_id}.")
    for load_id, why in done.refused.items():
        print(f"Trung tâm không nhận {load_id}: {why}", file=sys.stderr)
    return 1 if load.fault_code or done.refused else 0


def _push_sign(given: argparse.Namespace) -> int:
    _push_site(given).sign()
    print("Trung tâm đã nghe thấy.")
    return 0


def _push_site(given: argparse.Namespace) -> Site:
    from ksc_ledger.doctor.connections import SERVER_PREFIX, ConnectionsFile
    from ksc_ledger.push import keys
    from ksc_ledger.push.sending import Centre, Site

    settings = settings_module.load()
    connection_id = f"{SERVER_PREFIX}{given.server}"
    kept = ConnectionsFile(given.connections).get(connection_id)
    if kept is None:
        raise LedgerError(
            "connection_missing",
            f"Không có kết nối {connection_id} trong {given.connections}.",
            f"Tạo tệp {connection_id}.json theo docs/push.md, chmod 600.",
        )
    return Site(
        settings=settings,
        endpoint=kept.endpoint(connection_id, given.server),
        key=keys.load(given.key),
        centre=Centre(url=given.to, ca_file=given.ca_file),
        clock=clock_of(settings.places),
    )


def _keys(given: argparse.Namespace) -> int:
    from ksc_ledger.deployment import first_start, keys

    settings = settings_module.load()
    users = [one.user_name for one in first_start.people(settings.initial_users)]
    made = keys.make(given.into, settings.postgres_address, users)
    for name in made.new:
        print(f"Đã tạo {given.into / name}.")
    print(f"Giữ nguyên {len(made.kept)} tệp đã có. Sao lưu thư mục này ở nơi an toàn.")
    return 0


def _init(given: argparse.Namespace) -> int:
    from ksc_ledger.deployment import first_start

    settings = settings_module.load()
    for said in first_start.begin(
        settings,
        private=given.private,
        connection_folders=[given.private / "connections", *given.connections],
        wanted_people=first_start.people(settings.initial_users),
        passwords_file=given.passwords,
    ):
        print(said, flush=True)
    return 0


def _as_of(given: argparse.Namespace) -> int:
    from ksc_ledger.warehouse import asof

    settings = settings_module.load()
    if given.snapshot:
        figure = asof.replay(settings, given.snapshot)
        print(json.dumps(figure, ensure_ascii=False, indent=1, default=str))
        return 0
    if given.day is None:
        raise LedgerError(
            "as_of_needs_a_day",
            "Chưa nêu ngày cần xem số liệu.",
            "Ghi ngày dạng 2022-10-12, hoặc --snapshot ID.",
        )
    rows = asof.coverage_as_of(settings, given.day, given.unit, asof.Map(given.map))
    if given.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1, default=str))
    else:
        print("\n".join(asof.as_text(rows)))
    return 0


def _registry_check(given: argparse.Namespace) -> int:
    from ksc_ledger.registry import check

    return _say(check(given.path or settings_module.load().registry))


def _simulator_check(given: argparse.Namespace) -> int:
    from ksc_ledger.rehearsal.checking import check_whole

    return _say(check_whole(given.path))


def _say(mistakes: Sequence[str]) -> int:
    if not mistakes:
        print("Không có lỗi.")
        return 0
    print("\n".join(mistakes))
    print(f"{len(mistakes)} lỗi.")
    return 1


def _accounts_list(_: argparse.Namespace) -> int:
    from ksc_ledger.state import accounts, open_state

    held = accounts.held(open_state(settings_module.load().state_url))
    for account in held:
        print(f"{account.server_code}  từ {account.held_at:%d/%m/%Y %H:%M} UTC: {account.reason}")
    if not held:
        print("Không có tài khoản nào đang tạm giữ.")
    return 0


def _accounts_resume(given: argparse.Namespace) -> int:
    from ksc_ledger.state import accounts, open_state

    accounts.resume(open_state(settings_module.load().state_url), given.server_code)
    print(f"Lượt thu thập sau sẽ thử lại tài khoản của {given.server_code} một lần.")
    return 0


def _backup(_: argparse.Namespace) -> int:
    from ksc_ledger.warehouse import backup

    settings = settings_module.load()
    folder = backup.back_up(settings, code_version=__version__)
    print(f"Đã sao lưu vào {folder}.")
    print(backup.drill(settings, folder))
    return 0


def _restore(given: argparse.Namespace) -> int:
    from ksc_ledger.warehouse import backup

    settings = settings_module.load()
    there = {folder.name: folder for folder in backup.backups(settings.places)}
    if given.name is None:
        for name, folder in there.items():
            print(f"{name}  {backup.as_text(backup.read(folder))}")
        if not there:
            print(f"Chưa có bản sao lưu nào trong {settings.places.backups}.")
        return 0
    if given.name not in there:
        raise LedgerError(
            "no_such_backup",
            f"Không có bản sao lưu {given.name} trong {settings.places.backups}.",
            "Chạy ksc-ledger restore để xem danh sách.",
        )
    if not given.yes:
        raise LedgerError(
            "restore_not_confirmed",
            "Phục hồi sẽ thay kho số liệu, cơ sở dữ liệu vận hành và các phiên bản danh mục.",
            f"Dừng Airflow, rồi chạy: ksc-ledger restore {given.name} --yes. Dữ liệu đang có được "
            "chuyển vào before_restore-…, không bị xóa.",
        )
    backup.restore(settings, there[given.name])
    print("Đã phục hồi. Khởi động Airflow và chạy build_marts để nhận các lần tải mới hơn.")
    return 0


def _doctor(given: argparse.Namespace) -> int:
    """Exit status: 0 nothing to mend, 1 something to look at, 2 something that does not work."""
    from ksc_ledger.doctor import Wish, examine, worst
    from ksc_ledger.doctor.connections import Connections, ConnectionsFile
    from ksc_ledger.doctor.installation import Installation
    from ksc_ledger.doctor.report import EXIT_STATUS, as_json, as_text

    settings = settings_module.load()
    # Airflow logs on the standard output, where a program expects the findings and nothing else.
    with redirect_stdout(sys.stderr):
        airflow: Installation | None = None
        connections: Connections | LedgerError
        try:
            if given.connections is not None:
                connections = ConnectionsFile(given.connections)
            else:
                from ksc_ledger.orchestration import connections as of_airflow

                connections = of_airflow.AirflowConnections(os.environ)
                airflow = of_airflow.installation()
        except LedgerError as error:
            connections = error
        wish = Wish(
            connections=connections,
            server_code=given.server,
            send_to=given.send_to,
            airflow=airflow,
        )
        findings = examine(settings, wish, clock_of(settings.places))
    print(as_json(findings) if given.json else as_text(findings, is_whole=given.all))
    return EXIT_STATUS[worst(findings)]


def _links_list(given: argparse.Namespace) -> int:
    from dataclasses import asdict

    from ksc_ledger.alerts import operating
    from ksc_ledger.alerts.compose import CAUSES, STATES
    from ksc_ledger.registry import in_force
    from ksc_ledger.state import open_state

    settings = settings_module.load()
    now = clock_of(settings.places).now()
    engine = open_state(settings.state_url)
    rows = operating.link_rows(engine, in_force(settings).registry, now)
    if given.json:
        shown = [asdict(row) for row in rows]
        print(json.dumps(shown, ensure_ascii=False, indent=1, default=_instant_text))
        return 0
    for row in rows:
        since = f" từ {_local(row.since_at)}" if row.since_at else ""
        print(f"{row.server_code}  {row.place}: {STATES[row.state.value]}{since}")
        if row.cause:
            print(f"    nhận định: {CAUSES[row.cause.value]}")
        if row.incident_id:
            print(f"    sự cố: {row.incident_id}")
        if row.is_flapping:
            print("    đang chập chờn")
        if row.acknowledged_until and row.acknowledged_until > now:
            print(f"    đã tiếp nhận đến {_local(row.acknowledged_until)}")
        for quiet in row.quiet:
            which = f" (mã {quiet.silence_id})" if quiet.silence_id else " (theo danh mục)"
            print(f"    không cảnh báo đến {_local(quiet.to_at)}{which}")
    if not rows:
        print("Danh mục không có máy chủ nào đang hoạt động.")
    return 0


def _links_ack(given: argparse.Namespace) -> int:
    from ksc_ledger.alerts import operating
    from ksc_ledger.state import open_state

    settings = settings_module.load()
    now = clock_of(settings.places).now()
    until_at = _until(given, now)
    incident_id = operating.acknowledge(
        open_state(settings.state_url),
        given.subject,
        until_at=until_at,
        actor=_actor(given),
        note=given.note,
        now=now,
    )
    print(
        f"Đã tiếp nhận sự cố {incident_id}: không nhắc lại, không báo cấp trên đến "
        f"{_local(until_at)}."
    )
    return 0


def _links_silence(given: argparse.Namespace) -> int:
    from ksc_ledger.alerts import operating
    from ksc_ledger.registry import in_force
    from ksc_ledger.state import open_state

    settings = settings_module.load()
    now = clock_of(settings.places).now()
    to_at = _until(given, now)
    actor = _actor(given)
    silence_id = operating.silence(
        open_state(settings.state_url),
        in_force(settings).registry,
        given.server_code,
        from_at=_instant(given.from_at) if given.from_at else now,
        to_at=to_at,
        owner=given.owner or actor,
        reason=given.reason,
        actor=actor,
        now=now,
    )
    print(f"Không cảnh báo về {given.server_code} đến {_local(to_at)}; mã {silence_id}.")
    return 0


def _links_unsilence(given: argparse.Namespace) -> int:
    from ksc_ledger.alerts import operating
    from ksc_ledger.state import open_state

    settings = settings_module.load()
    now = clock_of(settings.places).now()
    code = operating.end_silence(
        open_state(settings.state_url), given.silence_id, actor=_actor(given), now=now
    )
    print(f"Cảnh báo về {code} có hiệu lực trở lại.")
    return 0


def _actor(given: argparse.Namespace) -> str:
    """Who did it, for the audit: as named, else the account of this machine."""
    return str(given.by).strip() if given.by else pwd.getpwuid(os.getuid()).pw_name


def _until(given: argparse.Namespace, now: datetime) -> datetime:
    return _instant(given.until) if given.until else now + timedelta(hours=given.hours)


def _hours(text: str) -> float:
    hours = float(text)
    if not 0 < hours <= 24 * 92:
        raise argparse.ArgumentTypeError("trên 0 và nhiều nhất 2208 giờ")
    return hours


def _instant(text: str) -> datetime:
    """An instant as it was typed; without a zone it is Vietnamese time."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise LedgerError(
            "instant_unreadable",
            f"«{text}» không phải là một thời điểm.",
            "Ghi dạng 2024-01-10T17:00 hoặc 2024-01-10T17:00+07:00.",
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=VIETNAM)


def _local(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%H:%M %d/%m/%Y}"


def _instant_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _erase(given: argparse.Namespace) -> int:
    from ksc_ledger.warehouse import erasure

    if not given.yes:
        raise LedgerError(
            "erase_not_confirmed",
            "Xóa là vĩnh viễn: các bản sao lưu cũ và phiên bản xuất bản cũ cũng bị xóa.",
            "Dừng Airflow, rồi chạy lại với --yes.",
        )
    print(erasure.erase(settings_module.load(), given.text, code_version=__version__))
    return 0


def _intake_return(given: argparse.Namespace) -> int:
    from ksc_ledger.intake import receive, store

    places = settings_module.load().places
    stored = store.find(given.receipt, places)
    path = receive.return_to_inbox(stored, places, now=clock_of(places).now())
    print(f"Đã trả tệp về {path}, nhận lúc {_local(stored.receipt.received_at)}.")
    print("Lượt receive_unit_reports sau sẽ đọc lại và gửi biên nhận mới.")
    return 0


def _rebuild(_: argparse.Namespace) -> int:
    from ksc_ledger.registry import in_force
    from ksc_ledger.warehouse import rebuild

    settings = settings_module.load()
    print(rebuild.rebuild(settings, in_force(settings).registry, code_version=__version__))
    return 0


if __name__ == "__main__":
    sys.exit(main())
