"""``python tests/compose/run.py``: docker-compose.yaml built, started, used, broken, torn down.

What `make test-compose` runs. Every step says what held and how long it took; the first that does not
hold ends it with status 1 and the logs. What it cannot show where images are stand-ins of the official
ones: docs/deployment.md.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from stack import ESTATE, REPOSITORY, Stack, StepError, check, free_port, run, taken_down, wait

DISTRICT = "ktm_613"
DAGS = {file.stem for file in (REPOSITORY / "dags").glob("*.py")}
PRODUCT = ("api-server", "scheduler", "dag-processor", "triggerer", "watchdog")
WRITERS = (*PRODUCT, "tidy")
EVERYTHING = ("postgres", *PRODUCT, "mail", "sim-province", "sim-first", "sim-rest")
FIGURES = (
    "select allocated_count, installed_count "
    f"from marts.fct_unit_coverage_daily where unit_code = '{DISTRICT}' "
    "order by snapshot_date desc limit 1"
)


def it_is_valid(stack: Stack) -> None:
    """The file is valid, for a province (no profile) and for the try-out."""
    stack.compose("config", "--quiet")
    services = set(stack.compose("config", "--services").split())
    check(set(EVERYTHING) <= services, f"services missing: {set(EVERYTHING) - services}")
    check("redis" not in services, "a broker without the profile celery")


def it_builds(stack: Stack) -> None:
    stack.compose("build", seconds=1500)


def secrets_are_made_once(stack: Stack) -> None:
    """Files 0640 that a second call leaves alone, and none of them is said aloud."""
    folder = stack.folder / "secrets"
    said = stack.compose("run", "--rm", "--no-deps", "-T", "keys")
    first = {file.name: file.read_text() for file in folder.iterdir()}
    modes = {file.name: f"{file.stat().st_mode & 0o777:o}" for file in folder.iterdir()}
    check(set(modes.values()) == {"640"}, f"modes: {modes}")
    said += stack.compose("run", "--rm", "--no-deps", "-T", "keys")
    check({file.name: file.read_text() for file in folder.iterdir()} == first, "not the same")
    aloud = [name for name, text in first.items() if text and text in said]
    check(not aloud, f"printed: {aloud}")


def it_starts(stack: Stack) -> None:
    """Everything healthy, and init ended well."""
    stack.compose("up", "--detach", "--wait", "--wait-timeout", "420", seconds=480)
    check(stack.inspected("init")["State"]["ExitCode"] == 0, "init failed")
    stack.say(stack.compose("logs", "--no-log-prefix", "init").strip())


def nobody_is_root(stack: Stack) -> None:
    """No capability, no writable root, no way to more rights; limits are there."""
    for service in PRODUCT:
        seen = stack.inspected(service)
        host = seen["HostConfig"]
        check(seen["Config"]["User"] == "50000:0", f"{service} runs as {seen['Config']['User']}")
        check(host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], f"{service}: {host}")
        check("no-new-privileges:true" in host["SecurityOpt"], service)
        check(host["Memory"] and host["PidsLimit"] and host["NanoCpus"], f"{service}: no limits")
        check(host["LogConfig"]["Config"].get("max-size"), f"{service}: logs grow for ever")
        env = " ".join(seen["Config"]["Env"])
        check(stack.password("quantri") not in env and "postgresql+" not in env, "secret in env")
    said = stack.inside(
        "scheduler", "sh", "-c", "grep CapEff /proc/self/status; touch /x 2>&1 || true"
    )
    check("CapEff:\t0000000000000000" in said and "Read-only" in said, said)
    bound = stack.inspected("api-server")["NetworkSettings"]["Ports"]["8080/tcp"]
    check({one["HostIp"] for one in bound} == {"127.0.0.1"}, f"published on {bound}")


def strangers_see_nothing(stack: Stack) -> None:
    for path in ("/api/v2/dags", "/api/v2/connections", "/api/v2/config"):
        status = stack.status_of(path)
        check(status == 401, f"{path}: {status} without signing in")
    stack.sign_in("quantri")
    errors = stack.ask("GET", "/api/v2/importErrors")
    check(errors["total_entries"] == 0, json.dumps(errors, ensure_ascii=False)[:3000])
    seen = {one["dag_id"] for one in stack.ask("GET", "/api/v2/dags?limit=100")["dags"]}
    check(seen == DAGS, f"DAGs: {sorted(seen)}")


def the_road_is_run(stack: Stack) -> None:
    """By the scheduler alone: the hourly run that is due asks, lands and wakes the marts."""
    wanted = [figures_of_the_estate()]
    seen: list[list[Any]] = []

    def is_published() -> bool:
        seen[:] = stack.published(FIGURES)
        return seen == wanted

    try:
        wait(is_published, f"the estate's figures {wanted} published", 300, every=3)
    except StepError as error:
        raise StepError(f"{error}; published: {seen}") from error
    failed = [
        f"{dag} {one['dag_run_id']}" for dag in DAGS for one in stack.runs(dag)
        if one["state"] == "failed"
    ]  # fmt: skip
    check(not failed, f"failed: {failed}")


def figures_of_the_estate() -> list[int]:
    """Counted from the simulated server's rows, not by the product."""
    with (ESTATE / "estate" / "hosts" / f"{DISTRICT}.csv").open(encoding="utf-8") as lines:
        now = datetime.now(UTC)
        rows = [
            row for row in csv.DictReader(lines)
            if not row["to_at"] or datetime.fromisoformat(row["to_at"]) > now
        ]  # fmt: skip
    installed = [row for row in rows if row["agent_version"] and row["antivirus_version"]]
    with (ESTATE / "registry" / "kon_tum" / "allocations.csv").open(encoding="utf-8") as lines:
        seats = sum(int(row["seat_count"]) for row in csv.DictReader(lines))
    return [seats, len(installed)]


