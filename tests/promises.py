"""What is promised when something goes wrong, as docs/promises.md: python -m tests.promises.

The table is read from the markers of the tests that inject the faults, so it cannot say what no
test shows.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "promises.md"
HEAD = """# What is promised

Each row is a fault that a test injects, and what the test demands. The table is made from the
tests (`python -m tests.promises`), and a test compares the two.
"""


@dataclass(frozen=True)
class Promise:
    """One row.

    Attributes:
        fault: What is injected.
        outcome: What happens then.
        test: Name of the test that shows it.
    """

    fault: str
    outcome: str
    test: str


def promises(source: str) -> Iterator[Promise]:
    """The promises in a test file's source.

    Raises:
        ValueError: If a marker is not written in literal strings.
    """
    for node in ast.walk(ast.parse(source)):
        for marker in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
            if isinstance(marker, ast.Call) and ast.unparse(marker.func) == "pytest.mark.promise":
                fault, outcome = map(ast.literal_eval, marker.args)
                yield Promise(fault, outcome, node.name)


def page() -> str:
    """The whole table, a section for each file that has any."""
    sections = [HEAD]
    for path in sorted(TESTS.rglob("test_*.py")):
        source = path.read_text()
        found = list(promises(source))
        if found:
            about = (
                (ast.get_docstring(ast.parse(source)) or path.stem).partition("\n")[0].rstrip(".")
            )
            rows = [f"| {_cell(e.fault)} | {_cell(e.outcome)} | `{e.test}` |" for e in found]
            place = path.relative_to(PAGE.parents[1])
            head = ["| fault | outcome | test |", "|---|---|---|"]
            sections.append("\n".join([f"## {about}\n\n[{place}](../{place})\n", *head, *rows]))
    return "\n".join(f"{section}\n" for section in sections)


def _cell(text: str) -> str:
    text = text.rstrip(".").replace("|", r"\|")
    return text[:1].upper() + text[1:]


if __name__ == "__main__":
    PAGE.write_text(page())
