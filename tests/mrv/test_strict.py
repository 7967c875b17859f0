"""What a person wrote is read exactly, or every fault in it is named with its line; nothing else comes out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mrv import leaf, strict
from mrv.errors import BadInput, fault
from mrv.messages import sentence
from mrv.strict import Complaint, complaints, decode, passed_on


class Colour(StrEnum):
    RED = "r"
    BLUE = "b"


class Tcp(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="tcp"):
    host: str
    port: int = 502


class Rtu(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="rtu"):
    device: str


class Inner(msgspec.Struct, frozen=True, kw_only=True):
    low: int
    high: int

    def check(self) -> Iterator[Complaint]:
        if self.high < self.low:
            yield (("high",), "config.out_of_range", {"found": self.high, "expected": f"{self.low} or more"})


class Outer(msgspec.Struct, frozen=True, kw_only=True):
    name: Annotated[str, msgspec.Meta(pattern="^[a-z]+$")]
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    share: Decimal = Decimal(1)
    on: bool = False
    day: date | None = None
    colour: Colour = Colour.RED
    size: Literal["s", "m"] = "s"
    baud: Literal[9600, 19200] = 9600
    bus: Tcp | Rtu | None = None
    inner: Inner | None = None
    inners: Annotated[tuple[Inner, ...], msgspec.Meta(max_length=3)] = ()
    words: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("a",)
    table: dict[Annotated[str, msgspec.Meta(pattern="^[a-z]+$")], int] = {}
    note: Annotated[str, msgspec.Meta(min_length=1, max_length=5)] = "x"
    renamed: int = msgspec.field(name="as-written", default=0)

    @staticmethod
    def check_field(name: str, value: object) -> Iterator[Complaint]:
        if name == "share" and value == 0:
            yield ((), "config.out_of_range", {"found": value, "expected": "a share"})
        if name == "table" and isinstance(value, dict) and "zero" in value:
            yield (("zero",), "config.unknown_key", {"field": "zero", "allowed": "others"})


def read(text: str) -> Outer:
    return decode(text, Outer, "f.yaml").value


def found(text: str, **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(BadInput) as caught:
        decode(text, Outer, "f.yaml", **more)
    for one in caught.value.faults:
        assert one.code not in sentence(one), "has a text"
        assert "{" not in sentence(one).replace("{}", ""), "has all its parameters"
        sentence(one).encode()
    return [(one.code, one.where) for one in caught.value.faults]


# -- what is accepted ----------------------------------------------------------------------------------------------


def test_a_whole_document() -> None:
    text = """