def readers_see_what_they_may(stack: Stack) -> None:
    """The reader has the masked marts; what names machines and the landing are closed to it."""
    program = (
        "import pathlib\n"
        "for name in ('/marts/restricted', '/marts/units', '/var/lib/ksc-ledger'):\n"
        "    try: list(pathlib.Path(name).iterdir()); print('OPEN', name)\n"
        "    except (PermissionError, FileNotFoundError): pass\n"
        "try: pathlib.Path('/marts/x').write_text('x'); print('WRITTEN')\n"
        "except OSError: print('looked')"
    )
    said = stack.compose("run", "--rm", "-T", "marts-reader", "python", "-c", program)
    check(said.split() == ["looked"], said)


def tick(stack: Stack) -> None:
    stack.wait_for_run("watch_server_links", stack.trigger("watch_server_links"))


def a_district_is_cut_off(stack: Stack) -> None:
    """`docker network disconnect`; after the registry's two ticks its mail is in the catcher."""
    for _ in range(2):
        tick(stack)
    check(not [one for one in stack.mails() if "MẤT KẾT NỐI" in one], f"{stack.mails()}")
    network, container = f"{stack.project}_ksc", stack.container("sim-first")
    run(["docker", "network", "disconnect", network, container])

    def told() -> bool:
        return any(one.startswith("[KSC][MẤT KẾT NỐI]") for one in stack.mails())

    until_mail(stack, told, "mail of the lost district")
    run(["docker", "network", "connect", "--alias", "sim-first", network, container])

    def back() -> bool:
        return any(one.startswith("[KSC][KHÔI PHỤC]") for one in stack.mails())

    until_mail(stack, back, "mail of the district that is back")
    lost = [one for one in stack.mails() if one.startswith("[KSC][MẤT KẾT NỐI]")]
    stack.say(f"mails: {sorted(set(stack.mails()))}")
    check(all("Kon Plông" in one for one in lost), f"{lost}")


def until_mail(stack: Stack, is_there: Callable[[], bool], what: str) -> None:
    """Tick until the mail is there: the watch's word, then the next minute's delivery."""
    for _ in range(6):
        tick(stack)
        stack.wait_for_run("deliver_mail", stack.trigger("deliver_mail"))
        if is_there():
            return
    raise StepError(f"not caught: {what}; caught: {stack.mails()}")


