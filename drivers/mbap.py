"""Whether some bytes are the answer to the question asked: Modbus TCP, reading registers.

Pure and strict, because the library is not: it takes a reply with transaction 0 for any question and does not count
the registers (reproduced with pymodbus 3.16.1). Nothing is skipped in the hope that a better frame follows; one byte
that cannot belong to the answer condemns the connection. Layout: MODBUS Messaging on TCP/IP Implementation Guide
V1.0b, 3.1.3 (MBAP header) and MODBUS Application Protocol V1.1b3, 6.3, 6.4 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass

_EXCEPTION = 0x80


@dataclass(frozen=True, slots=True)
class Question:
    """One request on the wire."""

    transaction: int
    unit: int
    function: int
    count: int

    @property
    def size(self) -> int:
        """Bytes of the full answer."""
        return 9 + 2 * self.count


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bytes so far are: an answer of `size` bytes, wrong because of `flaw`, or (neither) not yet complete."""

    size: int = 0
    flaw: str = ""


def asked(request: bytes) -> Question:
    """The question as it really went out: a request to read registers (functions 3 and 4)."""
    return Question(
        transaction=int.from_bytes(request[0:2], "big"),
        unit=request[6],
        function=request[7],
        count=int.from_bytes(request[10:12], "big"),
    )


def judge(question: Question, data: bytes) -> Verdict:
    """Judge the bytes received since the question was sent. Bytes behind the answer are not looked at."""
    answer = _header(question.transaction, 3 + 2 * question.count, question.unit, question.function)
    answer += bytes([2 * question.count])
    refusal = _header(question.transaction, 3, question.unit, question.function | _EXCEPTION)
    for expected, size in ((answer, question.size), (refusal, 9)):
        if data[: len(expected)] == expected[: len(data)]:
            return Verdict(size=size if len(data) >= size else 0)
    return Verdict(flaw=_flaw(question, data))


def _header(transaction: int, length: int, unit: int, function: int) -> bytes:
    return transaction.to_bytes(2, "big") + b"\0\0" + length.to_bytes(2, "big") + bytes([unit, function])


def _flaw(question: Question, data: bytes) -> str:
    """The first field that is wrong, for the message: never used to decide."""
    fields = (
        ("transaction", data[0:2], question.transaction.to_bytes(2, "big")),
        ("protocol", data[2:4], b"\0\0"),
        ("unit", data[6:7], bytes([question.unit])),
    )
    for name, found, expected in fields:
        if found != expected[: len(found)]:
            return name
    if data[7:8] and data[7] & ~_EXCEPTION != question.function:
        return "function"
    return "length"
