"""The command line ``ksc-ledger``. Each command imports its room when it runs, not before."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from ksc_ledger import __version__
from ksc_ledger import settings as settings_module
from ksc_ledger.errors import LedgerError

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
    as_of.add_argument("--unit", help="chỉ một đơn vị và các đơn vị trực thuộc")
    as_of.add_argument("--snapshot", metavar="ID", help="dựng lại đúng con số đã in")
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

    commands.add_parser("rebuild", help="dựng lại lịch sử và bảng từ dữ liệu đã tải").set_defaults(
        run=_rebuild
    )
    return parser


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
    rows = asof.coverage_as_of(settings, given.day, given.unit)
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


def _rebuild(_: argparse.Namespace) -> int:
    from ksc_ledger.registry import in_force
    from ksc_ledger.warehouse import rebuild

    settings = settings_module.load()
    print(rebuild.rebuild(settings, in_force(settings).registry, code_version=__version__))
    return 0


if __name__ == "__main__":
    sys.exit(main())
