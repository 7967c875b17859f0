"""Every code has a sentence and an advice, every sentence has its parameters, every catalogue is what was compiled."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from mrv import messages
from mrv.errors import Fault, fault
from mrv.reading import GapReason

ROOT = Path(__file__).resolve().parents[2]
LOCALE = ROOT / "mrv" / "locale"
PACKAGES = ("mrv", "link", "drivers", "agent", "collector", "verify", "demo")
CODE = re.compile(r"[a-z]+\.[a-z][a-z0-9_]*")
#: Calls that make a fault of their first text; in the account of a log the domain is always `audit`.
MAKERS = {"fault", "complain", "_complain"}
AUDIT = {"mrv/account.py", "mrv/book.py"}


def catalogue(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3], abort_invalid=True)


def texts(language: str) -> dict[str, str]:
    paths = sorted((LOCALE / language / "LC_MESSAGES").glob("*.po"))
    return {str(m.id): str(m.string) for path in paths for m in catalogue(path) if m.id}


ENGLISH = texts("en")
PO = sorted(LOCALE.glob("*/LC_MESSAGES/*.po"))


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


# -- what the code says --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Use:
    """A code where it is made into a fault; `given` is None where the parameters are not spelled out there."""

    code: str
    where: str
    given: frozenset[str] | None


def uses() -> Iterator[Use]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text())):
                for code, given in found(node, "audit." if name in AUDIT else ""):
                    yield Use(code, f"{name}:{getattr(node, 'lineno', 0)}", given)


def found(node: ast.AST, prefix: str) -> Iterator[tuple[str, frozenset[str] | None]]:
    if isinstance(node, ast.Call) and called(node) in MAKERS:
        spelled = all(keyword.arg for keyword in node.keywords)
        given = frozenset(k.arg for k in node.keywords if k.arg and k.arg != "where")
        own = prefix if called(node) != "fault" else ""
        for text in (literal for argument in node.args[:2] for literal in literals(argument)):
            if CODE.fullmatch(own + text):
                yield own + text, given if spelled else None
    elif isinstance(node, ast.Tuple) and len(node.elts) == 3:
        for text in literals(node.elts[1]):
            if CODE.fullmatch(text) and isinstance(node.elts[0], (ast.Tuple, ast.Name, ast.BinOp)):
                yield text, keys(node.elts[2])


def called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def literals(node: ast.expr) -> Iterator[str]:
    """The texts an argument can be: itself, or either side of a conditional."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)


def keys(node: ast.expr) -> frozenset[str] | None:
    if not isinstance(node, ast.Dict):
        return None
    names = [key.value for key in node.keys if isinstance(key, ast.Constant)]
    return frozenset(map(str, names)) if len(names) == len(node.keys) else None


USES = list(uses())


def test_the_scan_finds_codes_of_every_kind() -> None:
    by_place = {(use.where.partition(":")[0], use.code) for use in USES}
    assert ("mrv/strict.py", "config.alias") in by_place, "self.complain"
    assert ("mrv/methodology/units.py", "plan.unit_unknown") in by_place, "fault"
    assert ("mrv/plan/part.py", "plan.id_twice") in by_place, "a complaint that check() yields"
    assert ("mrv/account.py", "audit.covered_twice") in by_place, "a finding"
    assert len(USES) > 100


def test_every_code_has_its_sentence_and_its_advice() -> None:
    lacking = {
        f"{u.where} {u.code}{ending}" for u in USES for ending in ("", ".next") if not ENGLISH.get(u.code + ending)
    }
    assert sorted(lacking) == []


def test_every_parameter_of_a_sentence_is_given() -> None:
    lacking = []
    for use in USES:
        wanted = placeholders(ENGLISH.get(use.code, "")) | placeholders(ENGLISH.get(f"{use.code}.next", ""))
        if use.given is not None and not wanted <= use.given:
            lacking.append(f"{use.where} {use.code} lacks {sorted(wanted - use.given)}")
    assert lacking == []


def test_every_gap_has_a_text() -> None:
    assert [reason for reason in GapReason if f"meter.gap_{reason.value}" not in ENGLISH] == []


# -- the catalogues ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PO, ids=lambda p: "/".join((p.parts[-3], p.name)))
def test_the_compiled_catalogue_is_that_of_its_source(path: Path) -> None:
    """The same texts; the header differs by the minute in which it was compiled."""
    with path.with_suffix(".mo").open("rb") as compiled:
        held = {str(message.id): message.string for message in read_mo(compiled) if message.id}
    assert held == {str(message.id): message.string for message in catalogue(path) if message.id}, "run `make locale`"


def test_nothing_is_compiled_from_nothing() -> None:
    assert sorted(path.with_suffix(".po") for path in LOCALE.rglob("*.mo")) == PO


