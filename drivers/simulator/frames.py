"""Modbus TCP frames as the simulator reads and writes them: the strict minimum, read-only, no sockets.

Modbus Application Protocol 1.1b3 and Modbus Messaging on TCP/IP 1.0b. The only functions are 3 and 4: there is no
write to be found here.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mrv.profile import Table

HEADER = 7
ILLEGAL_FUNCTION = 0x01
ILLEGAL_ADDRESS = 0x02
ILLEGAL_VALUE = 0x03
#: The gateway is there, the meter behind it is not.
NO_TARGET = 0x0B
_READS: dict[int, Table] = {3: "h", 4: "i"}
_MOST = 125


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
    """One read request: `count` registers of `table` from `address`."""

    transaction: int
    unit: int
    function: int
    address: int
    count: int

    @property
    def table(self) -> Table:
        return _READS[self.function]


def parse_header(data: bytes) -> Header:
    """The MBAP header of a request. Raises NotModbus for another protocol or an impossible length."""
    transaction, protocol, length, unit = struct.unpack(">HHHB", data)
    if protocol != 0 or not 2 <= length <= 254:
        raise NotModbus
    return Header(transaction=transaction, unit=unit, length=length - 1)


def parse_request(header: Header, pdu: bytes) -> Request:
    """The request in `pdu`. Raises Refusal for a function that is not a read, a wrong length or an impossible count."""
    if pdu[0] not in _READS:
        raise Refusal(ILLEGAL_FUNCTION)
    if len(pdu) != 5:
        raise Refusal(ILLEGAL_VALUE)
    address, count = struct.unpack(">HH", pdu[1:])
    if not 1 <= count <= _MOST:
        raise Refusal(ILLEGAL_VALUE)
    if address + count > 0x10000:
        raise Refusal(ILLEGAL_ADDRESS)
    return Request(transaction=header.transaction, unit=header.unit, function=pdu[0], address=address, count=count)


def reply(request: Request, words: tuple[int, ...]) -> bytes:
    """The frame that answers `request` with `words`."""
    pdu = struct.pack(f">BB{len(words)}H", request.function, 2 * len(words), *words)
    return framed(request.transaction, request.unit, pdu)


def refused(transaction: int, unit: int, function: int, code: int) -> bytes:
    """The exception reply to `function`."""
    return framed(transaction, unit, bytes((function | 0x80, code)))


def framed(transaction: int, unit: int, pdu: bytes) -> bytes:
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu
