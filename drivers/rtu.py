"""Whether some bytes are the answer to the question asked: Modbus RTU, and how long a serial line takes for them.

Pure and strict, like `drivers.mbap`: the library takes a late reply for any question of the same unit, and a serial
line has no transaction numbers. A reply is believed when unit, function and byte count are those of the question,
it has exactly as many bytes as they say, and its CRC is right. Some adapters hear themselves: then the question comes
back before the answer, and exactly the question is taken off. (A question never passes for its own answer: it is 4, 6
or 8 bytes long where the answer would be 5 or more, and odd for registers.)

Source: MODBUS over Serial Line V1.02, 2.5.1 (frames, silence of 3.5 characters, 1.75 ms above 19200 baud) and
appendix B (CRC).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from drivers import question
from drivers.question import Question, Verdict

#: Bytes of the shortest and of the longest frame.
SHORTEST, LONGEST = 4, 256
#: Above this speed the silence between frames is fixed.
_FAST, _FAST_SILENCE = 19200, 1.75


def _table() -> tuple[int, ...]:
    found = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        found.append(crc)
    return tuple(found)


_CRC = _table()


def crc(data: bytes) -> bytes:
    """The two bytes that end a frame of `data`."""
    found = 0xFFFF
    for byte in data:
        found = found >> 8 ^ _CRC[(found ^ byte) & 0xFF]
    return found.to_bytes(2, "little")


def frame(unit: int, pdu: bytes) -> bytes:
    """`pdu` to or from `unit` as it goes over the line."""
    body = bytes([unit]) + pdu
    return body + crc(body)


def intact(data: bytes) -> bool:
    """Whether `data` can be one whole frame: its length and its CRC."""
    return SHORTEST <= len(data) <= LONGEST and crc(data[:-2]) == data[-2:]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question on the line; `unit` is the one its answer must carry, `sent` the frame that went out."""

    unit: int
    question: Question
    sent: bytes


@dataclass(frozen=True, slots=True)
class Heard(Verdict):
    """A verdict on bytes of which the first `echo` are our own."""

    echo: int = 0


def judge(about: Asked, data: bytes) -> Heard:
    """Judge the bytes received since the question was sent. Bytes behind the answer are not looked at."""
    plain = _judge(about, data)
    if plain.size or not data or not about.sent.startswith(data[: len(about.sent)]):
        return Heard(plain.size, plain.flaw)
    echo = len(about.sent)
    behind = _judge(about, data[echo:])
    if behind.size:
        return Heard(echo + behind.size, echo=echo)
    return Heard(flaw=behind.flaw if plain.flaw else "")


def _judge(about: Asked, data: bytes) -> Verdict:
    if data[:1] not in (b"", bytes([about.unit])):
        return Verdict(flaw="unit")
    pdu = data[1:]
    found = question.flaw(about.question, pdu)
    size = question.length(about.question, pdu)
    if found or size is None or len(data) < size + 3:
        return Verdict(flaw=found)
    return Verdict(size=size + 3) if crc(data[: size + 1]) == data[size + 1 : size + 3] else Verdict(flaw="crc")


def frames(data: bytes) -> Iterator[bytes]:
    """The whole frames in `data`, from the left; bytes that are part of none are left out.

    For listening, where nobody knows the question: the shortest stretch with a right CRC is taken, once in 65,536 by
    chance.
    """
    at = 0
    while at + SHORTEST <= len(data):
        ends = range(at + SHORTEST, min(len(data), at + LONGEST) + 1)
        end = next((end for end in ends if intact(data[at:end])), None)
        if end is not None:
            yield data[at:end]
        at = end if end is not None else at + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The speed of a serial line. Times in ms."""

    baud: int
    parity: str = "N"
    stop: int = 1

    @property
    def character(self) -> float:
        """One byte: start bit, 8 data bits, parity, stop bits."""
        return 1000 * (9 + (self.parity != "N") + self.stop) / self.baud

    def wire(self, count: int) -> float:
        """`count` bytes."""
        return count * self.character

    @property
    def silence(self) -> float:
        """What must lie between two frames."""
        return _FAST_SILENCE if self.baud > _FAST else 3.5 * self.character
