"""Is this the answer? Every field, every prefix, every flaw, against an independent reading of the frame."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.mbap import Asked, asked, judge
from drivers.question import Read

QUESTION = Asked(transaction=0x1234, unit=7, question=Read("i", 0x10, 3))
ANSWER = bytes.fromhex("1234 0000 0009 07 04 06 0001 0002 0003")
REFUSAL = bytes.fromhex("1234 0000 0003 07 84 02")


@pytest.mark.parametrize("whole", [ANSWER, REFUSAL])
def test_an_answer_is_complete_only_when_it_is(whole: bytes) -> None:
    for end in range(len(whole)):
        assert judge(QUESTION, whole[:end]) == judge(QUESTION, b"")
    assert judge(QUESTION, whole).size == len(whole)
    assert judge(QUESTION, whole + whole).size == len(whole)


@pytest.mark.parametrize(
    ("frame", "flaw"),
    [
        ("0000 0000 0009 07 04 06 0001 0002 0003", "transaction"),
        ("1233 0000 0009 07 04 06 0001 0002 0003", "transaction"),
        ("1234 0001 0009 07 04 06 0001 0002 0003", "protocol"),
        ("1234 0000 0009 08 04 06 0001 0002 0003", "unit"),
        ("1234 0000 0009 07 03 06 0001 0002 0003", "function"),
        ("1234 0000 0003 07 83 02", "function"),
        ("1234 0000 0007 07 04 04 0001 0002", "length"),
        ("1234 0000 0009 07 04 04 0001 0002 0003", "length"),
        ("1234 0000 000b 07 04 08 0001 0002 0003 0004", "length"),
        ("1234 0000 0004 07 84 02 00", "length"),
        ("1234 0000 0009 07 84 02", "length"),
        ("1234 0000 0003 07 04 06", "length"),
        ("4745 5420 2f20 4854 5450", "transaction"),
    ],
)
def test_the_first_wrong_field_is_named(frame: str, flaw: str) -> None:
    verdict = judge(QUESTION, bytes.fromhex(frame))
    assert (verdict.size, verdict.flaw) == (0, flaw)


def test_the_question_is_read_off_the_wire() -> None:
    assert asked(bytes.fromhex("1234 0000 0006 07 04 0010 0003")) == QUESTION


def acceptable(question: Asked, data: bytes) -> bool:
    """What the specification says of a whole answer, field by field."""
    if len(data) < 9 or data[:4] != question.transaction.to_bytes(2, "big") + b"\0\0" or data[6] != question.unit:
        return False
    length = int.from_bytes(data[4:6], "big")
    if data[7] == question.question.function | 0x80:
        return length == 3
    exact = 2 * question.question.count
    return data[7] == question.question.function and data[8] == exact and length == 3 + exact and len(data) >= 9 + exact


@settings(max_examples=2000)
@given(
    st.one_of(
        st.binary(max_size=20),
        st.tuples(st.sampled_from([ANSWER, REFUSAL]), st.integers(0, 14), st.binary(max_size=3)).map(
            lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + len(t[2]) :]
        ),
    )
)
def test_nothing_is_accepted_that_the_specification_refuses(data: bytes) -> None:
    verdict = judge(QUESTION, data)
    assert bool(verdict.size) == acceptable(QUESTION, data)
    assert not (verdict.size and verdict.flaw)
    if not verdict.size and not verdict.flaw:
        assert any(whole[: len(data)] == data[: len(whole)] for whole in _completions(data))


def _completions(data: bytes) -> list[bytes]:
    """The answers that may still come of `data`: only their register words and exception code are free."""
    return [ANSWER[:9] + data[9:], REFUSAL[:8] + data[8:]]
