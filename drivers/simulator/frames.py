"""Modbus as the simulator reads and writes it: requests and replies, in TCP frames or RTU frames; no sockets.

Modbus Application Protocol 1.1b3, Modbus Messaging on TCP/IP 1.0b, Modbus over Serial Line 1.02. The only functions are
0x03, 0x04, 0x11 and 0x2B/0x0E: there is no write to be found here, and a device that is asked for one refuses.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from mrv.profile import Table

HEADER = 7
SERVER_ID, DEVICE_ID, MEI = 0x11, 0x2B, 0x0E
ILLEGAL_FUNCTION = 0x01
ILLEGAL_ADDRESS = 0x02
ILLEGAL_VALUE = 0x03
#: The gateway is there, the meter behind it is not.
NO_TARGET = 0x0B
_READS: dict[int, Table] = {3: "h", 4: "i"}
_MOST = 125
#: The objects of basic and regular device identification (6.21); a single one is asked for with access 4.
_BASIC, _REGULAR, _ALL, _ONE = 1, 2, 3, 4
_HIGHEST_OBJECT = {_BASIC: 0x02, _REGULAR: 0x06, _ALL: 0xFF}
_PDU_MOST = 253


class Refusal(Exception):
    """The device answers with the exception code `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class NotModbus(Exception):
    """The bytes cannot be a request: the connection is worth nothing any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """MBAP header; `length` counts the bytes that follow it (the PDU without the unit id)."""

    transaction: int
    unit: int
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question. `transaction` is absent on a serial line.

    Functions 3 and 4 ask for `count` registers of `table` from `address`; function 0x2B for the identification objects
    from `object` on that `access` covers.
    """

    transaction: int | None
    unit: int
    function: int
    address: int = 0
    count: int = 0
    access: int = 0
    object: int = 0

    @property
    def reads(self) -> bool:
        """Whether registers are asked for."""
        return self.function in _READS

    @property
    def table(self) -> Table:
        return _READS[self.function]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a device says; it has the form of the line it was asked on."""

    transaction: int | None
    unit: int
    pdu: bytes

    @property
    def frame(self) -> bytes:
        if self.transaction is None:
            return sealed(bytes((self.unit,)) + self.pdu)
        return framed(self.transaction, self.unit, self.pdu)


def parse_header(data: bytes) -> Header:
    """The MBAP header of a request. Raises NotModbus for another protocol or an impossible length."""
    transaction, protocol, length, unit = struct.unpack(">HHHB", data)
    if protocol != 0 or not 2 <= length <= 254:
        raise NotModbus
    return Header(transaction=transaction, unit=unit, length=length - 1)


def parse(transaction: int | None, unit: int, pdu: bytes) -> Request:
    """The request in `pdu`. Raises Refusal for a function that is not a read, a wrong length, an impossible count."""
    function = pdu[0]
    if function == SERVER_ID:
        return Request(transaction=transaction, unit=unit, function=function)
    if function == DEVICE_ID:
        return _device_id_request(transaction, unit, pdu)
    if function not in _READS:
        raise Refusal(ILLEGAL_FUNCTION)
    if len(pdu) != 5:
        raise Refusal(ILLEGAL_VALUE)
    address, count = struct.unpack(">HH", pdu[1:])
    if not 1 <= count <= _MOST:
        raise Refusal(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise Refusal(ILLEGAL_ADDRESS)
    return Request(transaction=transaction, unit=unit, function=function, address=address, count=count)


def _device_id_request(transaction: int | None, unit: int, pdu: bytes) -> Request:
    if len(pdu) != 4 or pdu[1] != MEI:
        raise Refusal(ILLEGAL_FUNCTION)
    if pdu[2] not in (*_HIGHEST_OBJECT, _ONE):
        raise Refusal(ILLEGAL_VALUE)
    return Request(transaction=transaction, unit=unit, function=pdu[0], access=pdu[2], object=pdu[3])


def registers(function: int, words: tuple[int, ...]) -> bytes:
    """The PDU that answers a read with `words`."""
    return struct.pack(f">BB{len(words)}H", function, 2 * len(words), *words)


def server_id(content: bytes) -> bytes:
    """The PDU that answers function 0x11."""
    return bytes((SERVER_ID, len(content))) + content


def device_id(request: Request, objects: Mapping[int, bytes]) -> bytes:
    """The PDU that answers function 0x2B/0x0E, with as many objects as fit. Raises Refusal for one it does not have."""
    if request.access == _ONE:
        wanted = [request.object]
        if request.object not in objects:
            raise Refusal(ILLEGAL_ADDRESS)
    else:
        wanted = [n for n in sorted(objects) if request.object <= n <= _HIGHEST_OBJECT[request.access]]
    body, listed, following = b"", 0, 0
    for number in wanted:
        entry = bytes((number, len(objects[number]))) + objects[number]
        if len(body) + len(entry) > _PDU_MOST - 7:
            following = number
            break
        body, listed = body + entry, listed + 1
    more = 0xFF if following else 0
    return bytes((DEVICE_ID, MEI, request.access, 0x80 | _REGULAR, more, following, listed)) + body


def refused(function: int, code: int) -> bytes:
    """The PDU of the exception reply to `function`."""
    return bytes((function & 0x7F | 0x80, code))


def framed(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def sealed(frame: bytes) -> bytes:
    """An RTU frame with its CRC, low byte first (Modbus over Serial Line 1.02, 6.2.2)."""
    return frame + crc(frame).to_bytes(2, "little")


def crc(data: bytes) -> int:
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value
