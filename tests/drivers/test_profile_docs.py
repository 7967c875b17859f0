"""docs/profiles.md cannot rot: its example is a profile, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from drivers import blocks, profiles
from drivers.profiles import schema
from mrv.profile import MEASURANDS, NumberType, Profile, Value

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "profiles.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def example() -> Profile:
    found = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert found
    return profiles.load(found[1], "docs/profiles.md")


def test_the_example_can_be_read_in_one_request(example: Profile) -> None:
    assert len(blocks.plan(example, example.read)) == 1


def test_every_type_is_named() -> None:
    assert all(re.search(rf"\b{kind}\b", TEXT) for kind in get_args(NumberType))


def test_every_field_a_person_decides_on_is_explained() -> None:
    structural = {"id", "maker", "models", "kind", "values", "read", "at", "note"}
    for field in {*Profile.__struct_fields__, *Value.__struct_fields__} - structural:
        assert re.search(rf"`[^`]*\b{field}\b[^`]*`", TEXT), field


def test_every_quantity_it_names_exists() -> None:
    listed = TEXT.partition("Names of quantities")[2].partition("## Prove it")[0]
    names = set(re.findall(r"`([a-z0-9_]+)`", listed))
    assert len(names) > 5
    assert names <= MEASURANDS.keys()


def test_the_schema_is_that_of_the_structs() -> None:
    held = (DOCS / "profile.schema.json").read_text(encoding="utf-8")
    assert held == schema.text(), "python -m drivers.profiles.schema > docs/profile.schema.json"
