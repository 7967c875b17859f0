"""What becomes of a request on a line: which meter hears it, what it says, and what of that reaches the wire.

One line is one wire with meters on it, whatever leads to it: the servers (`server`, `pty`) only carry bytes. Unit ids
nobody has are silence on a serial line and exception 0x0B behind a Modbus TCP gateway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from drivers.simulator import frames
from drivers.simulator.faults import Fault, Faults, Honest, Send
from drivers.simulator.frames import Refusal, Reply, Request
from mrv.profile import Table


class Unit(Protocol):
    """A meter on a line."""

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        """`count` words, all of one instant. Raises frames.Refusal for an exception reply."""


@runtime_checkable
class Named(Protocol):
    """A meter that also says who it is; one that does not refuses to (exception 1)."""

    def server_id(self) -> bytes:
        """The content of its answer to function 0x11; empty if it has none."""

    def device_id(self) -> Mapping[int, bytes]:
        """Its identification objects; empty if it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tty:
    """How the other end has set its serial port, as far as a pseudo terminal can tell: it knows no even parity."""

    baud: int
    odd: bool = False
    stop: int = 1


class Line(Protocol):
    """What a server needs of the line behind it."""

    #: The adapter gives back what is sent through it.
    echoing: bool

    def hear(self, request: Request, tty: Tty | None = None) -> tuple[Send, ...]:
        """What `request` brings onto the wire, heard with the port set to `tty` (None: the right way)."""

    def refuse(self, transaction: int | None, unit: int, function: int, code: int) -> tuple[Send, ...]:
        """The same for a request that is none: the exception `code` of a unit that is here."""


class Units:
    """A line of honest wires: each unit id is one meter, and `faults` are what the test asked for."""

    echoing = False

    def __init__(self, units: Mapping[int, Unit], faults: Faults | None = None) -> None:
        self._units = units
        self._faults = faults or Honest()

    def hear(self, request: Request, tty: Tty | None = None) -> tuple[Send, ...]:  # noqa: ARG002 - any setting will do
        if request.unit not in self._units:
            return nobody(request.transaction, request.unit, request.function)
        return answer(self._units[request.unit], request, self._faults.meet(request.unit))

    def refuse(self, transaction: int | None, unit: int, function: int, code: int) -> tuple[Send, ...]:
        if unit not in self._units:
            return nobody(transaction, unit, function)
        return said(transaction, unit, frames.refused(function, code))


def answer(unit: Unit, request: Request, fault: Fault) -> tuple[Send, ...]:
    """What `unit` puts on the wire for `request` when it meets `fault`."""
    try:
        pdu = _content(unit, request, fault)
    except Refusal as refusal:
        pdu = frames.refused(request.function, refusal.code)
    reply = fault.reply(request, Reply(transaction=request.transaction, unit=request.unit, pdu=pdu))
    return fault.sends(request, (Send(data=reply.frame),))


def _content(unit: Unit, request: Request, fault: Fault) -> bytes:
    if request.reads:
        words = unit.read(request.table, request.address, request.count)
        return frames.registers(request.function, fault.words(request, words))
    fault.words(request, ())
    if not isinstance(unit, Named):
        raise Refusal(frames.ILLEGAL_FUNCTION)
    if request.function == frames.SERVER_ID and (content := unit.server_id()):
        return frames.server_id(content)
    if request.function == frames.DEVICE_ID and (objects := unit.device_id()):
        return frames.device_id(request, objects)
    raise Refusal(frames.ILLEGAL_FUNCTION)


def nobody(transaction: int | None, unit: int, function: int) -> tuple[Send, ...]:
    """What is heard where no meter has this id."""
    if transaction is None:
        return ()
    return said(transaction, unit, frames.refused(function, frames.NO_TARGET))


def said(transaction: int | None, unit: int, pdu: bytes) -> tuple[Send, ...]:
    return (Send(data=Reply(transaction=transaction, unit=unit, pdu=pdu).frame),)