name: site
count: 0x9
share: 0.10
on: true
day: 2026-01-31
colour: b
size: m
baud: 19200
bus: {kind: rtu, device: /dev/ttyUSB0}
inner: {low: 1, high: 2}
inners: [{low: 1, high: 1}, {low: 0, high: 1_000}]
words: [no, on, yes, "5"]
table: {a: 1, b: -2}
as-written: 7
"""
    value = read(text)
    assert value == Outer(
        name="site",
        count=9,
        share=Decimal("0.10"),
        on=True,
        day=date(2026, 1, 31),
        colour=Colour.BLUE,
        size="m",
        baud=19200,
        bus=Rtu(device="/dev/ttyUSB0"),
        inner=Inner(low=1, high=2),
        inners=(Inner(low=1, high=1), Inner(low=0, high=1000)),
        words=("no", "on", "yes", "5"),
        table={"a": 1, "b": -2},
        renamed=7,
    )


@pytest.mark.parametrize(
    "text", ["name: a", "\ufeffname: a", "name: a\r\n", '{"name": "a"}', "# c\n---\nname: a\n...\n"]
)
def test_yaml_in_its_disguises(text: str) -> None:
    assert read(text) == Outer(name="a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.1", "0.1"), ("1e-3", "0.001"), ("-5", "-5"), ("'0.333'", "0.333"), ("1_0.5", "10.5"), ("1" * 40, "1" * 40)],
)
def test_a_number_is_read_exactly(text: str, expected: str) -> None:
    assert read(f"name: a\nshare: {text}").share == Decimal(expected)


@pytest.mark.parametrize("text", ["null", "~", ""])
def test_nothing_where_nothing_is_allowed(text: str) -> None:
    assert read(f"name: a\nday: {text}\nbus: {text}\ninner: {text}") == Outer(name="a")


def test_a_document_knows_its_lines() -> None:
    document = decode("name: a\ninners:\n  - low: 1\n    high: 2\n  - {low: 3,\n     high: 4}\n", Outer, "d/f.yaml")
    assert document.where("name") == "d/f.yaml:1 name"
    assert document.where("inners") == "d/f.yaml:2 inners", "the line of its name, not of what follows"
    assert document.where("inners", 0, "high") == "d/f.yaml:4 inners[0].high"
    assert document.where("inners", 1, "high") == "d/f.yaml:6 inners[1].high"
    assert document.where("inners", 1, "gone") == "d/f.yaml:5 inners[1].gone", "the nearest parent"
    assert document.where("count") == "d/f.yaml:1 count"
    assert document.where() == "d/f.yaml:1"


# -- what is refused -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "code", "where"),
    [
        ("count: 0", "config.out_of_range", "count"),
        ("count: 10", "config.out_of_range", "count"),
        ("count: 010", "config.out_of_range", "count"),
        ("count: " + "9" * 5000, "config.out_of_range", "count"),
        ("count: '5'", "config.wrong_type", "count"),
        ("count: 5.0", "config.wrong_type", "count"),
        ("count: true", "config.wrong_type", "count"),
        ("count:", "config.wrong_type", "count"),
        ("count: !!int five", "config.out_of_range", "count"),
        ("count: !five 5", "config.wrong_type", "count"),
        ("share: half", "config.wrong_type", "share"),
        ("share: .nan", "config.out_of_range", "share"),
        ("share: .inf", "config.out_of_range", "share"),
        ("share: NaN", "config.wrong_type", "share"),
        ("share: '٣'", "config.wrong_type", "share"),
        ("share: 0", "config.out_of_range", "share"),
        ("on: yes", "config.wrong_type", "on"),
        ("on: 1", "config.wrong_type", "on"),
        ("on: !!bool yes", "config.out_of_range", "on"),
        ("day: 31.01.2026", "config.wrong_type", "day"),
        ("day: '2026-01-31'", "config.wrong_type", "day"),
        ("day: 2026-02-30", "config.out_of_range", "day"),
        ("day: 2026-01-31T00:00:00Z", "config.out_of_range", "day"),
        ("colour: green", "config.out_of_range", "colour"),
        ("size: l", "config.out_of_range", "size"),
        ("baud: 4800", "config.out_of_range", "baud"),
        ("baud: '9600'", "config.wrong_type", "baud"),
        ("bus: tcp", "config.wrong_type", "bus"),
        ("bus: {host: a}", "config.missing", "bus"),
        ("bus: {kind: udp, host: a}", "config.not_allowed", "bus.kind"),
        ("bus: {kind: [tcp], host: a}", "config.not_allowed", "bus.kind"),
        ("bus: {kind: rtu, host: a, device: b}", "config.unknown_key", "bus.host"),
        ("inner: {low: 2, high: 1}", "config.out_of_range", "inner.high"),
        ("inner: [1, 2]", "config.wrong_type", "inner"),
        ("inner: {low: 1}", "config.missing", "inner.high"),
        ("inners: {low: 1, high: 2}", "config.wrong_type", "inners"),
        ("inners: [{low: 1, high: 1}, 5]", "config.wrong_type", "inners[1]"),
        ("inners: [{low: 1, high: 1}, {low: 2, high: 1}]", "config.out_of_range", "inners[1].high"),
        ("inners: [1, 2, 3, 4]", "config.too_many", "inners"),
        ("words: []", "config.too_few", "words"),
        ("words: [a, 5]", "config.wrong_type", "words[1]"),
        ("table: {A: 1}", "config.out_of_range", "table.A"),
        ("table: {a: x}", "config.wrong_type", "table.a"),
        ("table: {a: 1, a: 2}", "config.duplicate_key", "table.a"),
        ("table: {zero: 0}", "config.unknown_key", "table.zero"),
        ("table: [a]", "config.wrong_type", "table"),
        ("note: ''", "config.out_of_range", "note"),
        ("note: too long", "config.out_of_range", "note"),
        ('note: "\\ud800"', "config.out_of_range", "note"),
        ("renamed: 5", "config.misspelt", "renamed"),
        ("cuont: 5", "config.misspelt", "cuont"),
        ("name: b", "config.duplicate_key", "name"),
        ("zebra: 5", "config.unknown_key", "zebra"),
        ('"\\ud800": 5', "config.unknown_key", "\\ud800"),
        ("<<: {count: 5}", "config.unknown_key", "<<"),
        ("? [a]\n: 5", "config.wrong_type", ""),
        ('"": 5', "config.wrong_type", ""),
        ("inner: &x {low: 1, high: 2}", "config.alias", "inner"),
    ],
)
def test_one_fault(line: str, code: str, where: str) -> None:
    at = 1 if where == "" else 2
    assert found(f"name: a\n{line}\n") == [(code, f"f.yaml:{at} {where}".rstrip())]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "config.empty", 1),
        ("# nothing\n", "config.empty", 1),
        ("- a", "config.wrong_type", 1),
        ("5", "config.wrong_type", 1),
        ("name: a\n\tcount: 1", "config.yaml_syntax", 2),
        ("name: 'a\ncount: 1\n", "config.yaml_syntax", 3),
        ("name: {a", "config.yaml_syntax", 1),
        ("name: a\n---\nname: b", "config.yaml_syntax", 2),
        ("name: a\x00", "config.yaml_syntax", 1),
        ("name: " + "[" * 90_000, "config.yaml_syntax", 1),
        ("name: " + "a" * strict.MAX_TEXT, "config.too_large", None),
        ("%YAML 1.1\n---\nname: a\non: yes\n", "config.out_of_range", 4),
    ],
)
def test_not_a_document(text: str, code: str, line: int | None) -> None:
    ((was, where),) = found(text)
    assert was == code
    assert where.partition(" ")[0] == ("f.yaml" if line is None else f"f.yaml:{line}")


def test_aliases_are_refused_before_anything_grows() -> None:
    """Nine lines of these are a gigabyte; here they are faults."""
    laughs = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9) if n else 'ha'}]\n" for n in range(9))
    codes = {code for code, _ in found(f"name: a\nwords: &w [a]\ninners: *w\n{laughs}")}
    assert codes == {"config.alias", "config.unknown_key"}


def test_all_faults_at_once_in_the_order_of_the_file() -> None:
    text = "count: 0\nshare: 0\nbus: {kind: udp}\ninner: {low: 5, high: 1}\ntable: {zero: 1}\nzebra: 1\nwords: []\n"
    assert found(text) == [
        ("config.out_of_range", "f.yaml:1 count"),
        ("config.missing", "f.yaml:1 name"),
        ("config.out_of_range", "f.yaml:2 share"),
        ("config.not_allowed", "f.yaml:3 bus.kind"),
        ("config.out_of_range", "f.yaml:4 inner.high"),
        ("config.unknown_key", "f.yaml:5 table.zero"),
        ("config.unknown_key", "f.yaml:6 zebra"),
        ("config.too_few", "f.yaml:7 words"),
    ]


def test_faults_are_ordered_by_line_whatever_the_file_is_called() -> None:
    with pytest.raises(BadInput) as caught:
        decode("zebra: 1\ncount: 0\n" + "\n" * 9 + "words: []\n", Outer, "my folder:9/f.yaml")
    assert [f.where.partition("yaml:")[2] for f in caught.value.faults] == ["1 zebra", "1 name", "2 count", "12 words"]


def test_rules_from_outside_are_asked_of_each_struct() -> None:
    def rule(inner: Inner) -> Iterator[Complaint]:
        if inner.low == 7:
            yield (("low",), "config.out_of_range", {"found": 7, "expected": "not 7"})

    text = "name: a\ncount: 99\ninners: [{low: 7, high: 8}, {low: 1, high: 2}]\ninner: {low: 7, high: 1}\n"
    assert found(text, rules={Inner: rule}) == [
        ("config.out_of_range", "f.yaml:2 count"),
        ("config.out_of_range", "f.yaml:3 inners[0].low"),
        ("config.out_of_range", "f.yaml:4 inner.high"),
        ("config.out_of_range", "f.yaml:4 inner.low"),
    ]


def test_a_misspelling_names_the_field_it_comes_near_to() -> None:
    with pytest.raises(BadInput) as caught:
        read("name: a\ncolor: r")
    assert "colour" in sentence(caught.value.faults[0])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("count: 99", "a whole number from 1 to 9"),
        ("note: ''", "text from 1 to 5 characters"),
        ("name: A", "text like ^[a-z]+$"),
        ("colour: x", "one of r, b"),
        ("baud: 1", "one of 9600, 19200"),
        ("day: x", "a date like 2026-01-31"),
        ("share: x", "a number"),
        ("on: x", "true or false"),
    ],
)
def test_a_fault_says_what_was_expected(line: str, expected: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(f"name: a\n{line}" if "name" not in line else line)
    assert caught.value.faults[0].params["expected"] == expected


def test_a_long_or_folded_value_is_shown_short_and_on_one_line() -> None:
    with pytest.raises(BadInput) as caught:
        read('name: a\nnote: "line\\nline ' + "x" * 200 + '"\n')
    shown = caught.value.faults[0].params["found"]
    assert len(shown) < 90
    assert "\n" not in shown


@given(st.text(max_size=200))
@example("name: a\nday: !!timestamp x")
@example("name: !!binary x")
@example("? ? ?")
@example("name: a\ntable: {1: 1, 1.5: 2, null: 3}")
def test_any_text_is_a_value_or_bad_input(text: str) -> None:
    with contextlib.suppress(BadInput):
        assert isinstance(read(text), Outer)


LINES = (
    "name: a|name: [|count: 5|count: x|  - a|- {low: 1|high: 2}|inners:|bus: {kind: tcp, host: a}|words: &a [x]|"
    "words: *a|share: 1e999999999|day: 0000-00-00|? a|: b|---|%YAML 1.1|\t|!!x y|table: {1: 1, a: 2}|'\\ud800': 1"
)
lines = st.sampled_from(LINES.split("|"))


@given(st.lists(lines, max_size=8).map("\n".join))
def test_any_lines_are_a_value_or_bad_input(text: str) -> None:
    with contextlib.suppress(BadInput):
        leaf.canonical(read(text))


# -- values that did not come from a file --------------------------------------------------------------------------


def test_complaints_of_a_value_are_those_of_its_file() -> None:
    value = Outer(name="a", share=Decimal(0), inners=(Inner(low=1, high=2), Inner(low=3, high=2)), table={"zero": 1})
    assert [(path, code) for path, code, _ in complaints(value)] == [
        (("share",), "config.out_of_range"),
        (("inners", 1, "high"), "config.out_of_range"),
        (("table", "zero"), "config.unknown_key"),
    ]
    assert list(complaints(Outer(name="a"))) == []


def test_a_fault_of_another_module_is_passed_on() -> None:
    error = BadInput(fault("plan.unit_unknown", unit="x"), fault("plan.period", found=7))
    assert list(passed_on(("unit",), error)) == [
        (("unit",), "plan.unit_unknown", {"unit": "x"}),
        (("unit",), "plan.period", {"found": "7"}),
    ]
