"""What may be asked of a device, and whether some bytes can be the reply: the Modbus PDU, whatever it travels in.

There are four questions and no other: read holding registers (0x03), read input registers (0x04), report server id
(0x11) and read device identification (0x2B / 0x0E). Nothing here can express a write, and a line sends nothing that
is not one of these (`parse`). Pure and strict: a reply is judged byte by byte against its question, so the framings
(`drivers.mbap`, `drivers.rtu`) only add what is theirs.

Source: MODBUS Application Protocol V1.1b3, 6.3, 6.4, 6.13, 6.21 and 7.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mrv.profile import Table

READ_HOLDING, READ_INPUT, SERVER_ID, DEVICE_ID = 0x03, 0x04, 0x11, 0x2B
#: All a line can send.
FUNCTIONS = frozenset((READ_HOLDING, READ_INPUT, SERVER_ID, DEVICE_ID))
#: Set in the function code of a refusal.
EXCEPTION = 0x80
#: Bytes of the longest PDU.
LONGEST = 253
_MEI = 0x0E
_TABLES: dict[int, Table] = {READ_HOLDING: "h", READ_INPUT: "i"}


@dataclass(frozen=True, slots=True)
class Read:
    """`count` registers (1 to 125) of `table` from wire address `address`."""

    table: Table
    address: int
    count: int

    @property
    def function(self) -> int:
        return READ_HOLDING if self.table == "h" else READ_INPUT

    @property
    def pdu(self) -> bytes:
        return struct.pack(">BHH", self.function, self.address, self.count)

    def length(self, _: bytes) -> int | None:
        return 2 + 2 * self.count

    def flaw(self, data: bytes) -> str:
        return "length" if data[1:2] not in (b"", bytes([2 * self.count])) else ""

    def fits(self, length: int) -> bool:
        return length == 2 + 2 * self.count


@dataclass(frozen=True, slots=True)
class ServerId:
    """Who are you? The reply is the maker's own business."""

    function = SERVER_ID
    pdu = bytes([SERVER_ID])

    def length(self, data: bytes) -> int | None:
        return 2 + data[1] if len(data) > 1 else None

    def flaw(self, data: bytes) -> str:
        return "length" if data[1:2] and not self.fits(2 + data[1]) else ""

    def fits(self, length: int) -> bool:
        return 3 <= length <= LONGEST


@dataclass(frozen=True, slots=True)
class DeviceId:
    """Identification objects: the basic ones from `first` on (`code` 1), or the one object `first` alone (`code` 4)."""

    code: int
    first: int

    function = DEVICE_ID

    @property
    def pdu(self) -> bytes:
        return bytes([DEVICE_ID, _MEI, self.code, self.first])

    def length(self, data: bytes) -> int | None:
        """Known once the head of the last object has come."""
        if len(data) < 7:
            return None
        end = 7
        for _ in range(data[6]):
            if len(data) < end + 2:
                return None
            end += 2 + data[end + 1]
        return end

    def flaw(self, data: bytes) -> str:
        told = bytes([_MEI, self.code])
        if data[1:3] != told[: len(data[1:3])]:
            return "function"
        return "length" if (self.length(data) or len(data)) > LONGEST else ""

    def fits(self, length: int) -> bool:
        return 7 <= length <= LONGEST


Question = Read | ServerId | DeviceId


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the bytes so far are: an answer of `size` bytes, wrong because of `flaw`, or (neither) not yet complete."""

    size: int = 0
    flaw: str = ""


def parse(pdu: bytes) -> Question | None:
    """The question a request PDU asks; None when it is none of the four."""
    if len(pdu) == 5 and pdu[0] in _TABLES:
        _, address, count = struct.unpack(">BHH", pdu)
        return Read(_TABLES[pdu[0]], address, count)
    if pdu == ServerId.pdu:
        return ServerId()
    if len(pdu) == 4 and pdu[:2] == bytes([DEVICE_ID, _MEI]):
        return DeviceId(pdu[2], pdu[3])
    return None


def length(question: Question, data: bytes) -> int | None:
    """Bytes of the whole reply of which `data` are the first; None while they do not tell."""
    if not data:
        return None
    return 2 if data[0] == question.function | EXCEPTION else question.length(data)


def flaw(question: Question, data: bytes) -> str:
    """The first field of the reply that is wrong already; empty while it may still become the reply."""
    if not data or data[0] == question.function | EXCEPTION:
        return ""
    return "function" if data[0] != question.function else question.flaw(data)


def words(pdu: bytes) -> tuple[int, ...]:
    """The registers in a whole reply to Read."""
    return struct.unpack(f">{pdu[1] // 2}H", pdu[2 : 2 + pdu[1]])


def objects(pdu: bytes) -> tuple[dict[int, bytes], int | None]:
    """The objects in a whole reply to DeviceId, and from which one to ask on when more follow."""
    found, at = {}, 7
    for _ in range(pdu[6]):
        number, size = pdu[at], pdu[at + 1]
        found[number] = pdu[at + 2 : at + 2 + size]
        at += 2 + size
    return found, pdu[5] if pdu[4] else None
