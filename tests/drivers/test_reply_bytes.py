"""Is this the answer? Any bytes at all, against an independent reading of the specification, over both framings.

Nothing is accepted that CRC, length, unit or function could have refused; nothing crashes; a whole answer is accepted.
100,000 frames when slow, a sample of them always.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtu_device import Modelled, RtuRequest, Wire, crc
from virtual_time import VirtualLoop

from drivers import mbap, question, rtu
from drivers.errors import MeterError
from drivers.question import DeviceId, Question, Read, ServerId
from drivers.rtu import Timing
from drivers.rtu_line import Manners, RtuBus

UNIT = 7
QUESTIONS: list[Question] = [Read("i", 0x0610, 3), Read("h", 0, 1), Read("h", 40000, 125), ServerId(), DeviceId(1, 0)]


def objects(*found: tuple[int, bytes], code: int = 1, more: int = 0, following: int = 0) -> bytes:
    head = bytes([0x2B, 0x0E, code, 1, more, following, len(found)])
    return head + b"".join(bytes([number, len(text)]) + text for number, text in found)


@st.composite
def replies(draw: st.DrawFn, asked: Question) -> bytes:
    """A whole reply PDU to `asked`: an answer or a refusal."""
    if draw(st.integers(0, 4)) == 0:
        return bytes([asked.function | 0x80, draw(st.integers(0, 255))])
    if isinstance(asked, Read):
        return bytes([asked.function, 2 * asked.count]) + draw(
            st.binary(min_size=2 * asked.count, max_size=2 * asked.count)
        )
    if isinstance(asked, ServerId):
        content = draw(st.binary(min_size=1, max_size=40))
        return bytes([0x11, len(content)]) + content
    entries = draw(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=30)), max_size=4))
    return objects(*entries, more=draw(st.sampled_from([0, 0xFF])), following=draw(st.integers(0, 255)))


@st.composite
def mauled(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes that may come instead of `whole`: flipped, cut, stretched, doubled, or as they were."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(0, 2))):
        kind, at = draw(st.integers(0, 3)), draw(st.integers(0, max(0, min(len(data) - 1, 12))))
        if kind == 0 and data:
            data[at] ^= draw(st.integers(1, 255))
        elif kind == 1:
            del data[draw(st.integers(0, len(data))) :]
        elif kind == 2:
            data[at:at] = draw(st.binary(min_size=1, max_size=4))
        else:
            del data[at : at + draw(st.integers(1, 3))]
    return bytes(data) + draw(st.sampled_from([b"", b"", b"", b"\0", bytes(whole)]))


def length_of(asked: Question, pdu: bytes) -> int | None:
    """How long the specification says a reply beginning like `pdu` is; None if it cannot be a reply to `asked`."""
    if not pdu or pdu[0] not in (asked.function, asked.function | 0x80):
        return None
    if pdu[0] & 0x80:
        return 2
    if isinstance(asked, Read):
        return 2 + pdu[1] if len(pdu) > 1 and pdu[1] == 2 * asked.count else None
    if isinstance(asked, ServerId):
        return 2 + pdu[1] if len(pdu) > 1 and pdu[1] else None
    if pdu[1:3] != bytes([0x0E, asked.code]) or len(pdu) < 7:
        return None
    end = 7
    for _ in range(pdu[6]):
        if len(pdu) < end + 2:
            return None
        end += 2 + pdu[end + 1]
    return end


def rtu_size(asked: Question, data: bytes) -> int:
    """Bytes of the whole answer at the start of `data`; 0 when there is none."""
    length = length_of(asked, data[1:]) if data[:1] == bytes([UNIT]) else None
    if length is None or length > 253 or len(data) < length + 3:
        return 0
    return length + 3 if crc(data[: length + 1]) == data[length + 1 : length + 3] else 0


def tcp_size(asked: Question, data: bytes) -> int:
    if data[:4] != b"\x12\x34\0\0" or data[6:7] != bytes([UNIT]):
        return 0
    length = length_of(asked, data[7:])
    fits = length is not None and length <= 253 and int.from_bytes(data[4:6], "big") == length + 1
    return 7 + length if fits and len(data) >= 7 + length else 0


CASES = st.sampled_from(QUESTIONS).flatmap(
    lambda asked: st.tuples(st.just(asked), st.one_of(replies(asked), st.binary(max_size=60)))
)
RTU_CASES = CASES.flatmap(
    lambda case: st.tuples(st.just(case[0]), st.one_of(mauled(sealed(case[1])), mauled(case[1]).map(sealed)))
)
TCP_CASES = CASES.flatmap(
    lambda case: st.tuples(st.just(case[0]), st.one_of(mauled(headed(case[1])), mauled(case[1]).map(headed)))
)


def sealed(pdu: bytes) -> bytes:
    return bytes([UNIT]) + pdu + crc(bytes([UNIT]) + pdu)


def headed(pdu: bytes) -> bytes:
    return b"\x12\x34\0\0" + (len(pdu) + 1).to_bytes(2, "big") + bytes([UNIT]) + pdu


def decoded(asked: Question, pdu: bytes) -> None:
    """What is accepted can be decoded."""
    if pdu[0] & 0x80:
        return
    if isinstance(asked, Read):
        assert len(question.words(pdu)) == asked.count
    elif isinstance(asked, DeviceId):
        question.objects(pdu)


def rtu_judged(case: tuple[Question, bytes]) -> None:
    asked, data = case
    about = rtu.Asked(UNIT, asked, rtu.frame(UNIT, asked.pdu))
    verdict = rtu.judge(about, data)
    echo = len(about.sent) if data.startswith(about.sent) and not rtu_size(asked, data) else 0
    expected = rtu_size(asked, data[echo:])
    assert verdict.size == (echo + expected if expected else 0)
    assert not (verdict.size and verdict.flaw)
    if expected:
        assert verdict.echo == echo
        decoded(asked, data[echo + 1 : verdict.size - 2])


def tcp_judged(case: tuple[Question, bytes]) -> None:
    asked, data = case
    verdict = mbap.judge(mbap.Asked(0x1234, UNIT, asked), data)
    assert verdict.size == tcp_size(asked, data)
    assert not (verdict.size and verdict.flaw)
    if verdict.size:
        decoded(asked, data[7 : verdict.size])


@settings(max_examples=2000)
@given(RTU_CASES)
def test_nothing_is_accepted_that_could_have_been_refused_rtu(case: tuple[Question, bytes]) -> None:
    rtu_judged(case)


@settings(max_examples=2000)
@given(TCP_CASES)
def test_nothing_is_accepted_that_could_have_been_refused_tcp(case: tuple[Question, bytes]) -> None:
    tcp_judged(case)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("cases", "judged"), [(RTU_CASES, rtu_judged), (TCP_CASES, tcp_judged)], ids=["rtu", "tcp"])
def test_a_hundred_thousand_frames(
    cases: st.SearchStrategy[tuple[Question, bytes]], judged: Callable[[tuple[Question, bytes]], None]
) -> None:
    settings(max_examples=100_000)(given(cases)(judged))()


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda q: f"{q.function:02x}")
@settings(max_examples=200)
@given(st.data())
def test_an_answer_is_complete_only_when_it_is(asked: Question, data: st.DataObject) -> None:
    pdu = data.draw(replies(asked))
    for whole, judge in (
        (sealed(pdu), lambda d: rtu.judge(rtu.Asked(UNIT, asked, rtu.frame(UNIT, asked.pdu)), d)),
        (headed(pdu), lambda d: mbap.judge(mbap.Asked(0x1234, UNIT, asked), d)),
    ):
        for end in range(len(whole)):
            found = judge(whole[:end])
            assert (found.size, found.flaw) == (0, "")
        assert judge(whole).size == len(whole)


@settings(max_examples=300)
@given(RTU_CASES, st.integers(1, 20))
def test_over_a_line_it_is_the_words_or_our_error(case: tuple[Question, bytes], piece: int) -> None:
    """The same bytes through the whole line, in pieces of any size."""
    asked, data = case

    async def script(_: Wire, request: RtuRequest) -> None:
        for start in range(0, len(data), piece):
            await request.send(data[start : start + piece])
            await asyncio.sleep(0.0001)

    async def ask() -> bytes | None:
        device = Modelled(script)
        bus = RtuBus("line", device.open, Manners(timing=Timing(baud=115200), late=20), timeout=50, retries=0)
        try:
            return await bus._reply(UNIT, asked)
        except MeterError:
            return None
        finally:
            await bus.close()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        reply = runner.run(ask())
    sent = rtu.frame(UNIT, asked.pdu)
    echo = len(sent) if data.startswith(sent) else 0
    size = rtu_size(asked, data) or rtu_size(asked, data[echo:])
    start = 0 if rtu_size(asked, data) else echo
    whole = data[start : start + size]
    assert reply == (whole[1:-2] if size and not whole[1] & 0x80 else None)
