"""What to say of a serial port before it is relied on: a name that stays, and who takes the port away.

Pure: what `drivers.ports` saw of the machine goes in, faults come out. A kernel name (/dev/ttyUSB0) is dealt out anew
whenever something is plugged in. udev's by-id link stays with the adapter, as long as the adapter has a serial number:
CH340 adapters have none, so all of them claim one link and the last one plugged in gets it. Then only the by-path link
is certain, which stays with the USB socket.

Two programs take every new port for something else: ModemManager talks to it as to a modem, brltty takes it away as a
braille display.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mrv.errors import Fault, fault

MODEM_MANAGER, BRLTTY = "ModemManager", "brltty"
#: Programs that take ports, by the name of their process.
TAKERS = frozenset((MODEM_MANAGER, BRLTTY))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """A serial port udev has named. `model`: its maker, model and serial number as in its by-id name."""

    device: str
    by_id: tuple[str, ...] = ()
    by_path: tuple[str, ...] = ()
    model: str = ""
    #: "" for an adapter without one, None where udev does not tell.
    serial: str | None = None
    #: ModemManager was told not to touch it.
    left_alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """All adapters that are plugged in, and which of TAKERS run."""

    adapters: tuple[Adapter, ...] = ()
    running: frozenset[str] = frozenset()

    def adapter(self, device: str) -> Adapter | None:
        return next((one for one in self.adapters if one.device == device), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """A port as somebody named it. `device`: what the name leads to, "" for nothing. `holders`: (program, process)."""

    name: str
    device: str = ""
    #: This user may read and write it; else `group` is the one to join.
    allowed: bool = True
    group: str = ""
    holders: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Better:
    """Another name for the same port, and why."""

    name: str
    why: Fault


def better(port: Port, machine: Machine) -> Better | None:
    """The name to write down instead; None where the one given is as good as any."""
    adapter = machine.adapter(port.device)
    if adapter is None or port.name in adapter.by_path or port.name not in (port.device, *adapter.by_id):
        return None  # a name of the machine's owner (a link of his own) is his affair
    code, params = _doubtful(adapter, machine)
    names = adapter.by_path if code else (adapter.by_id or adapter.by_path)
    if not names or port.name in names:
        return None
    return Better(names[0], fault(code or "meter.port_renumbered", port.name, better=names[0], **params))


def _doubtful(adapter: Adapter, machine: Machine) -> tuple[str, dict[str, object]]:
    """Why the by-id link of this adapter is not certain to lead to it: a code with parameters, or ""."""
    twins = [one for one in machine.adapters if adapter.model and one.model == adapter.model]
    devices = {one.device for one in twins}
    if len(devices) > 1 and not _one_device_many_ports(twins):
        return "meter.port_twins", {"count": len(devices), "model": adapter.model}
    return ("meter.port_no_serial", {"model": adapter.model}) if adapter.serial == "" else ("", {})


def _one_device_many_ports(twins: Sequence[Adapter]) -> bool:
    """An adapter with several ports has a by-id link for each of them."""
    return all(one.by_id for one in twins)


def findings(port: Port, machine: Machine) -> tuple[Fault, ...]:
    """Everything to know before relying on the port, most urgent first."""
    found = better(port, machine)
    return (*_absent(port, machine), *_forbidden(port), *_taken(port, machine), *((found.why,) if found else ()))


def _absent(port: Port, machine: Machine) -> Iterator[Fault]:
    if port.device:
        return
    names = [found.name if (found := better(_plain(one), machine)) else one.device for one in machine.adapters]
    yield fault("meter.port_absent", port.name, known=", ".join(names) or "-")
    if BRLTTY in machine.running:
        yield fault("meter.port_brltty", port.name)


def _plain(adapter: Adapter) -> Port:
    return Port(name=adapter.device, device=adapter.device)


def _forbidden(port: Port) -> Iterator[Fault]:
    if port.device and not port.allowed:
        yield fault("meter.port_group", port.name, group=port.group or "root")


def _taken(port: Port, machine: Machine) -> Iterator[Fault]:
    """Who has the port open, and who will take it the next time it is plugged in."""
    known = {MODEM_MANAGER: "meter.port_modem_manager", BRLTTY: "meter.port_brltty"}
    for program, process in port.holders:
        if program not in known:
            yield fault("meter.port_held", port.name, program=program, pid=process)
    holding = {program for program, _ in port.holders}
    adapter = machine.adapter(port.device)
    for program in sorted(TAKERS):
        waits = program in machine.running and adapter is not None and not adapter.left_alone
        if program in holding or waits:
            yield fault(known[program], port.name)
