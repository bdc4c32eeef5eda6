"""An estate, a home and connections for the doctor, and the faults that a newcomer brings about.

``a_clinic(folder)`` is well: a province, districts whose groups are mapped and whom the province knows,
figures published, everything readable by whom it should be.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from contract.provinces import (
    ESTATE,
    HOME_AFFAIRS,
    PROVINCE,
    district,
    machines,
    write_province,
)
from estates import server
from integration.the_road import Road
from ksc_ledger import settings as settings_module
from ksc_ledger.clock import FixedClock
from ksc_ledger.doctor import Finding, Wish, examine
from ksc_ledger.doctor.connections import ConnectionsFile
from ksc_ledger.rehearsal.home import gather_registry
from ksc_ledger.settings import Settings
from ksc_ledger.simulator import Simulator
from ksc_ledger.watchdog.process import heartbeat_file

AT = datetime.fromisoformat("2022-10-12T08:00:00+07:00")
DISTRICTS = 12
Cells = dict[str, Any]


@dataclass
class Clinic:
    """``connections`` is what the doctor's file holds; change it and ``say`` again."""

    way: Road
    connections: dict[str, Cells]
    registry: Path
    file: Path
    real_now: datetime | None = None

    @property
    def settings(self) -> Settings:
        return self.way.settings

    @property
    def simulator(self) -> Simulator:
        return self.way.simulator

    def examine(self, **wish: Any) -> list[Finding]:
        self.file.write_text(json.dumps(self.connections), "utf-8")
        return examine(
            self.settings, Wish(connections=ConnectionsFile(self.file), **wish), FixedClock(AT)
        )

    def logins(self) -> dict[str, int]:
        """How often credentials reached each server."""
        return {
            code: sum(request["had_authorization"] for request in requests)
            for code, requests in self.simulator.log().items()
        }

    def change_rows(self, name: str, change: Callable[[Cells], Cells | None]) -> None:
        """Rewrite a file of the registry row by row; None takes a row away."""
        path = self.registry / ESTATE / f"{name}.csv"
        with path.open(encoding="utf-8", newline="") as opened:
            rows = [change(row) for row in csv.DictReader(opened)]
        kept = [row for row in rows if row is not None]
        with path.open("w", encoding="utf-8", newline="") as out:
            writer = csv.DictWriter(out, list(kept[0]))
            writer.writeheader()
            writer.writerows(kept)


def console_name(code: str) -> str:
    return str(server(code)["display_name"])


@contextmanager
def a_clinic(
    folder: Path, *, districts: int = DISTRICTS, versions: dict[str, str] | None = None
) -> Iterator[Clinic]:
    """``versions``: of the KSC on single servers."""
    codes = [PROVINCE, *(district(number) for number in range(1, districts + 1))]
    scenario = write_province(
        folder / "mau",
        [row for number in range(districts + 1) for row in machines(number, 10)],
        districts=districts,
        collected_at=[AT.isoformat()],
        server_rows=[
            server(code, "" if code == PROVINCE else PROVINCE, version=(versions or {})[code])
            if code in (versions or {})
            else server(code, "" if code == PROVINCE else PROVINCE)
            for code in codes
        ],
    )
    home = folder / "home"
    home.mkdir(mode=0o750)
    registry = gather_registry([scenario], folder / "registry")
    settings = settings_module.load(
        {
            "KSC_LEDGER_HOME": str(home),
            "KSC_LEDGER_REGISTRY": str(registry),
            "KSC_LEDGER_CONNECT_TIMEOUT_SECONDS": "1",
            "KSC_LEDGER_READ_TIMEOUT_SECONDS": "5",
            "KSC_LEDGER_FREE_SPACE_MB": "1",
        }
    )
    with Simulator([scenario], folder / "simulator", port=0, at=AT) as simulator:
        clinic = Clinic(Road(settings, simulator), {}, registry, folder / "connections.json")
        clinic.change_rows(
            "servers", lambda row: {**row, "console_name": console_name(row["server_code"])}
        )
        for code, described in simulator.ports["servers"].items():
            clinic.connections[f"ksc_{code}"] = {
                "conn_type": "ksc",
                "host": "127.0.0.1",
                "port": described["port"],
                "login": described["login"],
                "password": simulator.password(code),
                "extra": {"certificate_sha256": described["sha256"]},
            }
        furnish(settings)
        yield clinic


def furnish(settings: Settings) -> None:
    """Contacts, page users and a heartbeat, as a house in order has them."""
    private(
        settings.contacts, "role,unit_code,name,address\nengineers,mau,Kỹ thuật,kt@mau.example\n"
    )
    private(settings.page_users, "user_name,role,unit_code\ntruc,ops,\n")
    beat = heartbeat_file(settings.places)
    beat.parent.mkdir(parents=True, exist_ok=True)
    beat.write_text("{}", "utf-8")


def private(file: Path, text: str) -> None:
    file.write_text(text, "utf-8")
    file.chmod(0o600)


# -- faults ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Fault:
    """Something wrong with one district's server, and what the doctor must say of it.

    ``also``: a second complaint that follows from the same fault. ``remedy`` must stand in the text.
    """

    name: str
    code: str
    remedy: str
    inject: Callable[[Clinic, str], None] = lambda clinic, code: None
    version: str | None = None
    also: tuple[str, ...] = field(default=())


