"""Fill the last column of docs/CONFORMANCE.md from the `row` markers of the tests (`make conformance-table`).

The markers are read from the syntax trees, so nothing is imported and a test that cannot run here still counts.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "CONFORMANCE.md"
SHOWN = 3  # tests named in one row; the others are counted
LAST_ROW = 345

_LINE = re.compile(r"\| (\d+) \| ([MSRID]) \| (.+?) \| (.*?) ?\| (.*?) ?\|")
_COUNTS = re.compile(r"(?m)^Counted: .*$")


class Row(NamedTuple):
    """One line of the tables. `decision`: why no test is named (`n/a: …`, an ADR); `proof`: the tests."""

    number: int
    level: str
    rule: str
    decision: str
    proof: str


class Marked(NamedTuple):
    """One `row` marker: the test it stands on (the file alone, above all functions) and its numbers."""

    test: str
    numbers: tuple[int, ...]


def _is_row(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.row"


def _numbers(call: ast.Call, where: str) -> tuple[int, ...]:
    numbers: list[int] = []
    for argument in call.args:
        match argument:
            case ast.Constant(value=int(number)):
                numbers.append(number)
            case ast.Starred(
                value=ast.Call(
                    func=ast.Name(id="range"), args=[ast.Constant(value=int(first)), ast.Constant(value=int(end))]
                )
            ):
                numbers += range(first, end)
            case _:
                raise ValueError(f"{where}, line {call.lineno}: rows are plain numbers or *range(first, end)")
    return tuple(numbers)


def _within(node: ast.AST, name: str) -> Iterator[Marked]:
    """Yield the markers below `node`; a test or a class that is a test lengthens `name`."""
    for child in ast.iter_child_nodes(node):
        inner = name
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and (
            child.name.startswith(("test_", "Test")) or isinstance(child, ast.ClassDef)
        ):
            inner = f"{name}::{child.name}"
        if isinstance(child, ast.Call) and _is_row(child):
            yield Marked(name, _numbers(child, name))
        yield from _within(child, inner)


def markers(root: Path = ROOT) -> list[Marked]:
    """Read every marker in the test files, in the order of files and lines."""
    found: list[Marked] = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        name = path.relative_to(root).as_posix()
        found += _within(ast.parse(path.read_text()), name)
    return found


def rows(text: str) -> list[Row]:
    """Read the lines of the tables."""
    matches = (_LINE.fullmatch(line) for line in text.splitlines())
    return [Row(int(match[1]), *match.group(2, 3, 4, 5)) for match in matches if match]


def proofs(found: list[Marked]) -> dict[int, list[str]]:
    """Order the tests by row, each once, unit tests first."""
    by_row: dict[int, dict[str, None]] = {}
    for marked in found:
        for number in marked.numbers:
            by_row.setdefault(number, {})[marked.test] = None
    return {number: sorted(tests, key=lambda test: "/unit/" not in test) for number, tests in by_row.items()}


def cell(tests: list[str]) -> str:
    """Write the last column of one row."""
    shown = ", ".join(f"`{test}`" for test in tests[:SHOWN])
    return f"{shown} and {len(tests) - SHOWN} more" if len(tests) > SHOWN else shown


def filled(text: str, by_row: dict[int, list[str]]) -> str:
    """Write the document again, with the last column and the counts as the markers have them."""
    lines = []
    counts = {"held by tests": 0, "answered in words": 0, "not held yet": 0}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is None:
            lines.append(line)
            continue
        tests = by_row.get(int(match[1]), [])
        in_words = "answered in words" if match[4].startswith("n/a: ") else "not held yet"
        counts["held by tests" if tests else in_words] += 1
        head = f"| {match[1]} | {match[2]} | {match[3]} | {match[4]}"
        lines.append(f"{head.rstrip()} | {cell(tests)}".rstrip() + " |")
    each = ", ".join(f"{count} {what}" for what, count in counts.items())
    return _COUNTS.sub(f"Counted: {sum(counts.values())} rows; {each}.", "\n".join(lines)) + "\n"


def main() -> int:
    """Rewrite the document in place."""
    text = DOCUMENT.read_text()
    new = filled(text, proofs(markers()))
    if new != text:
        DOCUMENT.write_text(new)
    sys.stdout.write(_COUNTS.search(new)[0] + "\n")  # type: ignore[index]
    return 0


if __name__ == "__main__":
    sys.exit(main())
