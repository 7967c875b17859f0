"""Whether some bytes are the answer to the question asked: Modbus TCP.

Pure and strict, because the library is not: it takes a reply with transaction 0 for any question and does not count
the registers (reproduced with pymodbus 3.16.1). Nothing is skipped in the hope that a better frame follows; one byte
that cannot belong to the answer condemns the connection. Layout: MODBUS Messaging on TCP/IP Implementation Guide
V1.0b, 3.1.3 (MBAP header).
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers import question
from drivers.question import Question, Verdict

#: Bytes of the header, the unit id included.
HEADER = 7


@dataclass(frozen=True, slots=True)
class Asked:
    """One question on the wire; `unit` is the one its answer must carry."""

    transaction: int
    unit: int
    question: Question


def asked(request: bytes) -> Asked | None:
    """The question as it really goes out; None when it is none a line may ask (drivers.question)."""
    what = question.parse(request[HEADER:])
    if what is None or request[2:6] != (len(request) - 6).to_bytes(4, "big"):
        return None
    return Asked(int.from_bytes(request[0:2], "big"), request[6], what)


def judge(about: Asked, data: bytes) -> Verdict:
    """Judge the bytes received since the question was sent. Bytes behind the answer are not looked at."""
    found = _flaw(about, data)
    if found:
        return Verdict(flaw=found)
    size = question.length(about.question, data[HEADER:])
    return Verdict(size=HEADER + size if size and len(data) >= HEADER + size else 0)


def _flaw(about: Asked, data: bytes) -> str:
    """The first field that is wrong."""
    fields = (
        ("transaction", data[0:2], about.transaction.to_bytes(2, "big")),
        ("protocol", data[2:4], b"\0\0"),
        ("unit", data[6:7], bytes([about.unit])),
    )
    for name, found, expected in fields:
        if found != expected[: len(found)]:
            return name
    pdu = data[HEADER:]
    return question.flaw(about.question, pdu) or ("" if _lengths_agree(about.question, data[4:6], pdu) else "length")


def _lengths_agree(about: Question, announced: bytes, pdu: bytes) -> bool:
    """Whether the header announces as many bytes as the PDU has: as far as either is there."""
    size = question.length(about, pdu)
    if len(announced) < 2:
        return not announced or announced == b"\0"
    told = int.from_bytes(announced, "big") - 1
    if size is not None:
        return told == size
    if pdu[:1] == bytes([about.function]):
        return about.fits(told)
    return told == 2 or about.fits(told)
