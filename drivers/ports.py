"""What this machine has of serial ports, for `drivers.port_advice`: udev's links and its database, /proc, permissions.

Only looks: nothing is opened, so nothing on a line notices. Everything is taken below ROOT; what cannot be read is left
out (another user's open files, a machine without udev), for this is advice and never a reason to fail.
"""

from __future__ import annotations

import grp
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from drivers import lease, port_advice
from drivers.port_advice import TAKERS, Adapter, Better, Machine, Port
from drivers.wiring import RtuLine
from mrv.errors import Fault, fault

#: Where the file system begins; tests have one of their own.
ROOT = Path("/")
_LINKS = "/dev/serial"
_IGNORED = ("ID_MM_DEVICE_IGNORE", "ID_MM_PORT_IGNORE")


def machine() -> Machine:
    """The adapters that are plugged in, and the programs that take ports."""
    by_id, by_path = _links("by-id"), _links("by-path")
    devices = sorted({*by_id, *by_path})
    running = frozenset(name for _, name in _processes() if name in TAKERS)
    return Machine(adapters=tuple(_adapter(one, by_id, by_path) for one in devices), running=running)


def port(name: str, ours: frozenset[int] = frozenset()) -> Port:
    """The port called `name`. `ours`: processes whose hold on it is as it should be; this one always is."""
    device = _leads_to(name)
    place = _below(device)
    if not device or not place.exists():
        return Port(name=name)
    return Port(
        name=name,
        device=device,
        allowed=os.access(place, os.R_OK | os.W_OK),
        group=_group(place),
        holders=tuple(sorted(_holders(device, ours | {os.getpid()}))),
    )


def advice(line: RtuLine) -> tuple[Fault, ...]:
    """What to know before relying on the port of this line."""
    return port_advice.findings(port(line.port, lease.holders(line)), machine())


def shared(lines: Iterable[RtuLine]) -> Iterator[tuple[RtuLine, Fault]]:
    """The last of lines whose ports are one device under several names, and what to say of them."""
    found: dict[str, list[RtuLine]] = {}
    for line in lines:
        found.setdefault(_leads_to(line.port) or line.port, []).append(line)
    for many in found.values():
        if len(many) > 1:
            yield many[-1], fault("meter.port_shared", many[-1].port, lines=", ".join(line.id for line in many))


def better(line: RtuLine) -> Better | None:
    """The name of its port that had better be written down."""
    return port_advice.better(port(line.port), machine())


def _below(name: str) -> Path:
    return ROOT / name.lstrip("/")


def _leads_to(name: str) -> str:
    """The name without links, as seen from ROOT."""
    end = os.path.realpath(_below(name))
    root = os.path.realpath(ROOT).rstrip("/")
    return end.removeprefix(root) if end.startswith(f"{root}/") else ""


def _links(kind: str) -> dict[str, tuple[str, ...]]:
    """Device -> its names below /dev/serial/<kind>, the plainest first."""
    found: dict[str, tuple[str, ...]] = {}
    with suppress(OSError):
        entries = (entry.name for entry in _below(f"{_LINKS}/{kind}").iterdir())
        for entry in sorted(entries, key=lambda name: (len(name), name)):
            name = f"{_LINKS}/{kind}/{entry}"
            device = _leads_to(name)
            found[device] = (*found.get(device, ()), name)
    return found


def _adapter(device: str, by_id: dict[str, tuple[str, ...]], by_path: dict[str, tuple[str, ...]]) -> Adapter:
    known = _udev(device)
    return Adapter(
        device=device,
        by_id=by_id.get(device, ()),
        by_path=by_path.get(device, ()),
        model=known.get("ID_SERIAL", ""),
        serial=known.get("ID_SERIAL_SHORT", "") if "ID_SERIAL" in known else None,
        left_alone=any(known.get(name) == "1" for name in _IGNORED),
    )


def _udev(device: str) -> dict[str, str]:
    """What udev keeps of a device: the properties its rules gave it."""
    try:
        number = _below(f"/sys/class/tty/{Path(device).name}/dev").read_text().strip()
        lines = _below(f"/run/udev/data/c{number}").read_text(errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.removeprefix("E:").partition("=") for line in lines if line.startswith("E:"))
    return {name: value for name, _, value in pairs}


def _processes() -> Iterator[tuple[int, str]]:
    """Process number and name of everything that runs."""
    with suppress(OSError):
        for entry in _below("/proc").iterdir():
            if entry.name.isdecimal():
                with suppress(OSError):
                    yield int(entry.name), (entry / "comm").read_text(errors="replace").strip()


def _holders(device: str, ours: frozenset[int]) -> Iterator[tuple[str, int]]:
    """Who has the device open, as far as this user may see it."""
    for process, name in _processes():
        if process not in ours and device in _open_files(process):
            yield name, process


def _open_files(process: int) -> Iterator[str]:
    with suppress(OSError):
        for entry in _below(f"/proc/{process}/fd").iterdir():
            with suppress(OSError):
                yield str(entry.readlink())


def _group(place: Path) -> str:
    try:
        number = place.stat().st_gid
        return grp.getgrgid(number).gr_name
    except OSError:
        return ""
    except KeyError:
        return str(number)
