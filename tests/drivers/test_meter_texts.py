"""The meter catalogue: every code has a text and an advice, in both languages, with the same places to fill in."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from mrv import codec
from mrv.reading import GapReason

ROOT = Path(__file__).resolve().parents[2]


def catalogue(domain: str, language: str) -> dict[str, str]:
    path = ROOT / "mrv" / "locale" / language / "LC_MESSAGES" / f"{domain}.po"
    with path.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def codes() -> set[str]:
    found = set()
    for path in (path for folder in ("drivers", "mrv") for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("meter."):
                found.add(node.value)
    return (
        found | {f"meter.gap_{reason}" for reason in GapReason} | {f"meter.absent_{reason}" for reason in codec.REASONS}
    )


def test_every_code_has_a_text_and_no_text_is_left_over() -> None:
    assert {key.removesuffix(".next") for key in catalogue("meter", "en")} == codes()


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_fault_has_an_advice(code: str) -> None:
    assert f"{code}.next" in catalogue("meter", "en") or code.startswith("meter.absent_")


@pytest.mark.parametrize("domain", ["meter", "config", "tool", "scenario"])
def test_vietnamese_is_whole_and_asks_for_nothing_english_does_not(domain: str) -> None:
    english, vietnamese = catalogue(domain, "en"), catalogue(domain, "vi")
    assert vietnamese.keys() == english.keys()
    for key, pattern in vietnamese.items():
        assert pattern != english[key] or key.startswith("tool.column_"), "headings may be the same word"
        assert places(pattern) == places(english[key]), key


def places(pattern: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(pattern) if name}
