"""`python -m bench.house`: the size table of the house, per package: files, lines, and how long functions are.

Only a view: the budgets themselves are held by tests/test_house.py. A function's docstring does not count.
"""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mrv", "link", "drivers", "agent", "collector", "verify", "demo", "bench", "tests")
HEAD = ("package", "files", "lines", "median", "max", "functions", "median", "p90", "max")


def main() -> None:
    print("lines per file and per function")
    print(_row(*HEAD))
    everything = [path for package in PACKAGES[:7] for path in _sources(package)]
    for package in PACKAGES:
        print(_row(package, *_sizes(_sources(package))))
    print(_row("shipped + demo", *_sizes(everything)))


def _sources(package: str) -> list[Path]:
    return [path for path in sorted((ROOT / package).rglob("*.py")) if path.read_text().strip()]


def _sizes(paths: list[Path]) -> tuple[int, ...]:
    files = [len(path.read_text().splitlines()) for path in paths]
    functions = sorted(size for path in paths for size in _functions(ast.parse(path.read_text())))
    if not functions:
        return (len(files), sum(files), 0, 0, 0, 0, 0, 0)
    return (
        len(files),
        sum(files),
        round(statistics.median(files)),
        max(files),
        len(functions),
        round(statistics.median(functions)),
        functions[int(0.9 * (len(functions) - 1))],
        functions[-1],
    )


def _functions(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield (node.end_lineno or 0) - node.lineno + 1 - docstring


def _row(name: str, *numbers: object) -> str:
    return f"{name:<16}" + "".join(f"{number:>10}" for number in numbers)


if __name__ == "__main__":
    main()
