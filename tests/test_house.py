"""The house rules that a linter does not know: purity of mrv, one home per foreign library, size budgets."""

from __future__ import annotations

import ast
import statistics
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mrv", "link", "drivers", "agent", "collector", "verify", "demo")

#: foreign library -> the only files (or folders) that may import it
HOMES = {
    "pymodbus": ("drivers/tcp.py", "drivers/simulator/"),
    "serial": ("drivers/port.py",),
    "paho": ("link/mqtt.py",),
    "sqlalchemy": (
        "link/database.py",
        "link/writer.py",
        "link/postgres.py",
        "collector/database.py",
        "collector/migrations/",
        "agent/store.py",
        "collector/archive.py",
        "collector/verdicts.py",
        "collector/journal.py",
        "collector/registry.py",
        "collector/schema.py",
    ),
    "apscheduler": ("agent/daemon.py", "collector/daemon.py"),
    "ruamel": ("mrv/strict.py", "drivers/site_edit.py"),
    "xlsxwriter": ("collector/report/workbook.py",),
    "openpyxl": (),
    "amqtt": ("collector/broker.py",),
}
#: what a pure module may import from the standard library and from outside
# fmt: off
PURE = {
    "__future__", "abc", "ast", "base64", "binascii", "bisect", "collections", "contextlib", "dataclasses",
    "datetime", "decimal", "difflib", "enum", "fractions", "functools", "gettext", "hashlib", "importlib", "io",
    "itertools", "json", "math", "operator", "pathlib", "re", "string", "struct", "typing", "unicodedata", "zlib",
    "zoneinfo", "mrv", "cryptography", "msgspec", "rfc8785", "ruamel", "tzdata",
}
# fmt: on
IMPURE_CALLS = {"open", "input", "print", "exec", "eval", "compile", "__import__"}
IMPURE_ATTRIBUTES = {"datetime": {"now", "utcnow", "today"}, "date": {"today"}, "os": {"environ", "getenv"}}


def sources(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sources("mrv"), ids=relative)
def test_mrv_is_pure(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert imported(tree) <= PURE, "mrv takes values and gives values"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in IMPURE_CALLS, f"line {node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.attr not in IMPURE_ATTRIBUTES.get(node.value.id, ()), f"line {node.lineno}"


@pytest.mark.parametrize("path", [p for p in sources("mrv") if p.name != "register.py"], ids=relative)
def test_no_floats_outside_of_registers(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), f"line {node.lineno}"
        assert not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "float"), f"line {node.lineno}"


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=relative)
def test_foreign_libraries_have_one_home(path: Path) -> None:
    for library in imported(ast.parse(path.read_text())) & HOMES.keys():
        assert relative(path).startswith(HOMES[library]), f"{library} lives in {HOMES[library]}"


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=relative)
def test_every_module_says_why_it_exists(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text)), "module docstring"


def test_size_budgets() -> None:
    """Files: median <= 120 lines, ceiling 400. Functions: median <= 9, p90 <= 30, ceiling 60 (without docstrings)."""
    files = {relative(path): len(path.read_text().splitlines()) for path in sources(*PACKAGES)}
    functions = {
        f"{relative(path)}:{node.lineno} {node.name}": body_lines(node)
        for path in sources(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: size for name, size in files.items() if size > 400} == {}
    assert statistics.median(files.values()) <= 120
    assert {name: size for name, size in functions.items() if size > 60} == {}
    assert statistics.median(functions.values()) <= 9
    assert statistics.quantiles(functions.values(), n=10)[8] <= 30


def test_no_two_test_files_have_one_name() -> None:
    """Folders of tests are no packages, so the second of a name would stop the whole run."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name not in {"conftest.py", "__init__.py"}]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_the_pure_list_names_no_stranger() -> None:
    foreign = {"mrv", "cryptography", "msgspec", "rfc8785", "ruamel", "tzdata"}
    assert sys.stdlib_module_names >= PURE - foreign
