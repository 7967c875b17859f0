"""site.yaml after an edit: every old byte is still there, and the new entry is read as what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from drivers import site_edit
from mrv.errors import BadInput, Refused

EXAMPLE = (Path(__file__).resolve().parents[2] / "config" / "site.yaml").read_text()
METER = {
    "id": "boiler",
    "point": "B-1",
    "bus": "roof",
    "unit": 7,
    "profile": "eastron_sdm630",
    "every": 15,
    "ratio": "400/5",
}


def loaded(text: str) -> dict:  # type: ignore[type-arg]
    return YAML(typ="safe", pure=True).load(text)


def only_added(before: str, after: str) -> bool:
    """Whether `after` is `before` with whole lines put in at one place."""
    old, new = before.splitlines(), after.splitlines()
    head = next((n for n, line in enumerate(old) if new[n] != line), len(old))
    return new[:head] == old[:head] and new[len(new) - (len(old) - head) :] == old[head:]


def test_the_example_keeps_every_comment() -> None:
    after = site_edit.add(EXAMPLE, "meters", METER)
    assert only_added(EXAMPLE, after)
    assert loaded(after)["meters"] == [*loaded(EXAMPLE)["meters"], METER]
    bus = {"kind": "rtu", "id": "cellar", "port": "/dev/serial/by-id/usb-1a86", "baud": 9600}
    both = site_edit.add(after, "buses", bus)
    assert only_added(after, both)
    assert loaded(both)["buses"][-1] == bus
    assert both.index("cellar") < both.index("# Meters: where each stands")


@pytest.mark.parametrize(
    "before",
    [
        "site: x\nmeters: []  # none yet\n# the end\n",
        "site: x\nmeters:\n# the end\n",
        "site: x\nmeters: null\n# the end\n",
        "site: x\nmeters: [\n]\n# the end\n",
        "meters:\n- id: a\n  every: 5 # quick\n# - id: old\n\n# the end\nsite: x\n",
        "meters:\n    -   id: a\n        every: 5\n\n\n# the end\nsite: x",
        "site: x\n# the end\nmeters:\n  - {id: a, every: 5}\n",
        "site: x\n# the end",
        "site: x\n# the end\nmeters:\n  - id: a\n    note: |\n      two\n      lines\n",
    ],
)
def test_lists_as_people_write_them(before: str) -> None:
    after = site_edit.add(before, "meters", METER)
    expected = loaded(before)
    expected["meters"] = [*(expected.get("meters") or []), METER]
    assert loaded(after) == expected
    assert "# the end" in after
    for comment in ("# none yet", "# quick", "# - id: old"):
        assert (comment in before) == (comment in after)


def test_a_list_on_one_line_is_left_to_its_author() -> None:
    with pytest.raises(BadInput) as error:
        site_edit.add("site: x\nmeters: [{id: a}]\n", "meters", METER)
    assert error.value.faults[0].code == "tool.list_not_editable"
    assert error.value.faults[0].where == "site.yaml:2"


@pytest.mark.parametrize("text", ["", "- a\n", "a: [\n", "\t"])
def test_what_is_no_site_file_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        site_edit.add(text, "meters", METER)


def test_entries_of_an_incomplete_file_can_be_read() -> None:
    assert site_edit.entries("site: x\nmeters:\n", "meters") == []
    assert site_edit.entries("site: x\n", "meters") == []
    assert site_edit.entries("meters:\n  - id: a\n", "meters") == [{"id": "a"}]


@given(
    st.dictionaries(
        st.from_regex("[a-z]{1,8}", fullmatch=True), st.text(max_size=12) | st.integers() | st.booleans(), min_size=1
    )
)
def test_any_value_is_read_back_as_it_was(entry: dict[str, object]) -> None:
    entry = {"id": "x", **entry}
    after = site_edit.add("# top\nmeters:\n  - id: a\n# end\n", "meters", entry)
    assert loaded(after)["meters"][1] == entry
    assert after.endswith("# end\n")


def test_the_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("old")
    path.chmod(0o640)
    site_edit.replace(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)
    assert [entry.name for entry in tmp_path.iterdir()] == ["site.yaml"]
    with pytest.raises(Refused):
        site_edit.replace(tmp_path / "nowhere" / "site.yaml", "new")
