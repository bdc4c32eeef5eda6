"""Takes every mail and delivers none: each becomes a file ``<number>.eml`` in a folder.

It leaves the connection files of both mail channels for ``ksc-ledger init``.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

PORT = 1025


class Catcher:
    """The recipients of the envelope stand in front of the mail, as ``X-Caught-For``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content: Any = envelope.content
        with self._lock:
            number = len(list(self._folder.glob("*.eml"))) + 1
            beside = self._folder / f".{number:06d}.tmp"
            beside.write_bytes(
                f"X-Caught-For: {', '.join(envelope.rcpt_tos)}\r\n".encode() + bytes(content)
            )
            beside.replace(self._folder / f"{number:06d}.eml")
        return f"250 kept as {number}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--connections", type=Path, required=True)
    parser.add_argument("--host", required=True, help="this container's name")
    given = parser.parse_args()
    is_over = threading.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda *_: is_over.set())
    controller = Controller(
        Catcher(given.folder),
        hostname="0.0.0.0",  # noqa: S104 (the container's own network)
        port=PORT,
        enable_SMTPUTF8=True,
    )
    controller.start()
    leave_connections(given.connections, given.host)
    is_over.wait()
    controller.stop()


def leave_connections(folder: Path, host: str) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    for name in ("smtp_alerts", "smtp_engineers"):
        connection = {
            "description": "Hộp bắt thư của bản chạy thử: không thư nào ra ngoài",
            "host": host,
            "port": PORT,
            "extra": {"security": "none"},
        }
        (folder / f"{name}.json").write_text(json.dumps(connection, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    main()