def a_crash_is_survived(stack: Stack, service: str) -> None:
    """Killed by its host pid in the middle of a collection: it comes back, and so does the road."""
    before, restarts = stack.version(), stack.inspected(service)["RestartCount"]
    run_id = stack.trigger("collect_endpoints")
    wait(lambda: stack.state_of("collect_endpoints", run_id) == "running", "running", 60, every=0.2)
    began, killed_at = time.monotonic(), datetime.now(UTC)
    stack.kill(service)
    wait(lambda: stack.inspected(service)["RestartCount"] > restarts, "restarted", 60)
    stack.wait_alive(killed_at)
    stack.say(f"{service}: every component alive {time.monotonic() - began:.0f} s after the kill")
    wait(
        lambda: stack.state_of("collect_endpoints", run_id) in {"success", "failed"},
        "the run in the middle of which it was killed has ended", 240,
    )  # fmt: skip
    stack.say(f"the run that was hit: {stack.state_of('collect_endpoints', run_id)}")
    later = stack.trigger("collect_endpoints")
    stack.wait_for_run("collect_endpoints", later)
    wait(lambda: stack.version() > before, "a newer version published", 180, every=3)
    check(stack.published(FIGURES) == [figures_of_the_estate()], f"{stack.published(FIGURES)}")
    twice = stack.published(
        "select load_id from marts.fct_source_load group by load_id having count(*) > 1"
    )
    check(not twice, f"loads counted twice: {twice}")
    stack.say(
        f"{service}: a newer version published {time.monotonic() - began:.0f} s after the kill"
    )


def postgres_is_killed(stack: Stack) -> None:
    a_crash_is_survived(stack, "postgres")


def the_scheduler_is_killed(stack: Stack) -> None:
    a_crash_is_survived(stack, "scheduler")


def a_backup_is_given_back(stack: Stack) -> None:
    """Warehouse and operational database lost; both from the backup, and the figures are the same."""
    stack.compose("stop", *WRITERS)
    said = stack.tool("ksc-ledger", "backup")
    check("số liệu khớp" in said, said)
    (made,) = [line.split()[-1].rstrip(".") for line in said.splitlines() if "Đã sao lưu" in line]
    name = Path(made).name
    before = as_of(stack)
    links = stack.tool("ksc-ledger", "links", "list", "--json")
    began = time.monotonic()
    stack.tool("sh", "-c", "rm -rf /var/lib/ksc-ledger/warehouse /var/lib/ksc-ledger/state")
    stack.inside("postgres", "bash", "/etc/ksc-ledger/postgres/set_ledger_aside.sh")
    stack.tool("ksc-ledger", "restore", name, "--yes")
    seconds = time.monotonic() - began
    check(as_of(stack) == before, "figures differ after the restore")
    check(stack.tool("ksc-ledger", "links", "list", "--json") == links, "links differ")
    stack.say(f"restored in {seconds:.0f} s")
    up_again = datetime.now(UTC).isoformat()
    stack.compose("up", "--detach", "--wait", "--wait-timeout", "300", seconds=360)
    said = stack.compose("logs", "--no-log-prefix", "--since", up_again, "init")
    check("cấp thêm 0, thu hồi 0" in said, f"init is not idempotent: {said}")
    check("tạo mới 0" in said and "Người dùng mới" not in said, f"init made it again: {said}")
    version = stack.version()
    stack.wait_for_run("collect_endpoints", stack.trigger("collect_endpoints"))
    wait(lambda: stack.version() > version, "published after the restore", 180, every=3)
    stack.say(f"publishing again {time.monotonic() - began:.0f} s after everything was lost")


def as_of(stack: Stack) -> str:
    day = datetime.now(timezone(timedelta(hours=7))).date().isoformat()
    return stack.tool("ksc-ledger", "as-of", day, "--json")


def old_runs_go(stack: Stack) -> None:
    """What Airflow remembers of its own runs can be taken away; the product's own loads stay."""
    count = "select count(*) from marts.fct_source_load"
    before = stack.published(count)
    stack.inside("tidy", "env", "KSC_LEDGER_AIRFLOW_HISTORY_DAYS=1", "sh", "tidy.sh", "once")
    check(stack.published(count) >= before, "loads are gone")


