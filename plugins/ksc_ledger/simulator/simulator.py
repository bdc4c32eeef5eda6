"""The simulated estate as one object: start it, drive its clock, make things go wrong, stop it."""

from __future__ import annotations

import json
import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ksc_ledger.errors import LedgerError
from ksc_ledger.simulator import check
from ksc_ledger.simulator.certificates import (
    Certificate,
    CertificateStore,
    Variant,
    write_private,
)
from ksc_ledger.simulator.control import ControlServer
from ksc_ledger.simulator.estate import Estate
from ksc_ledger.simulator.faults import FaultKind, value_mistake
from ksc_ledger.simulator.listeners import HOST, Listeners
from ksc_ledger.simulator.methods import METHODS
from ksc_ledger.simulator.request_log import RequestLog
from ksc_ledger.simulator.scenario import Scenario
from ksc_ledger.simulator.server import LOGIN
from ksc_ledger.simulator.virtual_clock import VirtualClock


class Simulator:
    """All servers of the scenarios over HTTPS, in this process's threads.

    They listen on ``address``: this machine alone, unless a container's network is meant.
    ``port`` is the first server's, the others follow; 0 takes any free ones. Without ``at`` the
    clock begins at the end of the latest scenario. A clock that ``is_driven`` stands still.
    ``monotonic`` gives the real seconds by which sessions and accessors age. ScenarioError when a
    scenario has mistakes, LedgerError when a port is taken.
    """

    def __init__(
        self,
        scenarios: Sequence[Path],
        run_dir: Path,
        port: int = 0,
        *,
        at: datetime | None = None,
        is_driven: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        address: str = HOST,
    ) -> None:
        loaded = [check.load(Path(folder)) for folder in scenarios]
        check.refuse_shared_codes(loaded)
        self._run_dir = Path(run_dir)
        self._run_dir.mkdir(parents=True, exist_ok=True)
        self._certificates = CertificateStore(self._run_dir)
        self._clock = VirtualClock(at or _end_of(loaded), is_driven=is_driven)
        self._estate = Estate(loaded, self._clock, monotonic, self._password)
        self._log = RequestLog()
        for server in self._estate.servers.values():
            server.certificate_der = self._certificate(server.code, Variant.CURRENT).der
        self._control = ControlServer(self)
        try:
            self._listeners = Listeners(self._estate, self._log, port, self._context, address)
        except LedgerError:
            self._control.stop()
            raise
        self._is_over = False
        self.ports: dict[str, Any] = self._describe()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Open the ports and write ``ports.json``."""
        self._listeners.start()
        self._control.start()
        beside = self._run_dir / "ports.json.tmp"
        beside.write_text(json.dumps(self.ports, ensure_ascii=False, indent=1), "utf-8")
        beside.replace(self._run_dir / "ports.json")

    def stop(self) -> None:
        """Close everything, once; ``ports.json`` goes, for nobody answers there any more."""
        if self._is_over:
            return
        self._is_over = True
        (self._run_dir / "ports.json").unlink(missing_ok=True)
        self._control.stop()
        self._listeners.stop()

    def set_clock(self, at: datetime, *, is_driven: bool = True) -> None:
        """Move the estate's clock. Ports are opened and closed accordingly when this returns."""
        self._clock.set(at, is_driven=is_driven)
        self._listeners.refresh()

    def now(self) -> datetime:
        """The estate's clock, aware, in UTC."""
        return self._clock.now()

    def fault(
        self,
        server_code: str,
        kind: str,
        value: str | float | None = None,
        count: int | None = None,
        method: str | None = None,
    ) -> None:
        """Switch a fault on (docs/simulator.md), for ``count`` times or until it is taken back.

        ``method`` (``Class.Method`` or ``login``) moves a fault of calls to other calls than its
        kind's own. LedgerError when one of these is not known.
        """
        if server_code not in self._estate.servers:
            raise _wrong(f"Không có máy chủ {server_code!r}.", ", ".join(self._estate.servers))
        if kind not in FaultKind.__members__.values():
            raise _wrong(f"Không có loại lỗi {kind!r}.", ", ".join(FaultKind))
        if method is not None and method not in ("login", "Session.StartSession", *METHODS):
            raise _wrong(f"Không có phương thức {method!r}.", "Class.Method của giao thức")
        if count is not None and (not isinstance(count, int) or count < 1):
            raise _wrong(f"Số lần {count!r} không hợp lệ.", "số nguyên từ 1 trở lên")
        chosen = None if value is None else f"{value:g}" if isinstance(value, float) else str(value)
        wrong = value_mistake(FaultKind(kind), chosen or "")
        if wrong:
            raise _wrong(wrong, "bảng lỗi trong docs/simulator.md")
        self._estate.faults.add(
            server_code,
            FaultKind(kind),
            self._clock.now(),
            value=chosen or None,
            count=count,
            method=method,
        )
        self._listeners.refresh()

    def clear_faults(self, server_code: str | None = None) -> None:
        """Take back the faults of one server or of all; a scenario's own events stay."""
        self._estate.faults.clear(server_code)
        self._listeners.refresh()

    def log(self) -> dict[str, list[dict[str, Any]]]:
        """Requests by server: ``at, clock_at, method, had_authorization, status``."""
        return self._log.as_json()

    def state(self) -> dict[str, Any]:
        """The clock, and what every server is doing."""
        at = self._clock.now()
        return {
            "at": at.isoformat(),
            "is_driven": self._clock.is_driven,
            "servers": {code: self._server_state(code, at) for code in self._estate.servers},
        }

    def password(self, server_code: str) -> str:
        """The password of a server's account, as its file has it."""
        return self._estate.servers[server_code].password

    def _server_state(self, code: str, at: datetime) -> dict[str, Any]:
        server = self._estate.servers[code]
        variant = self._estate.variant(code, at)
        return {
            "port": self._listeners.ports[code],
            "is_listening": self._estate.is_listening(code, at),
            "is_link_up": self._estate.link(code).is_up,
            "certificate_sha256": self._certificate(code, variant).sha256 if variant else None,
            "certificate": str(self._certificate(code, variant).file) if variant else None,
            "host_count": len(server.view().hosts),
            "session_count": len(server.sessions),
            "set_count": server.sessions.set_count,
            "connection_count": self._listeners.connection_count(code),
            "faults": [
                {
                    "kind": fault.kind,
                    "value": fault.value,
                    "remaining": fault.remaining,
                    "methods": sorted(fault.methods),
                }
                for fault in self._estate.faults.active(code, at)
            ],
        }

    def _describe(self) -> dict[str, Any]:
        servers = {}
        for code, server in self._estate.servers.items():
            shown = self._certificate(code, Variant.CURRENT)
            servers[code] = {
                "host": HOST,
                "port": self._listeners.ports[code],
                "certificate": str(shown.file.resolve()),
                "sha256": shown.sha256,
                "login": LOGIN,
                "password_file": str(self._password_file(code).resolve()),
                "display_name": server.row.display_name,
                "parent_server_code": server.row.parent_server_code,
            }
        return {"control": {"host": HOST, "port": self._control.port}, "servers": servers}

    def _certificate(self, code: str, variant: Variant) -> Certificate:
        name = self._estate.servers[code].facts.rows[0].display_name
        return self._certificates.certificate(code, name, variant)

    def _context(self, code: str, variant: Variant) -> ssl.SSLContext:
        return self._certificate(code, variant).context

    def _password_file(self, code: str) -> Path:
        return self._run_dir / f"{code}.password"

    def _password(self, code: str) -> str:
        """A server's password; one from an earlier start in the same place stays."""
        file = self._password_file(code)
        if not file.exists():
            write_private(file, secrets.token_urlsafe(18).encode())
        return file.read_text("ascii").strip()


def _wrong(text: str, known: str) -> LedgerError:
    return LedgerError("simulator_fault_unknown", text, f"Chọn trong: {known}.")


def _end_of(scenarios: Sequence[Scenario]) -> datetime:
    ends = [scenario.last_at for scenario in scenarios if scenario.last_at]
    return max(ends, default=datetime.now(UTC))
