"""The fault table of docs/alerts.md, made from the tests: `python tests/unit/alerts/faults_table.py`.

A test named ``test_fNN_…`` is a row: its name is the sentence, its fixtures say what stood behind it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "alerts.md"
BEGIN, END = "<!-- faults: made by tests/unit/alerts/faults_table.py -->", "<!-- end of faults -->"
FOLDERS = ("tests/unit/alerts", "tests/unit/watchdog")
# The fault matrix's numbers that end in a mail, or must not.
NUMBERS = (1, 4, 5, 8, 26, 34, 42, *range(50, 63))

# By fixture, the first that a test asks for.
BEHIND = (
    ("simulator", "simulated servers, SMTP server"),
    ("house", "simulated servers, SMTP server"),
    ("paper_house", "written evidence, SMTP server"),
    ("url", "processes of their own, SMTP server"),
    ("office", "SMTP server"),
)
REAL_AIRFLOW = "a real Airflow, SMTP server"


@dataclass(frozen=True)
class Row:
    number: int
    says: str
    behind: str
    test: str

    def __str__(self) -> str:
        return f"| F{self.number:02} | {self.says} | {self.behind} | `{self.test}` |"


def rows() -> list[Row]:
    found: list[Row] = []
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).glob("test_*.py")):
            for node in ast.parse(file.read_text("utf-8")).body:
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_f"):
                    number, _, sentence = node.name.removeprefix("test_f").partition("_")
                    if number.isdigit():
                        found.append(
                            Row(
                                int(number),
                                sentence.replace("_", " "),
                                _behind(node, file),
                                f"{file.parent.name}/{file.name}",
                            )
                        )
    return sorted(found, key=lambda row: (row.number, row.test))


def _behind(node: ast.FunctionDef, file: Path) -> str:
    if file.name == "test_airflow_killed.py":
        return REAL_AIRFLOW
    asked = {argument.arg for argument in node.args.args}
    return next((name for fixture, name in BEHIND if fixture in asked), "the rule alone")


def table() -> str:
    head = [
        "| fault | what is true afterwards | tested with | in `tests/unit/` |",
        "|---|---|---|---|",
    ]
    return "\n".join([*head, *map(str, rows())])


def main() -> None:
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}", "utf-8")


if __name__ == "__main__":
    main()
