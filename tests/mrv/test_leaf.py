"""Leaves: one spelling each, refusals by code, strangers kept, and canonical JSON as RFC 8785 says."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from real import vectors

from mrv import leaf, messages
from mrv.errors import BadInput
from mrv.leaf import (
    MAX_LEAF,
    AnyLeaf,
    Blob,
    Boot,
    Clock,
    Config,
    Genesis,
    Indicative,
    MeterEvent,
    Summary,
    Usage,
    UsedRegister,
)
from mrv.reading import ClockState, Gap, GapReason, Quality, Reading

WORDS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
TIMES = st.integers(-(2**53) + 1, 2**53 - 1)
HEX = st.from_regex(r"\A[0-9a-f]{64}\Z")
SPELLED = st.from_regex(r"\A(0|[1-9][0-9]{0,12})\.[0-9]{2}\Z")
STAMP = {"boot": TIMES, "boottime": TIMES, "ts": TIMES, "clock": st.sampled_from(ClockState)}
RAW = st.dictionaries(st.from_regex(r"\A[hi]:[0-9]{1,5}\Z"), st.from_regex(r"\A([0-9a-f]{4}){1,6}\Z"), max_size=3)
REGISTERS = st.dictionaries(st.sampled_from(["1.8.0", "2.8.0"]), SPELLED)
USED = st.builds(UsedRegister, opening=SPELLED, closing=SPELLED, used=SPELLED)
INDICATIVE = st.builds(
    Indicative,
    project=WORDS,
    methodology=WORDS,
    status=WORDS,
    reference=st.none() | SPELLED,
    emissions=st.none() | SPELLED,
    reduction=st.none() | SPELLED,
    missing=st.lists(WORDS, max_size=2).map(tuple),
)
LEAVES: st.SearchStrategy[AnyLeaf] = st.one_of(
    st.builds(
        Genesis,
        version=st.just(1),
        site=WORDS,
        origin=WORDS,
        epoch=TIMES,
        key=WORDS,
        ts=TIMES,
        enrolled=st.sampled_from(["tofu", "approved"]),
        previous=st.none() | WORDS,
    ),
    st.builds(
        Config,
        number=TIMES,
        agent=WORDS,
        tzdata=WORDS,
        plan=HEX,
        binding=HEX,
        profiles=st.dictionaries(WORDS, HEX, max_size=2),
        methodologies=st.dictionaries(WORDS, HEX, max_size=2),
        **STAMP,
    ),
    st.builds(
        MeterEvent,
        meter=WORDS,
        config=TIMES,
        event=st.sampled_from(["identity", "accepted", "something_new"]),
        who=st.none() | WORDS,
        details=st.dictionaries(WORDS, WORDS, max_size=3),
        raw=st.none() | RAW,
        **STAMP,
    ),
    st.builds(Blob, digest=HEX, index=TIMES, count=TIMES, text=WORDS),
    st.builds(Boot, kernel=WORDS, agent=WORDS, clean=st.booleans(), **STAMP),
    st.builds(
        Clock,
        why=st.sampled_from(["start", "sync", "lost", "step"]),
        source=st.sampled_from(["kernel", "assumed"]),
        step=TIMES,
        **STAMP,
    ),
    st.builds(
        Reading,
        meter=WORDS,
        config=TIMES,
        slot=st.none() | TIMES,
        quality=st.sampled_from(Quality),
        registers=REGISTERS,
        raw=RAW,
        **STAMP,
    ),
    st.builds(
        Gap,
        meter=WORDS,
        config=TIMES,
        start=st.none() | TIMES,
        end=st.none() | TIMES,
        why=st.sampled_from(GapReason),
        raw=st.none() | RAW,
        **STAMP,
    ),
    st.builds(
        Usage,
        meter=WORDS,
        config=TIMES,
        start=TIMES,
        end=TIMES,
        expected=TIMES,
        read=TIMES,
        gap=TIMES,
        opened=st.none() | TIMES,
        closed=st.none() | TIMES,
        registers=st.dictionaries(st.sampled_from(["1.8.0", "2.8.0"]), USED),
        flags=st.lists(WORDS, max_size=2).map(tuple),
    ),
    st.builds(
        Summary,
        seq=TIMES,
        rules=TIMES,
        start=TIMES,
        end=TIMES,
        config=TIMES,
        expected=TIMES,
        read=TIMES,
        gap=TIMES,
        clock=st.sampled_from(ClockState),
        usages=st.lists(HEX, max_size=2).map(tuple),
        projects=st.lists(INDICATIVE, max_size=2).map(tuple),
        amends=st.none() | HEX,
    ),
)


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(BadInput) as caught:
        action()
    (fault,) = caught.value.faults
    assert messages.what(fault) != fault.code
    assert messages.next_step(fault)
    return fault.code


@given(LEAVES)
def test_every_kind_comes_back_from_its_one_spelling(fact: AnyLeaf) -> None:
    data = leaf.encode(fact)
    assert leaf.decode(data) == fact
    assert leaf.encode(fact) == data
    assert json.loads(data)["k"] == type(fact).__struct_config__.tag


@given(LEAVES, st.data())
def test_any_other_spelling_of_a_leaf_is_refused(fact: AnyLeaf, data: st.DataObject) -> None:
    canonical = leaf.encode(fact)
    fields = json.loads(canonical)
    spelled = data.draw(
        st.sampled_from(
            [
                json.dumps(fields, ensure_ascii=False).encode(),
                canonical + b"\n",
                b" " + canonical,
                json.dumps(dict(reversed(fields.items())), ensure_ascii=False, separators=(",", ":")).encode(),
                canonical.replace(b'"k"', b'"\\u006b"', 1),
                canonical[:-1] + b',"k":"' + fields["k"].encode() + b'"}',
            ]
        )
    )
    assert spelled != canonical
    assert code_of(lambda: leaf.decode(spelled)) == "log.leaf_not_canonical"


def test_defaults_are_left_out_and_must_be() -> None:
    fact = Gap(boot=1, boottime=2, ts=3, clock=ClockState.UNKNOWN, meter="m1", config=1, why=GapReason.TIMEOUT)
    data = leaf.encode(fact)
    assert data == b'{"b":1,"bt":2,"c":"U","cf":1,"k":"gap","m":"m1","ts":3,"why":"timeout"}'
    with_default = data.replace(b'"k":"gap",', b'"from":null,"k":"gap",')
    assert code_of(lambda: leaf.decode(with_default)) == "log.leaf_not_canonical"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"7",
        b"null",
        b"{",
        b"\xff",
        b'{"k":7}',
        b'{"k":null}',
        b'{"b":1}',
        b'{"k":"gap"}',
        b'{"k":"boot","b":1,"bt":2,"ts":3,"c":"X","kernel":"","agent":"","clean":true}',
        b'{"agent":"","b":1.5,"bt":2,"c":"S","clean":true,"k":"boot","kernel":"","ts":3}',
        b'{"agent":"","b":1,"bt":2,"c":"S","clean":true,"k":"boot","kernel":"","more":1,"ts":3}',
        b"[" * 100_000,
        b'{"k":' * 50_000,
        b'{"agent":"\xed\xa0\x80","b":1,"bt":2,"c":"S","clean":true,"k":"boot","kernel":"","ts":3}',
        b'{"agent":"\\ud800","b":1,"bt":2,"c":"S","clean":true,"k":"boot","kernel":"","ts":3}',
        b'{"agent":"","b":99999999999999999999,"bt":2,"c":"S","clean":true,"k":"boot","kernel":"","ts":3}',
        b'{"agent":"","b":9007199254740992,"bt":2,"c":"S","clean":true,"k":"boot","kernel":"","ts":3}',
    ],
)
def test_no_leaf(data: bytes) -> None:
    """Bytes come from the network: each of these is a BadInput, never a foreign exception."""
    assert code_of(lambda: leaf.decode(data)) == "log.leaf_malformed"


@given(st.binary(max_size=60))
def test_any_bytes_are_a_leaf_a_stranger_or_refused(data: bytes) -> None:
    try:
        found = leaf.decode(data)
    except BadInput:
        return
    assert found is None or leaf.encode(found) == data


@pytest.mark.parametrize("kind", ["manual", "admin", "rotate", "beacon", "", "Reading"])
def test_a_kind_of_another_version_is_kept(kind: str) -> None:
    assert leaf.decode(json.dumps({"k": kind, "x": 1.5}).encode()) is None


def test_the_largest_leaf() -> None:
    empty = Blob(digest="", index=0, count=1, text="")
    room = MAX_LEAF - len(leaf.encode(empty))
    assert len(leaf.encode(msgspec.structs.replace(empty, text="x" * room))) == MAX_LEAF
    over = msgspec.structs.replace(empty, text="x" * (room + 1))
    assert code_of(lambda: leaf.encode(over)) == "log.leaf_too_large"


@given(st.text(st.characters(blacklist_categories=["Cs"]), max_size=200), st.sampled_from([0, 1, leaf.BLOB_CHUNK]))
def test_blobs_carry_their_content(text: str, padding: int) -> None:
    content = (text + "x" * padding).encode()
    parts = list(leaf.blobs(content))
    assert "".join(part.text for part in parts).encode() == content
    assert [part.index for part in parts] == list(range(len(parts)))
    assert {(part.digest, part.count) for part in parts} == {(leaf.digest(content), len(parts))}


@pytest.mark.parametrize("character", ["x", "\x00", "\x1f", '"', "\\", "ế", "😀"])
def test_no_character_pushes_a_blob_over_the_limit(character: str) -> None:
    """A control character is six bytes in JSON, the worst there is."""
    for part in leaf.blobs((character * (leaf.BLOB_CHUNK + 1)).encode()):
        assert len(leaf.encode(part)) <= MAX_LEAF


@pytest.mark.parametrize("name", ["arrays", "french", "structures", "unicode", "values", "weird"])
def test_rfc_8785_third_party(name: str) -> None:
    given_text = vectors("jcs", "testdata", "input", f"{name}.json").read_bytes()
    wanted = vectors("jcs", "testdata", "output", f"{name}.json").read_bytes()
    assert rfc8785.dumps(json.loads(given_text)) == wanted


@given(LEAVES)
def test_the_fast_spelling_is_that_of_rfc_8785(fact: AnyLeaf) -> None:
    assert leaf.encode(fact) == rfc8785.dumps(msgspec.to_builtins(fact))


def test_every_character_is_spelled_alike() -> None:
    for first in range(0, 0x110000, 0x800):
        text = "".join(chr(c) for c in range(first, first + 0x800) if not 0xD800 <= c < 0xE000)
        fact = leaf.Blob(digest="d", index=0, count=1, text=text)
        assert leaf.encode(fact) == rfc8785.dumps(msgspec.to_builtins(fact))


@pytest.mark.parametrize("keys", [("\U0001f600", "\uffff"), ("é", "z"), ("a", "B", "_"), ("10", "9")])
def test_keys_stand_in_the_order_of_utf_16(keys: tuple[str, ...]) -> None:
    fact = Reading(
        boot=1,
        boottime=1,
        ts=1,
        clock=ClockState.SYNCHRONISED,
        meter="m",
        config=1,
        registers=dict.fromkeys(keys, "1"),
        raw={},
    )
    assert leaf.encode(fact) == rfc8785.dumps(msgspec.to_builtins(fact))
    assert leaf.decode(leaf.encode(fact)) == fact
