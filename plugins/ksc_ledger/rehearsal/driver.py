"""Walk the timeline: move the clock, ask Airflow to run, wait, and say how it went."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from ksc_ledger import settings as settings_module
from ksc_ledger.clock import VIETNAM, RehearsalClock, vietnamese_date
from ksc_ledger.errors import LedgerError
from ksc_ledger.rehearsal import airflow_process, deliveries, home, summary, timeline
from ksc_ledger.rehearsal.airflow_api import AirflowApi
from ksc_ledger.rehearsal.airflow_process import Airflow
from ksc_ledger.settings import Places

START_SECONDS = 180
RUN_SECONDS = 300
POOLS = {
    "ksc_servers": (12, "Số máy chủ KSC được hỏi cùng lúc"),
    "warehouse_writer": (1, "Kho DuckDB chỉ có một người ghi"),
}
FINISHED = {"success", "failed"}
DEEDS = {
    timeline.Deed.COLLECT: "thu thập",
    timeline.Deed.WATCH: "theo dõi kết nối",
    timeline.Deed.DEADLINES: "xét thời hạn",
}


@dataclass
class Rehearsal:
    """One rehearsal over some scenarios, in one home."""

    scenarios: list[Path]
    home: Path
    port: int
    console: Console
    began: float = 0.0
    letter_runs: dict[timeline.WantedLetter, str] = field(default_factory=dict)
    delivered: set[deliveries.Delivery] = field(default_factory=set)

    def run(self, *, once: bool) -> int:
        """Run to the end of the timeline; keep the UI up unless ``once``. 0 when all held."""
        self.began = time.monotonic()
        _end_like_ctrl_c()
        with home.opened(self.home) as places:
            leftovers = airflow_process.end_leftovers(places)
            if leftovers:
                self.say(f"Đã dừng {leftovers} tiến trình còn lại của lần diễn tập bị ngắt trước.")
            with self._servers(places) as simulator, self._airflow(places) as (airflow, api):
                clock = RehearsalClock(places.clock_file)
                plan = timeline.merged(self.scenarios)
                for number, step in enumerate(plan.steps, 1):
                    self.say(
                        f"[{number}/{len(plan.steps)}] {_local(step.at)} "
                        f"{DEEDS[step.deed]}"
                        f"{': ' + step.note if step.note else ''}"
                    )
                    self._move(clock, simulator, step.at, is_driven=True)
                    self._do(step, airflow, api)
                    if step.deed is timeline.Deed.COLLECT:
                        self._ask_for_letters(api, step.at)
                self._ask_for_letters(api, None)
                self._wait_for_letters(airflow, api)
                self._wait_until_quiet(airflow, api)
                conf = {"as_of_at": plan.ends_at.isoformat()}
                run = api.trigger("deliver_mail", conf, "Thư còn lại của buổi diễn tập")
                self._wait_for_run(airflow, api, "deliver_mail", run)
                run = api.trigger("build_marts", conf, "Kết quả gửi thư của buổi diễn tập")
                self._wait_for_run(airflow, api, "build_marts", run)
                self._wait_until_quiet(airflow, api)
                run = api.trigger("keep_house", conf, "Giữ nhà cuối buổi diễn tập")
                self._wait_for_run(airflow, api, "keep_house", run)
                report = summary.report(
                    settings_module.load(airflow.env),
                    timeline.expected(self.scenarios),
                    list(self.letter_runs),
                    timeline.expected_reports(self.scenarios),
                )
                self._move(clock, simulator, plan.ends_at, is_driven=False)
                failed = self._failed_runs(api)
                summary.show(report, self.console, places, api.url, self._passwords(places), failed)
                self.say("Diễn tập xong.")
                if not once:
                    self.say(f"Giao diện vẫn mở tại {api.url}. Ctrl-C để dừng.")
                    self._wait_for_ctrl_c(airflow)
                return 0 if report.holds and not failed else 1

    def say(self, text: str) -> None:
        self.console.print(f"{time.monotonic() - self.began:6.1f} s  {text}", highlight=False)

    @contextlib.contextmanager
    def _servers(self, places: Places) -> Iterator[dict[str, Any]]:
        """The simulated KSC servers, as a process of their own; yields their ``ports.json``."""
        run_dir = self.home / "simulator"
        run_dir.mkdir(parents=True)
        first = timeline.merged(self.scenarios).steps[0].at
        with (run_dir / "simulator.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "ksc_ledger.simulator",
                    *map(str, self.scenarios),
                    "--port",
                    "0",
                    "--run-dir",
                    str(run_dir),
                    "--clock",
                    first.isoformat(),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        airflow_process.remember_processes(places, [process.pid])
        try:
            ports = run_dir / "ports.json"
            end = time.monotonic() + 60
            while not ports.exists():
                if process.poll() is not None or time.monotonic() > end:
                    raise LedgerError(
                        "simulator_did_not_start",
                        "Máy chủ KSC giả lập không khởi động được:\n"
                        + (run_dir / "simulator.log").read_text("utf-8", "replace")[-3000:],
                        "Sửa kịch bản theo thông báo trên rồi chạy lại.",
                    )
                time.sleep(0.1)
            found: dict[str, Any] = json.loads(ports.read_text("utf-8"))
            self.say(f"{len(found['servers'])} máy chủ KSC giả lập đang chạy.")
            yield found
        finally:
            airflow_process.end_groups([process.pid])
            process.wait(timeout=5)

    @contextlib.contextmanager
    def _airflow(self, places: Places) -> Iterator[tuple[Airflow, AirflowApi]]:
        registry = home.gather_registry(self.scenarios, self.home / "registry")
        home.gather_contacts(self.scenarios, self.home / "contacts.csv")
        home.gather_page_users(self.scenarios, self.home / "page_users.csv")
        made = home.make_secrets(places)
        port = airflow_process.free_port(self.port)
        env = airflow_process.environment(places, registry, made, port, dict(os.environ))
        airflow = Airflow(places, env)
        first = timeline.merged(self.scenarios).steps[0].at
        RehearsalClock(places.clock_file).set(first, is_driven=True)
        airflow.migrate()
        self.say("Cơ sở dữ liệu của Airflow đã sẵn sàng.")
        api = AirflowApi(f"http://127.0.0.1:{port}", "quantri", made.passwords["quantri"])
        try:
            airflow.start()
            self._wait_until_healthy(airflow, api)
            self._furnish(api, self.home / "simulator")
            self._wait_for_dags(airflow, api)
            self.say(f"Airflow đang chạy tại {api.url}.")
            yield airflow, api
        finally:
            airflow.stop()

    def _wait_until_healthy(self, airflow: Airflow, api: AirflowApi) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            airflow.check_alive()
            with contextlib.suppress(OSError, ValueError, LedgerError):
                health = api.health()
                parts = ("metadatabase", "scheduler", "dag_processor")
                if all(health[part]["status"] == "healthy" for part in parts):
                    return
            time.sleep(0.5)
        raise _too_late("Airflow chưa khởi động xong", START_SECONDS)

    def _furnish(self, api: AirflowApi, run_dir: Path) -> None:
        """Pools and connections, the way an operator would make them."""
        for name, (slots, description) in POOLS.items():
            api.put_pool(name, slots, description)
        servers = json.loads((run_dir / "ports.json").read_text("utf-8"))["servers"]
        for code, server in servers.items():
            api.put_connection(
                f"ksc_{code}",
                {
                    "conn_type": "ksc",
                    "description": f"Máy chủ KSC giả lập {code}",
                    "host": "127.0.0.1",
                    "port": server["port"],
                    "login": server["login"],
                    "password": Path(server["password_file"]).read_text("utf-8").strip(),
                    "extra": json.dumps({"certificate_sha256": server["sha256"]}),
                },
            )

    def _wait_for_dags(self, airflow: Airflow, api: AirflowApi) -> None:
        wanted = {file.stem for file in (settings_module.REPOSITORY / "dags").glob("*.py")}
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            airflow.check_alive()
            errors = api.get("/api/v2/importErrors")["import_errors"]
            if errors:
                raise LedgerError(
                    "dag_import_error",
                    f"Airflow không đọc được {errors[0]['filename']}:\n{errors[0]['stack_trace']}",
                    "Sửa lỗi trong tệp DAG nêu trên.",
                )
            if wanted <= {found["dag_id"] for found in api.get("/api/v2/dags?limit=100")["dags"]}:
                for dag_id in sorted(wanted):
                    api.unpause(dag_id)
                return
            time.sleep(0.5)
        raise _too_late("Airflow chưa thấy đủ các DAG", START_SECONDS)

    def _move(
        self, clock: RehearsalClock, simulator: dict[str, Any], at: datetime, *, is_driven: bool
    ) -> None:
        """Set the rehearsal's clock and push it to the simulated servers."""
        body = json.dumps({"at": at.isoformat(), "is_driven": is_driven}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{simulator['control']['port']}/clock", method="PUT", data=body
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(request, timeout=30).close()
        clock.set(at, is_driven=is_driven)

    def _do(self, step: timeline.Step, airflow: Airflow, api: AirflowApi) -> None:
        note = f"Tại {_local(step.at)}" + (f". {step.note}" if step.note else "")
        conf = {"as_of_at": step.at.isoformat()}
        if step.deed is timeline.Deed.WATCH:
            run = api.trigger("watch_server_links", conf, note)
            self._wait_for_run(airflow, api, "watch_server_links", run)
            if api.task_state("watch_server_links", run, "watch") == "success":
                mails = api.trigger("deliver_mail", conf, note)
                self._wait_for_run(airflow, api, "deliver_mail", mails)
            return
        if step.deed is timeline.Deed.DEADLINES:
            run = api.trigger("watch_deadlines", conf, note)
            self._wait_for_run(airflow, api, "watch_deadlines", run)
            mails = api.trigger("deliver_mail", conf, note)
            self._wait_for_run(airflow, api, "deliver_mail", mails)
            return
        received = self._receive(step, airflow, api, note)
        run = api.trigger("collect_endpoints", conf, note)
        if received:  # meanwhile the servers are asked: the marts need both
            self._wait_for_run(airflow, api, "receive_unit_reports", received)
        self._wait_for_run(airflow, api, "collect_endpoints", run)
        self._wait_for_build(airflow, api, run, note)

    def _receive(
        self, step: timeline.Step, airflow: Airflow, api: AirflowApi, note: str
    ) -> str | None:
        """Let the files that units have sent by now be received; the run, if there is any."""
        due = [
            one
            for one in deliveries.deliveries(self.scenarios)
            if one.received_at <= step.at and one not in self.delivered
        ]
        if not due:
            return None
        deliveries.deliver(due, airflow.places)
        self.delivered.update(due)
        conf = {"as_of_at": step.at.isoformat()}
        return api.trigger("receive_unit_reports", conf, f"{len(due)} tệp của đơn vị. {note}")

    def _ask_for_letters(self, api: AirflowApi, published_at: datetime | None) -> None:
        """Ask for the letters whose day was over when the marts were last published; None: all.

        They are written while the rehearsal goes on: what was counted on that day stays as it is.
        """
        for letter in timeline.wanted_letters(self.scenarios):
            is_over = published_at is None or letter.as_of_date < vietnamese_date(published_at)
            if is_over and letter not in self.letter_runs:
                params = {
                    "estate": letter.estate_code,
                    "as_of": letter.as_of_date.isoformat(),
                    "kind": letter.kind,
                    "unit_code": letter.unit_code,
                    "unit_sheets": "mail",
                }
                note = f"Công văn {letter.kind} của {letter.unit_code}"
                self.letter_runs[letter] = api.trigger("write_letters", params, note)

    def _wait_for_letters(self, airflow: Airflow, api: AirflowApi) -> None:
        for run in self.letter_runs.values():
            self._wait_for_run(airflow, api, "write_letters", run)

    def _wait_for_run(self, airflow: Airflow, api: AirflowApi, dag_id: str, run_id: str) -> None:
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            airflow.check_alive()
            state = api.run_state(dag_id, run_id)
            if state in FINISHED:
                if state == "failed":
                    raise LedgerError(
                        "run_failed",
                        f"Lượt chạy {dag_id} {run_id} thất bại.",
                        f"Mở {api.url}/dags/{dag_id}/runs và xem nhật ký của tác vụ đỏ.",
                    )
                return
            time.sleep(0.3)
        raise _too_late(f"Lượt chạy {dag_id} {run_id} chưa xong", RUN_SECONDS)

    def _wait_for_build(self, airflow: Airflow, api: AirflowApi, source: str, note: str) -> None:
        """Wait for the build that the landing of this run woke, and note what it is about."""
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            woken = api.woken_by(source)
            if woken:
                api.note("build_marts", woken[0], note)
                self._wait_for_run(airflow, api, "build_marts", woken[0])
                return
            airflow.check_alive()
            time.sleep(0.3)
        raise _too_late("Lượt dựng kho số liệu chưa bắt đầu", RUN_SECONDS)

    def _wait_until_quiet(self, airflow: Airflow, api: AirflowApi) -> None:
        """Wait for builds that mails and links woke, so that the last version has everything."""
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            airflow.check_alive()
            if not any(api.unfinished(dag) for dag in ("build_marts", "watch_deadlines")):
                return
            time.sleep(0.3)
        raise _too_late("Lượt dựng kho số liệu cuối chưa xong", RUN_SECONDS)

    def _failed_runs(self, api: AirflowApi) -> list[str]:
        found = api.get("/api/v2/dags/~/dagRuns?state=failed&limit=100")["dag_runs"]
        return [f"{run['dag_id']} {run['dag_run_id']}" for run in found]

    def _passwords(self, places: Places) -> dict[str, str]:
        return dict(json.loads(home.passwords_file(places).read_text("utf-8")))

    def _wait_for_ctrl_c(self, airflow: Airflow) -> None:
        try:
            while True:
                airflow.check_alive()
                time.sleep(1)
        except KeyboardInterrupt:
            self.say("Đang dừng…")


def _too_late(what: str, seconds: int) -> LedgerError:
    return LedgerError(
        "rehearsal_too_late",
        f"{what} sau {seconds} giây.",
        "Xem airflow/component-logs/; máy quá bận thì chạy lại.",
    )


def _end_like_ctrl_c() -> None:
    """A polite SIGTERM ends the rehearsal the same way as Ctrl-C does: nothing is left running.

    SIGINT is taken anew as well: a shell starts background jobs with it ignored.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, interrupt)


def _local(instant: datetime) -> str:
    return f"{instant.astimezone(VIETNAM):%d/%m/%Y %H:%M}"
