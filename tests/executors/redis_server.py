"""A private Redis with a password, in a folder and on a port of its own, as the compose profile has one."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START_SECONDS = 30


@contextmanager
def a_redis() -> Iterator[str]:
    """The URL of an empty broker on 127.0.0.1."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.fail(
            "Redis is needed for this test. Debian: apt install redis-server", pytrace=False
        )
    with tempfile.TemporaryDirectory(prefix="ksc-redis-") as made:
        folder, port, password = Path(made), _free_port(), secrets.token_urlsafe(15)
        settings = folder / "redis.conf"
        settings.write_text(
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\nappendonly yes\ndir {folder}\n"
        )
        running = subprocess.Popen(
            [program, str(settings)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        try:
            _wait_until_it_listens(port, running)
            yield f"redis://:{password}@127.0.0.1:{port}/0"
        finally:
            running.terminate()
            running.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_listens(port: int, running: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert running.poll() is None, "redis-server ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail("redis-server does not listen", pytrace=False)
