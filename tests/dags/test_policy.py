"""What every DAG file of ours keeps to. First: that there are DAG files at all."""

from __future__ import annotations

import ast
import inspect
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ksc_ledger.settings import REPOSITORY

DAGS = sorted((REPOSITORY / "dags").glob("*.py"))
EXPECTED = {
    "build_marts",
    "collect_endpoints",
    "deliver_mail",
    "keep_house",
    "receive_unit_reports",
    "watch_deadlines",
    "watch_server_links",
    "write_letters",
}
LIGHT = {"__future__", "collections", "datetime", "typing", "airflow", "ksc_ledger"}

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """All DAGs as Airflow itself reads them, in a process of their own home."""
    os.environ["AIRFLOW_HOME"] = str(tmp_path_factory.mktemp("airflow"))
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(REPOSITORY / "plugins")
    os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "True"
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Airflow's own, at import
        from airflow.dag_processing.dagbag import DagBag

        return DagBag(str(REPOSITORY / "dags"))


def test_the_folder_holds_the_dags_we_expect(bag: Any) -> None:
    assert bag.import_errors == {}
    assert set(bag.dags) == EXPECTED == {file.stem for file in DAGS}


@pytest.mark.parametrize("dag_id", sorted(EXPECTED))
def test_a_dag_keeps_the_policy(bag: Any, dag_id: str) -> None:
    from ksc_ledger.orchestration.defaults import DEFAULT_ARGS, Tag

    dag = bag.dags[dag_id]
    assert f"[Sổ tay xử lý](tinh-hinh/so-tay/{dag_id})" in dag.doc_md
    assert dag.dag_display_name != dag_id
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert isinstance(dag.dagrun_timeout, timedelta)
    assert set(dag.tags) <= {str(tag) for tag in Tag}
    assert dag.tags
    assert (REPOSITORY / "docs" / "runbooks" / f"{dag_id}.md").is_file()
    for item in dag.tasks:
        assert item.owner == DEFAULT_ARGS["owner"]
        assert item.retries >= 4
        assert item.execution_timeout is not None


def test_every_mapped_task_is_named_by_what_it_is_about(bag: Any) -> None:
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    mapped = [
        task for dag in bag.dags.values() for task in dag.tasks if isinstance(task, MappedOperator)
    ]
    assert [task.task_id for task in mapped] == ["ask_server"]
    assert all(task.partial_kwargs["map_index_template"] for task in mapped)


def test_what_writes_the_warehouse_or_publishes_is_on_the_writers_queue(bag: Any) -> None:
    """And nothing else is: with Celery that queue has one worker, which does one thing at a time."""
    from airflow.sdk.definitions.mappedoperator import MappedOperator

    from ksc_ledger.orchestration.defaults import Pool, Queue

    queues: dict[str, set[tuple[str, str]]] = {}
    for dag_id, dag in bag.dags.items():
        for task in dag.tasks:
            given = task.partial_kwargs if isinstance(task, MappedOperator) else vars(task)
            queues.setdefault(str(given["queue"]), set()).add((dag_id, task.task_id))
            if given.get("pool") == Pool.WAREHOUSE_WRITER:
                assert given["queue"] == Queue.WAREHOUSE, task.task_id
    assert set(queues) == {Queue.DEFAULT, Queue.WAREHOUSE}
    assert queues[Queue.WAREHOUSE] == {
        ("build_marts", "build"),
        ("build_marts", "publish"),
        ("keep_house", "back_up"),
        ("keep_house", "retain"),
        ("keep_house", "publish_unit_files"),
        ("keep_house", "check_space"),
    }


# A person waits in front of a letter, and a mail about late mails would wait with them.
WITHOUT_DEADLINE = {"write_letters", "deliver_mail"}


@pytest.mark.parametrize("dag_id", sorted(EXPECTED))
def test_a_run_that_is_late_is_told(bag: Any, dag_id: str) -> None:
    """The alert as the scheduler and the triggerer find it again in Airflow's database."""
    from airflow._shared.module_loading import import_string
    from airflow.sdk import DeadlineReference

    alerts = bag.dags[dag_id].deadline or []
    assert bool(alerts) is (dag_id not in WITHOUT_DEADLINE)
    for alert in alerts:
        assert alert.reference == DeadlineReference.DAGRUN_QUEUED_AT
        assert alert.interval <= bag.dags[dag_id].dagrun_timeout
        assert inspect.iscoroutinefunction(import_string(alert.callback.path))
        assert alert.callback.kwargs == {"allowed_minutes": alert.interval.total_seconds() / 60}


@pytest.mark.parametrize(
    ("button", "tasks"),
    [
        (
            "Kiểm tra dữ liệu",
            {
                ("collect_endpoints", "judge_landed"),
                ("receive_unit_reports", "receive"),
                ("build_marts", "build"),
            },
        ),
        ("Sự cố", {("watch_server_links", "watch")}),
        ("Công văn", {("write_letters", "write")}),
    ],
)
def test_a_button_stands_on_the_tasks_that_it_is_about(
    bag: Any, button: str, tasks: set[tuple[str, str]]
) -> None:
    from airflow.serialization.serialized_objects import DagSerialization

    found = {
        (dag_id, task["__var"]["task_id"])
        for dag_id, dag in bag.dags.items()
        for task in DagSerialization.to_dict(dag)["dag"]["tasks"]
        if button in task["__var"].get("_operator_extra_links", {})
    }
    assert found == tasks


@pytest.mark.parametrize("file", DAGS, ids=lambda file: file.stem)
def test_a_dag_file_is_thin(file: Path) -> None:
    text = file.read_text("utf-8")
    assert len(text.splitlines()) <= 120
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        for name in names:
            assert name.split(".")[0] in LIGHT, name
            assert not name.startswith("ksc_ledger.") or name.startswith("ksc_ledger.orchestration")


def test_parsing_all_dags_imports_nothing_heavy() -> None:
    """In a fresh process: what the DAG files bring in beyond ``airflow.sdk`` itself."""
    program = (
        "import sys, pathlib, runpy\n"
        "import airflow.sdk\n"
        "from airflow.sdk import dag, task, Asset\n"
        "before = set(sys.modules)\n"
        "for file in sorted(pathlib.Path(sys.argv[1]).glob('*.py')): runpy.run_path(str(file))\n"
        "heavy = {'pandas', 'duckdb', 'great_expectations', 'sqlalchemy', 'pyarrow', 'pydantic'}\n"
        "print(sorted(heavy & (set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(REPOSITORY / "dags")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "AIRFLOW__CORE__LOAD_EXAMPLES": "False"},
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_the_plugin_loader_runs_nothing_of_the_package() -> None:
    """Airflow's loader would run every file below plugins/ under its bare stem."""
    program = (
        "import sys\n"
        "from airflow.plugins_manager import _get_plugins\n"
        "_get_plugins()\n"
        "stems = {'errors', 'settings', 'clock', 'manifest', 'publish', 'client', 'wire'}\n"
        "print(sorted(stems & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(REPOSITORY / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        },
    )
    assert done.stdout.strip().splitlines()[-1] == "[]"
