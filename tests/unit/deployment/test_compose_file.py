"""docker-compose.yaml and the Dockerfile, held against what a province's server demands."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from ksc_ledger.orchestration.defaults import Queue
from ksc_ledger.settings import REPOSITORY

COMPOSE: dict[str, Any] = yaml.safe_load((REPOSITORY / "docker-compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text("utf-8")
EXAMPLE = (REPOSITORY / ".env.example").read_text("utf-8")
# Runs once, by hand, without a network: it writes files that shall belong to the folder's owner.
AS_ROOT = {"keys"}
ONE_SHOT = {"keys", "init"}

each = pytest.mark.parametrize("name", sorted(SERVICES))


@each
def test_a_service_has_no_right_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert bool(service.get("cap_add")) == (name in AS_ROOT)
    assert (service["user"] == "0:0") == (name in AS_ROOT)
    if name in AS_ROOT:
        assert service["network_mode"] == "none"


@each
def test_a_service_is_limited_and_its_log_rotated(name: str) -> None:
    service = SERVICES[name]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]
    assert name in AS_ROOT or (service["mem_limit"] and service["cpus"])
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")


@each
def test_an_image_can_be_exchanged_and_is_never_fetched_behind_ones_back(name: str) -> None:
    service = SERVICES[name]
    assert re.fullmatch(r"\$\{[A-Z_]+:-[^}]+\}", service["image"])
    assert "pull_policy" not in service


@each
def test_a_health_check_does_not_start_an_airflow(name: str) -> None:
    check = SERVICES[name].get("healthcheck")
    assert check or name in ONE_SHOT | {"marts-reader", "tidy"}  # nobody waits for these
    if check:
        assert "airflow" not in " ".join(check["test"]).split()
        assert int(check["timeout"].removesuffix("s")) >= 20


@each
def test_no_secret_stands_in_an_environment(name: str) -> None:
    for variable in SERVICES[name].get("environment", {}):
        if re.search(r"PASSWORD|SECRET|KEY|STATE_URL|SQL_ALCHEMY", variable):
            assert variable.endswith("_FILE"), variable


def test_only_the_page_is_published_and_on_this_machine_alone() -> None:
    ports = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert list(ports) == ["api-server", "superset"]
    assert all(one[0].startswith("${KSC_LEDGER_BIND:-127.0.0.1}:") for one in ports.values())
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == ["inside"]


def test_without_the_profile_there_is_neither_a_broker_nor_a_worker() -> None:
    with_celery = {name for name, one in SERVICES.items() if "celery" in one.get("profiles", [])}
    assert with_celery == {"redis", "worker-collecting", "worker-warehouse"}
    executor = SERVICES["scheduler"]["environment"]["AIRFLOW__CORE__EXECUTOR"]
    assert executor == "${KSC_LEDGER_EXECUTOR:-LocalExecutor}"


def test_one_worker_writes_the_warehouse_one_task_at_a_time() -> None:
    def option(worker: str, name: str) -> str:
        words = SERVICES[worker]["command"]
        return str(words[words.index(name) + 1])

    assert option("worker-warehouse", "--queues") == Queue.WAREHOUSE
    assert option("worker-warehouse", "--concurrency") == "1"
    assert "deploy" not in SERVICES["worker-warehouse"]
    assert option("worker-collecting", "--queues") == Queue.DEFAULT
    marts = [one for one in SERVICES["worker-collecting"]["volumes"] if one.startswith("marts:")]
    assert marts == ["marts:/var/lib/ksc-ledger/marts:ro"]


def test_the_broker_is_reached_from_inside_alone_and_its_password_is_in_no_command() -> None:
    redis = SERVICES["redis"]
    assert redis["networks"] == ["inside"]
    assert "ports" not in redis
    assert redis["secrets"] == ["redis_password"]
    assert "--requirepass" not in " ".join(redis["entrypoint"])


def test_builds_ask_no_registry_but_for_the_base_image() -> None:
    assert "# syntax" not in DOCKERFILE
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.M) == [
        "${AIRFLOW_IMAGE}",
        "production",
        "${AIRFLOW_IMAGE}",
    ]
    assert "COPY --from" not in DOCKERFILE
    for stage in DOCKERFILE.split("\nFROM ")[1:]:
        assert re.findall(r"^USER (\S+)", stage, re.M)[-1] in {"50000:0", "50001:50001"}


def test_every_variable_of_the_example_is_used_and_documented_ones_exist() -> None:
    text = (REPOSITORY / "docker-compose.yaml").read_text("utf-8")
    used = set(re.findall(r"\$\{([A-Z_]+):?-", text)) | {"COMPOSE_PROFILES"}
    shown = set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.M))
    assert shown <= used, shown - used


def test_every_secret_that_is_mounted_is_made(tmp_path: Any) -> None:
    from ksc_ledger.deployment import keys

    keys.make(tmp_path, "postgres:5432", ["quantri"])
    made = {file.name for file in tmp_path.iterdir()}
    wanted = {one["file"].rpartition("/")[2] for one in COMPOSE["secrets"].values()}
    assert wanted == made