def _cell(**changes: Any) -> Callable[[Clinic, str], None]:
    def inject(clinic: Clinic, code: str) -> None:
        clinic.connections[f"ksc_{code}"].update(changes)

    return inject


def _simulated(
    kind: str, value: Any = None, method: str | None = None
) -> Callable[[Clinic, str], None]:
    return lambda clinic, code: clinic.simulator.fault(code, kind, value, None, method)


def _certificate(clinic: Clinic, code: str) -> str:
    return str(clinic.simulator.state()["servers"][code]["certificate"])


def _no_connection(clinic: Clinic, code: str) -> None:
    del clinic.connections[f"ksc_{code}"]


def _other_ca(clinic: Clinic, code: str) -> None:
    other = clinic.simulator.ports["servers"][PROVINCE]["certificate"]
    clinic.connections[f"ksc_{code}"]["extra"] = {"ca_file": other}


def _expired(clinic: Clinic, code: str) -> None:
    clinic.simulator.fault(code, "certificate_expired")
    clinic.connections[f"ksc_{code}"]["extra"] = {"ca_file": _certificate(clinic, code)}


def _other_name(clinic: Clinic, code: str) -> None:
    clinic.connections[f"ksc_{code}"]["extra"] = {
        "ca_file": _certificate(clinic, code),
        "server_hostname": "ksc-khac.example",
    }


def _unmapped(clinic: Clinic, code: str) -> None:
    clinic.change_rows(
        "server_groups",
        lambda row: (
            None if (row["server_code"], row["group_path"]) == (code, HOME_AFFAIRS) else row
        ),
    )


def _absent_group(clinic: Clinic, code: str) -> None:
    clinic.change_rows(
        "server_groups",
        lambda row: (
            {**row, "group_path": "09. Nhóm đã đổi tên"}
            if (row["server_code"], row["group_path"]) == (code, HOME_AFFAIRS)
            else row
        ),
    )


def _unknown_to_province(clinic: Clinic, code: str) -> None:
    clinic.change_rows(
        "servers",
        lambda row: (
            {**row, "console_name": f"{row['console_name']}-CU"}
            if row["server_code"] == code
            else row
        ),
    )


FAULTS = (
    Fault(
        name="dns",
        code="name_unknown",
        remedy="DNS",
        inject=_cell(host="ksc-huyen.khong-co.example"),
    ),
    Fault(
        name="down",
        code="refused",
        remedy="tường lửa cho phép cổng này",
        inject=_simulated("server_down"),
        also=("district_inactive",),
    ),
    Fault(name="black_hole", code="timed_out", remedy="nc -vz", inject=_simulated("syn_blackhole")),
    Fault(name="plain", code="not_tls", remedy="13299", inject=_simulated("plain_http")),
    Fault(
        name="changed",
        code="wrong_pin",
        remedy="sự cố an toàn thông tin",
        inject=_simulated("certificate_changed"),
    ),
    Fault(name="other_ca", code="wrong_authority", remedy="klserver.cer", inject=_other_ca),
    Fault(name="expired", code="expired", remedy="Gia hạn chứng thư", inject=_expired),
    Fault(name="other_name", code="wrong_name", remedy="server_hostname", inject=_other_name),
    Fault(
        name="password", code="login_refused", remedy="accounts resume", inject=_cell(password="x")
    ),
    Fault(
        name="locked",
        code="login_refused",
        remedy="internal_user",
        inject=_simulated("unauthorized"),
    ),
    Fault(
        name="two_steps",
        code="second_factor",
        remedy="danh sách loại trừ",
        inject=_simulated("second_factor"),
    ),
    Fault(
        name="web_page",
        code="not_ksc",
        remedy="cổng 13299",
        inject=_simulated("html", method="Session.StartSession"),
    ),
    Fault(
        name="no_hosts_right",
        code="no_right_hosts",
        remedy="Basic functionality",
        inject=_simulated("access_denied"),
    ),
    Fault(
        name="no_groups_right",
        code="no_right_groups",
        remedy="Basic functionality",
        inject=_simulated("access_denied", method="HostGroup.FindGroups"),
    ),
    Fault(
        name="no_keys_right",
        code="no_right_keys",
        remedy="khóa cấp phép",
        inject=_simulated("access_denied", method="LicenseKeys.EnumKeys"),
    ),
    Fault(name="clock", code="clock_wrong", remedy="NTP", inject=_simulated("clock_skew", 5400)),
    Fault(name="old", code="version_untested", remedy="nâng cấp KSC", version="10.5.1781.0"),
    Fault(name="unmapped", code="groups_unmapped", remedy="server_groups.csv", inject=_unmapped),
    Fault(
        name="absent_group",
        code="groups_unmapped",
        remedy="server_groups.csv",
        inject=_absent_group,
    ),
    Fault(name="nothing_seen", code="no_devices", remedy="ở gốc", inject=_simulated("zero_hosts")),
    Fault(
        name="no_connection",
        code="connection_missing",
        remedy="Admin → Connections",
        inject=_no_connection,
    ),
    Fault(
        name="unknown_to_province",
        code="district_unknown",
        remedy="console_name",
        inject=_unknown_to_province,
        also=("secondaries_unlisted",),
    ),
    Fault(
        name="link_cut",
        code="district_inactive",
        remedy="cổng 13000",
        inject=_simulated("link_cut"),
    ),
)
