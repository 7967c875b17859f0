"""One altered byte is found, wherever it stands; and what a judge looks up only once never stands in for another."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from site_log import T0, SiteLog, demo_binding, demo_plan

from drivers.profiles import library
from mrv import codec, leaf, register
from mrv.binding import Settings
from mrv.book import Book
from mrv.errors import BadInput
from mrv.measurand import MEASURANDS
from mrv.profile import Profile, Value

MINUTE = 60_000
#: 1234.5 kWh as the words of a float32.
HEX = b"449a5000"
#: Words of a counter: as it stands, as another number, as what is none.
WORDS = st.sampled_from([0x0000, 0x4479, 0x8000, 0x7FC0, 0x7F80, 0xFFFF])


# -- bytes ---------------------------------------------------------------------------------------------------------


def samples() -> list[bytes]:
    """One leaf of each kind, but for blobs."""
    log = SiteLog()
    log.run(T0, T0 + 50_000)
    log.gap("pv-main", T0 + 50_000, T0 + MINUTE, now=T0 + MINUTE)
    log.read("chiller-1", T0 + 50_000, kwh=101.5)
    log.read("pv-main", T0 + MINUTE, export=102.5)
    log.read("chiller-1", T0 + MINUTE, kwh=101.625)
    log.close()
    kinds = {json.loads(data)["k"]: data for data in log.leaves if b'"k":"blob"' not in data}
    assert kinds.keys() == {"genesis", "boot", "clock", "config", "reading", "gap", "usage", "summary"}
    return list(kinds.values())


def altered(data: bytes) -> set[bytes]:
    """`data` with one byte changed, taken out, or put in twice, at every place."""
    found = set()
    for at, byte in enumerate(data):
        changed = {byte ^ 1, byte ^ 0x20, byte ^ 0x80, *b' 0"\\'}
        found |= {data[:at] + bytes((other,)) + data[at + 1 :] for other in changed}
        found |= {data[:at] + data[at + 1 :], data[:at] + data[at : at + 1] + data[at:]}
    return found - {data}


@pytest.mark.parametrize("data", samples(), ids=lambda data: json.loads(data)["k"])
def test_a_leaf_is_read_as_what_it_is_or_not_at_all(data: bytes) -> None:
    """No second spelling: an altered byte makes another fact, a kind of another version, or nothing."""
    fact, refused, others = leaf.decode(data), 0, 0
    for other in altered(data):
        try:
            found = leaf.decode(other)
        except BadInput:
            refused += 1
            continue
        assert found != fact
        assert found is None or leaf.encode(found) == other
        others += 1
    assert refused > others > 0


def integers_in_lists(cls: Any) -> list[str]:
    return [field.name for field in msgspec.structs.fields(cls) if "tuple[int" in str(field.type)]


def test_an_integer_of_a_leaf_stands_behind_a_colon() -> None:
    """What `mrv.leaf` rests on when it asks whether a spelling could have integers beyond 2^53."""
    parts = (leaf.UsedRegister, leaf.Stood, leaf.Indicative)
    assert [integers_in_lists(cls) for cls in (*leaf.KINDS.values(), *parts)] == [[]] * (len(leaf.KINDS) + len(parts))


@pytest.mark.parametrize("field", ["b", "bt", "cf", "slot", "ts"])
@pytest.mark.parametrize("number", ["9007199254740992", "-9007199254740992", "1000000000000000000"])
def test_no_integer_beyond_2_to_53(field: str, number: str) -> None:
    log = SiteLog()
    log.read("pv-main", T0)
    data = log.leaves[-1]
    start = data.index(f'"{field}":'.encode()) + len(field) + 3
    end = min(at for at in (data.find(b",", start), data.find(b"}", start)) if at > 0)
    with pytest.raises(BadInput):
        leaf.decode(data[:start] + number.encode() + data[end:])


# -- words ---------------------------------------------------------------------------------------------------------


def test_every_digit_of_a_counter_is_held_against_its_words() -> None:
    log = SiteLog()
    log.read("pv-main", T0, export=1234.5)
    *before, last = log.leaves
    book = Book()
    for data in before:
        book.add(data)
    start, words = last.index(b'"r":{') + 5, last.index(HEX)
    # The last digit of the words is less than the last decimal of the register: only the tree holds it.
    places = [*range(start, last.index(b"}", start)), *range(words, words + len(HEX) - 1)]
    for at in [at for at in places if chr(last[at]) in "0123456789abcdef"]:
        for digit in set(b"0189af") - {last[at]}:
            judge = copy.deepcopy(book)
            judge.add(last[:at] + bytes((digit,)) + last[at + 1 :])
            assert judge.open_findings, (at, chr(digit))
    honest = copy.deepcopy(book)
    honest.add(last)
    assert honest.open_findings == ()


def test_a_decoder_that_was_asked_before_says_what_a_new_one_says() -> None:
    profile = library()["eastron_sdm630"]
    asked = codec.Decoder(profile, Settings(), counters=True)

    @given(st.lists(st.dictionaries(st.sampled_from([("i", at) for at in range(72, 78)]), WORDS), max_size=6))
    def same(images: Any) -> None:
        for words in images:
            fresh = codec.Decoder(profile, Settings(), counters=True).decode(words)
            for again in (words, codec.unpack(codec.pack(words))):
                found = asked.decode(again)
                assert (found.values, found.absent) == (fresh.values, fresh.absent)

    same()


def test_with_counters_alone_a_decoder_says_what_it_says_with_all() -> None:
    for profile in library().values():
        words = dict.fromkeys(codec.addresses(profile, Settings(), profile.read), 0x0101)
        both = [codec.Decoder(profile, Settings(), counters=counters).decode(words) for counters in (False, True)]
        registers = [codec.registers(profile, found) for found in both]
        assert registers[0] == registers[1]
        assert all(measurand.cumulative for measurand in both[1].values)


def wide(at: int) -> Profile:
    value = Value(at=at, type="int64", decimals=0)
    return msgspec.structs.replace(
        library()["eastron_sdm630"], values={"active_energy_import": value}, read=("active_energy_import",)
    )


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ({"i:10": "0000000000000007"}, {"1.8.0": "7"}),
        ({"i:8": "ffffffff0000000000000007ffff"}, {"1.8.0": "7"}),
        # Four words one after the other in the leaf, of which the third is not the register between its neighbours.
        ({"i:10": "00000000", "i:100": "0000", "i:13": "0007"}, {}),
        ({"i:10": "00000000", "i:13": "0007"}, {}),
        ({"h:10": "0000000000000007"}, {}),
        ({"i:11": "000000000007"}, {}),
    ],
)
def test_a_number_is_made_of_registers_that_follow_each_other(raw: dict[str, str], found: dict[str, str]) -> None:
    profile = wide(10)
    decoded = codec.decode(profile, Settings(), codec.unpack(raw))
    assert codec.registers(profile, decoded) == found
    assert decoded.absent == ({} if found else {MEASURANDS["active_energy_import"]: register.MISSING})


def test_words_are_the_same_however_they_are_held() -> None:
    words = {("i", 1): 0xAB, ("i", 0): 1, ("h", 2): 0xFFFF, ("i", 3): 0}
    packed = codec.unpack(codec.pack(words))  # type: ignore[arg-type]
    assert dict(packed) == words
    assert len(packed) == len(words)
    assert ("i", 2) not in packed
    with pytest.raises(KeyError):
        packed["h", 0]


# -- periods -------------------------------------------------------------------------------------------------------


def ended(log: SiteLog) -> tuple[int, int]:
    """The first period, due."""
    for ts in range(T0, T0 + MINUTE + 1, 10_000):
        for meter in ("pv-main", "chiller-1"):
            log.read(meter, ts, kwh=100.0, export=100.0 + (ts - T0) / 60_000)
    due = log.book.due()
    assert due is not None
    return due


def test_what_comes_before_the_summary_is_in_it() -> None:
    """A period that was settled is settled anew when a leaf came that its figures depend on."""
    log = SiteLog()
    log.identify("pv-main", T0 - 1000, serial="1")
    due = ended(log)
    first = log.book.close(*due)
    assert log.book.close(*due) is first
    assert not any("held" in usage.flags for usage in first.usages)
    log.identify("pv-main", T0 + 30_000, serial="2")
    assert any("held" in usage.flags for usage in log.book.close(*due).usages)


def test_a_settled_period_is_still_held_against_what_the_site_wrote() -> None:
    log = SiteLog()
    settled = log.book.close(*ended(log))
    usages = [msgspec.structs.replace(usage, read=usage.read - 1) for usage in settled.usages]
    for usage in usages:
        log.add(usage)
    judgement = log.add(settled.summary)
    assert judgement is not None
    assert {found.code for found in judgement.findings} == {"audit.usages_differ"}


def test_another_plan_is_another_model() -> None:
    """The figures of a project are those of the plan in force, however often an older one was computed with."""
    log = SiteLog()
    log.run(T0, T0 + MINUTE + 10_000)
    plan = demo_plan()
    pv, *others = plan.projects
    item = pv.items[0]
    factor = msgspec.structs.replace(item.ex_ante["EF_RE"], value=item.ex_ante["EF_RE"].value * 2)
    items = (msgspec.structs.replace(item, ex_ante=item.ex_ante | {"EF_RE": factor}), *pv.items[1:])
    log.configure(
        T0 + MINUTE + 10_000,
        demo_plan(projects=(msgspec.structs.replace(pv, items=items), *others)),
        demo_binding(),
    )
    log.run(T0 + MINUTE + 10_000, T0 + 2 * MINUTE + 10_000)
    first, second = (judgement.summary.projects[0].reference for judgement in log.judgements)
    assert first is not None
    assert second is not None
    assert Decimal(second) == 2 * Decimal(first)
    _, judged = log.judged()
    assert [judgement.findings for judgement in judged] == [(), ()]
