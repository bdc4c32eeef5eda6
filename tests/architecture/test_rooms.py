"""Which room may import what: docs/architecture.md held against the code, by reading it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "plugins" / "ksc_ledger"

SHARED = {"errors", "settings", "clock", "ksc_ledger"}  # everybody may use these
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "settings": set(),
    "clock": set(),
    "rules": set(),
    "registry": {"rules"},
    "state": {"rules"},
    "landing": set(),
    "sources": {"rules", "landing"},
    "collection": {"sources", "landing", "state", "registry", "rules"},
    "push": {"collection", "sources", "landing", "state", "registry", "rules"},
    "quality": {"landing"},
    "warehouse": {"landing", "registry", "rules", "state"},
    "alerts": {"rules", "registry", "state"},
    "simulator": {"rules"},
    "orchestration": {
        "rules", "registry", "state", "landing", "sources", "collection", "quality", "warehouse",
        "alerts", "letters", "intake", "obligations", "watchdog", "ops_room", "doctor", "push",
    },
    "rehearsal": {"rules", "registry", "landing", "warehouse", "simulator", "state", "intake"},
    "letters": {"rules"},
    "obligations": {"rules", "registry", "state", "warehouse", "letters", "alerts"},
    "watchdog": {"rules", "state", "alerts"},
    "doctor": {
        "rules", "registry", "state", "sources", "warehouse", "alerts", "watchdog", "ops_room",
        "push",
    },
    "intake": {"rules", "registry", "landing"},
    "ops_room": {"rules", "state", "warehouse", "watchdog"},
    "deployment": {
        "rules", "registry", "state", "sources", "collection", "landing", "alerts", "watchdog",
        "warehouse", "ops_room", "orchestration",
    },
    "cli": {"*"},
}  # fmt: skip

# Each heavy library has one room; a second one needs a reason written here.
ROOM_OF_LIBRARY: dict[str, set[str]] = {
    "airflow": {"orchestration", "deployment"},  # deployment: roles, users, pools, connections
    "duckdb": {"warehouse"},
    "pyarrow": {"warehouse", "quality"},
    "pandas": {"quality"},
    "great_expectations": {"quality"},
    "sqlalchemy": {"state"},
    "alembic": {"state"},
    "urllib3": {"sources"},
    "msgspec": {"sources", "collection", "state", "push"},
    "zstandard": {"landing"},
    "pydantic": {"registry"},
    "holidays": {"registry"},
    # sources: when a pinned certificate ends; push: what sites sign
    "cryptography": {"simulator", "sources", "push"},
    "rich": {"rehearsal", "cli", "simulator"},
    "jinja2": {"alerts", "letters", "ops_room", "quality"},
    "fastapi": {"ops_room", "orchestration", "push"},
    "markdown_it": {"ops_room"},
    "docxtpl": {"letters"},
    "docx": {"letters"},
    "matplotlib": {"letters"},
    "openpyxl": {"letters", "intake", "warehouse"},
}


def room_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports_of(file: Path, *, with_types: bool = True) -> set[str]:
    """Every module a file imports, wherever in the file, relative ones resolved."""
    found = set()
    package = ["ksc_ledger", *file.relative_to(PACKAGE).parts[:-1]]
    tree = ast.parse(file.read_text("utf-8"))
    if not with_types:
        tree.body = [node for node in tree.body if not is_for_types_only(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
                found.add(".".join([*base, node.module] if node.module else base))
            elif node.module == "ksc_ledger":
                found |= {f"ksc_ledger.{name.name}" for name in node.names}
            elif node.module:
                found.add(node.module)
    return found


FILES = sorted(
    file for file in PACKAGE.rglob("*.py") if file.parent != PACKAGE or file.name != "__init__.py"
)


def test_there_are_files_to_check() -> None:
    assert len(FILES) > 30
    assert {room_of(file) for file in FILES} <= set(MAY_IMPORT)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_room_imports_only_what_the_house_allows(file: Path) -> None:
    room = room_of(file)
    allowed = MAY_IMPORT[room] | SHARED | {room}
    used = {
        ([*module.split("."), "ksc_ledger"])[1]
        for module in imports_of(file)
        if module.split(".")[0] == "ksc_ledger"
    }
    used = {name for name in used if name not in {"__version__"}}
    assert "*" in allowed or used <= allowed, f"{room} must not import {sorted(used - allowed)}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_a_heavy_library_is_imported_in_its_room_only(file: Path) -> None:
    for module in imports_of(file, with_types=False):
        library = module.split(".")[0]
        rooms = ROOM_OF_LIBRARY.get(library)
        assert rooms is None or room_of(file) in rooms, f"{library} belongs in {rooms}"


def test_rules_import_the_standard_library_only() -> None:
    for file in (PACKAGE / "rules").glob("*.py"):
        for module in imports_of(file):
            ours = module in {"ksc_ledger.errors", "ksc_ledger.clock"}  # words and Vietnamese days
            assert (
                module.split(".")[0] in sys.stdlib_module_names
                or ours
                or (module.startswith("ksc_ledger.rules"))
            ), f"{file}: {module}"


def test_no_module_bears_a_name_of_the_standard_library() -> None:
    for file in (REPOSITORY / "plugins").rglob("*.py"):
        if file.parent == PACKAGE or PACKAGE not in file.parents:
            assert file.stem not in sys.stdlib_module_names or file.stem.startswith("__")


def test_the_plugin_loader_is_kept_out_of_the_package() -> None:
    lines = (REPOSITORY / "plugins" / ".airflowignore").read_text("utf-8").splitlines()
    assert "ksc_ledger/" in lines


def test_the_package_is_imported_from_one_place_only() -> None:
    import ksc_ledger

    assert Path(ksc_ledger.__file__).resolve() == PACKAGE / "__init__.py"
    elsewhere = [
        Path(folder) / "ksc_ledger"
        for folder in sys.path
        if folder and (Path(folder) / "ksc_ledger" / "__init__.py").exists()
    ]
    assert {place.resolve() for place in elsewhere} <= {PACKAGE}


def test_only_settings_reads_the_environment() -> None:
    for file in FILES:
        if room_of(file) in {"settings", "rehearsal", "cli"}:
            continue  # the rehearsal hands a cleaned environment to its child processes
        assert "os.environ" not in file.read_text("utf-8"), file
        assert "getenv" not in file.read_text("utf-8"), file