@pytest.mark.parametrize("path", PO, ids=lambda p: "/".join((p.parts[-3], p.name)))
def test_a_catalogue_holds_its_own_domain_and_no_empty_text(path: Path) -> None:
    for message in catalogue(path):
        if message.id:
            assert str(message.id).startswith(f"{path.stem}.")
            assert str(message.string).strip(), message.id
            assert not message.fuzzy, message.id


@pytest.mark.parametrize("language", [name for name in messages.LANGUAGES if name != "en"])
def test_a_translation_says_nothing_that_english_does_not(language: str) -> None:
    for key, text in texts(language).items():
        code = key.removesuffix(".next")
        assert key in ENGLISH
        assert placeholders(text) <= placeholders(ENGLISH[code]) | placeholders(ENGLISH.get(f"{code}.next", ""))


def test_what_a_technician_meets_is_said_in_vietnamese() -> None:
    vietnamese = texts("vi")
    for domain in ("agent", "config", "meter", "tool", "scenario"):
        mine = {key for key in ENGLISH if key.startswith(f"{domain}.")}
        assert mine - set(vietnamese) == set()


# -- how a fault is said -------------------------------------------------------------------------------------------

PERIOD = fault("plan.period", "plan.yaml:3 period", found=7)


def test_what_where_and_what_to_do_next() -> None:
    assert messages.what(PERIOD) == "a period of 7 seconds does not divide an hour"
    assert messages.next_step(PERIOD).startswith("use 60")
    assert messages.sentence(PERIOD) == (
        "plan.yaml:3 period: a period of 7 seconds does not divide an hour\n  -> use 60, 300, 600, 900, 1800 or 3600"
    )
    assert messages.sentence(fault("plan.period", found=7)).startswith("a period of 7")


def test_other_languages_and_their_fallback() -> None:
    assert messages.what(PERIOD, "vi").startswith("chu kỳ 7 giây")
    assert messages.sentence(PERIOD, "ja") == messages.sentence(PERIOD), "no such text in Japanese: English"
    equation = fault("plan.equation_too_long", limit=5)
    assert messages.what(equation, "vi") == messages.what(equation), "an entry that Vietnamese lacks"
    assert messages.sentence(PERIOD, "tlh") == messages.sentence(PERIOD), "no such language"


def test_a_fault_without_a_text_still_says_its_code_and_parameters() -> None:
    assert messages.sentence(fault("nowhere.never", "here", left=1)) == "here: nowhere.never {'left': '1'}"
    assert messages.next_step(fault("nowhere.never", "here", left=1)) == ""


def test_a_missing_parameter_never_hides_the_fault() -> None:
    assert "seconds does not divide an hour" in messages.sentence(Fault("plan.period"))


@pytest.mark.parametrize("hostile", ["{found}", "{0.__class__}", "{", "}", "%s", "\n", "{found!r:>99999999}"])
def test_a_parameter_is_never_a_pattern(hostile: str) -> None:
    said = messages.what(fault("plan.period", found=hostile))
    assert said == f"a period of {hostile} seconds does not divide an hour"


@pytest.mark.parametrize("name", ["message", "language", "code", "where", "self", "found"])
def test_a_parameter_may_have_any_name(name: str) -> None:
    assert "seconds" in messages.sentence(Fault("plan.period", "", {name: "x"}))
    assert messages.sentence(Fault("new.code", "", {name: "x"})) == f"new.code {{'{name}': 'x'}}"


def test_a_foreign_code_or_language_reads_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "evil.mo").write_bytes((LOCALE / "en/LC_MESSAGES/plan.mo").read_bytes())
    assert messages.what(Fault(f"{tmp_path}/evil.period")) == f"{tmp_path}/evil.period"
    assert messages.what(PERIOD, f"{tmp_path}/../..") == messages.what(PERIOD)


@pytest.mark.parametrize(
    ("given", "decimal", "share"),
    [
        ("1/2", "0.5", "50 %"),
        ("1/200", "0.005", "0.5 %"),
        ("3", "3", "300 %"),
        ("-1/8", "-0.125", "-12.5 %"),
        ("1/3", "1/3", "1/3"),
        ("1/0", "1/0", "1/0"),
        ("none", "none", "none"),
    ],
)
def test_fractions_are_said_as_decimals_where_they_have_an_end(given: str, decimal: str, share: str) -> None:
    lost = fault("credit.lost_zero", start="a", end="b", hours=given)
    assert f"for {decimal} h from" in messages.what(lost)
    late = fault("credit.late_calibration", start="a", end="b", error=given, rule="sum")
    assert f"off by {share} (" in messages.what(late)
