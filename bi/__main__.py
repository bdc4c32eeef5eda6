"""`python -m bi [--port N]`: provision where something changed, serve until Ctrl-C."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TextIO

from bi import assets, places, published
from ksc_ledger import settings
from ksc_ledger.errors import LedgerError

HOST = "127.0.0.1"
READY_SECONDS = 180
STOP_SECONDS = 20


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bi", description="Bảng điều khiển BI (Superset).")
    parser.add_argument("--port", type=int, default=8088)
    port = parser.parse_args().port
    for sign in (signal.SIGINT, signal.SIGTERM):  # also where a shell had SIGINT ignored
        signal.signal(sign, _stop)
    try:
        run(places.of(settings.load()), port)
    except LedgerError as error:
        _say(str(error), to=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _say("\nĐã dừng.")
    return 0


def run(home: places.Places, port: int) -> None:
    """Serve until interrupted; LedgerError for all that a person can mend."""
    views = published.views(home.marts_file)
    places.make(home)
    with _alone(home):
        port = _free(port)
        if not is_provisioned(home, published.fingerprint(home.marts_file, views)):
            _provision(home)
        _serve(home, port)


def is_provisioned(home: places.Places, fingerprint: str) -> bool:
    """Whether the database is there and was made by this very program for a file like this one."""
    try:
        mark = json.loads(home.mark.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    there = (home.database, home.passwords, home.words / "vi.json")
    return mark.get("fingerprint") == fingerprint and all(path.exists() for path in there)


def _provision(home: places.Places) -> None:
    _say("… chuẩn bị bảng điều khiển (lần đầu khoảng nửa phút)")
    with home.log.open("ab") as log:
        found = subprocess.run(
            [sys.executable, "-m", "bi.provision"],
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    if found.returncode:
        raise LedgerError(
            "not_provisioned",
            "Không chuẩn bị được bảng điều khiển.",
            f"Xem cuối tệp {home.log}; nếu {home.database} hỏng thì xóa tệp ấy rồi chạy lại.",
        )


def _serve(home: places.Places, port: int) -> None:
    with home.log.open("ab") as log:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--workers", "1"),
                *("--worker-class", "gthread", "--threads", "8", "--timeout", "60"),
                "--no-control-socket",  # it would lie outside this home
                *("--bind", f"{HOST}:{port}", "superset.app:create_app()"),
            ],
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C comes to us; we end it in order
        )
    try:
        _wait_until_ready(server, home, port)
        _tell(home, port)
        server.wait()
    finally:
        _end(server)
    raise LedgerError("stopped", "Superset đã dừng ngoài ý muốn.", f"Xem cuối tệp {home.log}.")


def _wait_until_ready(server: subprocess.Popen[bytes], home: places.Places, port: int) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and server.poll() is None:
        with suppress(OSError), opener.open(f"http://{HOST}:{port}/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.3)
    raise LedgerError("not_started", "Superset không khởi động được.", f"Xem cuối tệp {home.log}.")


def _tell(home: places.Places, port: int) -> None:
    known, _ = places.passwords(home, ())
    slug = assets.read(places.ASSETS).dashboard["slug"]
    _say(
        f"Bảng điều khiển BI: http://{HOST}:{port}/superset/dashboard/{slug}/\n"
        f"  {places.VIEWER:<8} {known[places.VIEWER]}   chỉ xem, xuất Excel\n"
        f"  {places.ADMIN:<8} {known[places.ADMIN]}   quản trị: tự làm biểu đồ, hỏi bằng SQL\n"
        f"  Mật khẩu cũng ở {home.passwords}. Ctrl-C để dừng."
    )


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


@contextmanager
def _alone(home: places.Places) -> Iterator[None]:
    """One dashboard for one home. Ends with the process at the latest."""
    descriptor = os.open(home.folder / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise LedgerError(
            "already_running",
            f"Bảng điều khiển của {home.folder} đang chạy.",
            "Dùng bảng điều khiển đang chạy, hoặc dừng nó bằng Ctrl-C rồi chạy lại.",
        ) from error
    try:
        yield
    finally:
        os.close(descriptor)


def _free(port: int) -> int:
    """The port, or any free one for 0."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise LedgerError(
                "port_taken",
                f"Cổng {port} của máy này đang bận.",
                "Chọn cổng khác: make bi PORT=8089.",
            ) from error
        found: int = probe.getsockname()[1]
    return found


def environment(home: places.Places) -> Mapping[str, str]:
    """Nothing of another Superset or Airflow of this machine, and clocks in UTC."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SUPERSET", "FLASK", "AIRFLOW", "GUNICORN", "PYTHON"))
    }
    root = places.REPOSITORY
    return kept | {
        "FLASK_APP": "superset",
        "KSC_LEDGER_HOME": str(home.folder.parent),
        "PYTHONPATH": os.pathsep.join([str(root), str(root / "plugins")]),
        "PYTHONUNBUFFERED": "1",
        "SUPERSET_CONFIG_PATH": str(root / "bi" / "superset_config.py"),
        "SUPERSET_HOME": str(home.folder),
        "TZ": "UTC",
    }


def _say(text: str, to: TextIO = sys.stdout) -> None:
    to.write(f"{text}\n")
    to.flush()


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