def tasks_go_to_workers(stack: Stack) -> None:
    """The profile celery: a broker, two workers that ask, one that writes; the figures are the same."""
    environment = stack.folder / ".env"
    text = environment.read_text("utf-8").replace("PROFILES=demo\n", "PROFILES=demo,celery\n")
    environment.write_text(f"{text}KSC_LEDGER_EXECUTOR=CeleryExecutor\n", "utf-8")
    began = time.monotonic()
    changed = ("redis", "worker-collecting", "worker-warehouse", "scheduler")
    stack.compose(
        "up", "--detach", "--wait", "--wait-timeout", "300", "--no-deps", *changed, seconds=360
    )
    stack.say(f"broker, workers and scheduler healthy after {time.monotonic() - began:.0f} s")
    run_id = stack.trigger("collect_endpoints")
    stack.wait_for_run("collect_endpoints", run_id)

    def hosts(dag_id: str, task_id: str, run_ids: set[str] | None = None) -> set[str]:
        path = "/api/v2/dags/~/dagRuns/~/taskInstances?limit=50&order_by=-start_date"
        return {
            one["hostname"]
            for one in stack.ask("GET", path)["task_instances"]
            if (one["dag_id"], one["task_id"], one["state"]) == (dag_id, task_id, "success")
            and (run_ids is None or one["dag_run_id"] in run_ids)
        }

    asked = hosts("collect_endpoints", "ask_server", {run_id})
    # A build that began before the workers did may publish first; it is not the one that is meant.
    writer = stack.container("worker-warehouse")[:12]
    wait(lambda: writer in hosts("build_marts", "publish"), "published by the worker", 300, every=3)
    check(stack.published(FIGURES) == [figures_of_the_estate()], f"{stack.published(FIGURES)}")
    collecting = {one[:12] for one in stack.containers("worker-collecting")}
    check(len(collecting) == 2, f"workers: {collecting}")
    check(bool(asked) and asked <= collecting, f"asked by: {asked}, workers: {collecting}")
    said = stack.inside(
        "worker-collecting", "sh", "-c", "touch /var/lib/ksc-ledger/marts/x 2>&1 || true"
    )
    check("Read-only" in said, f"a collecting worker may write the marts: {said}")
    for name in ("redis", "worker-collecting", "worker-warehouse"):
        host = json.loads(run(["docker", "inspect", stack.containers(name)[0]]))[0]["HostConfig"]
        check(host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], f"{name}: {host}")


def nothing_is_left(stack: Stack) -> None:
    stack.compose("--profile", "*", "down", "--volumes", "--timeout", "5")
    label = f"label=com.docker.compose.project={stack.project}"
    for words in (["ps", "-aq"], ["volume", "ls", "-q"], ["network", "ls", "-q"]):
        left = run(["docker", *words, "--filter", label])
        check(not left.strip(), f"left: {words} {left}")


STEPS: tuple[Callable[[Stack], None], ...] = (
    it_is_valid,
    it_builds,
    secrets_are_made_once,
    it_starts,
    nobody_is_root,
    strangers_see_nothing,
    the_road_is_run,
    readers_see_what_they_may,
    a_district_is_cut_off,
    postgres_is_killed,
    the_scheduler_is_killed,
    a_backup_is_given_back,
    old_runs_go,
    tasks_go_to_workers,
    nothing_is_left,
)


def main() -> int:
    """0 when every step held."""
    with tempfile.TemporaryDirectory(prefix="ksc-ledger-compose-") as made:
        folder = Path(made)
        folder.chmod(0o755)
        stack = Stack(folder, f"kscledger{os.getpid()}", free_port())
        stack.prepare()
        step: Callable[[Stack], None] = it_is_valid
        with taken_down(stack):
            try:
                for step in STEPS:
                    began = time.monotonic()
                    step(stack)
                    stack.say(f"held: {step.__name__} ({time.monotonic() - began:.0f} s)")
            except (StepError, OSError, ValueError, KeyError) as error:
                stack.say(f"FAILED: {step.__name__}: {error!r}")
                sys.stdout.write(f"{error}\n")
                sys.stdout.write(stack.compose("ps", "--all", may_fail=True))
                sys.stdout.write(stack.compose("logs", "--tail", "60", may_fail=True)[-30000:])
                return 1
    stack.say("docker-compose.yaml: every step held")
    return 0


if __name__ == "__main__":
    shutil.rmtree(Path(__file__).parent / "__pycache__", ignore_errors=True)
    sys.exit(main())
