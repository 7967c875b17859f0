"""Which line a command means: a port, an address on the network, or a line of `site.yaml` by its id.

mrv-meter scan /dev/ttyUSB0              a serial port of this machine
mrv-meter scan 192.168.1.20              Modbus TCP, port 502
mrv-meter scan 192.168.1.20:4001 --rtu-over-tcp
mrv-meter scan roof --dir /etc/mrv-agent the line `roof` of that site
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from drivers import lease, site_edit
from drivers.commands.common import site_folder
from drivers.scan_plan import Setting, Speed
from drivers.wiring import Line, RtuLine, RtuOverTcpLine, TcpLine
from mrv.errors import BadInput, fault

SITE_FILE = "site.yaml"
#: The name of a line that is not in site.yaml (yet).
UNNAMED = "line"


@dataclass(frozen=True, slots=True)
class Where:
    """A line, whether its speed is known, and whether `site.yaml` has it already."""

    line: Line
    speed_known: bool
    in_site: bool

    @property
    def pseudo(self) -> bool:
        """A pseudo terminal (socat, a remote port, the simulator): it passes characters on and knows no parity."""
        return isinstance(self.line, RtuLine) and str(Path(self.line.port).resolve()).startswith("/dev/pts/")

    def settings(self, likely: Iterable[Setting]) -> tuple[Setting, ...]:
        """Those of the factory settings that differ on this line."""
        if not self.pseudo:
            return tuple(likely)
        plain = (replace(one, speed=replace(one.speed, parity="N") if one.speed else None) for one in likely)
        return tuple(dict.fromkeys(plain))

    @property
    def serial(self) -> bool:
        return not isinstance(self.line, TcpLine)

    def at(self, speed: Speed | None, **changes: Any) -> Line:
        """The line at this speed, with further changes."""
        if speed is not None and not isinstance(self.line, TcpLine):
            changes |= {"baud": speed.baud, "parity": speed.parity, "stop": speed.stop}
        return msgspec.structs.replace(self.line, **changes)

    @property
    def speed(self) -> Speed | None:
        """The speed it has, where that means something."""
        if isinstance(self.line, TcpLine) or not self.speed_known:
            return None
        return Speed(self.line.baud, self.line.parity, self.line.stop)


def add(parser: Any, *, optional: bool = False) -> None:
    """The arguments that say where."""
    what = "serial port, HOST[:PORT], or id of a line in site.yaml"
    parser.add_argument("line", metavar="LINE", nargs="?" if optional else None, help=what)
    parser.add_argument(
        "--rtu-over-tcp", action="store_true", help="HOST:PORT is a serial server that passes frames on"
    )
    parser.add_argument("--baud", type=int, help="speed of the line (default: the likely ones are tried)")
    parser.add_argument("--parity", choices=("N", "E", "O"), help="parity (default: N)")
    parser.add_argument("--stop", type=int, choices=(1, 2), help="stop bits (default: 1)")
    parser.add_argument("--timeout", type=int, metavar="MS", help="how long to wait for an answer")
    site_folder(parser)


def of(arguments: argparse.Namespace) -> Where:
    """The line meant. Raises BadInput: no such line, or no such kind of line."""
    known = {entry.get("id"): entry for entry in lines(arguments.dir)}
    if arguments.line in known:
        return Where(_converted(known[arguments.line], arguments.line), speed_known=True, in_site=True)
    if "/" in arguments.line:
        line: Line = RtuLine(id=UNNAMED, port=os.path.abspath(arguments.line), **_speed(arguments))  # noqa: PTH100 - links stay
        return _found(line, arguments, known.values())
    host, _, port = arguments.line.rpartition(":") if ":" in arguments.line else (arguments.line, "", "502")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536 or ("." not in host and known and not port):
        raise BadInput(fault("tool.no_such_line", arguments.line, known=", ".join(map(str, known)) or "-"))
    if arguments.rtu_over_tcp:
        line = RtuOverTcpLine(id=UNNAMED, host=host, port=int(port), **_speed(arguments))
        return _found(line, arguments, known.values())
    return _found(TcpLine(id=UNNAMED, host=host, port=int(port)), arguments, known.values())


def lines(folder: Path) -> list[dict[str, Any]]:
    """The lines in the site's file, if there is one."""
    path = folder / SITE_FILE
    return site_edit.entries(path.read_text(encoding="utf-8"), "buses") if path.is_file() else []


def _found(line: Line, arguments: argparse.Namespace, known: Any) -> Where:
    """`line`, under the name and with the settings site.yaml has for it, where nothing else was asked for."""
    for entry in known:
        site = _converted(entry, str(entry.get("id")))
        if lease.same(site, line) and type(site) is type(line):
            asked = {name: value for name, value in _speed(arguments).items() if not isinstance(line, TcpLine)}
            return Where(msgspec.structs.replace(site, **asked), speed_known=True, in_site=True)
    return Where(line, speed_known=isinstance(line, TcpLine) or arguments.baud is not None, in_site=False)


def _speed(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {"baud": arguments.baud, "parity": arguments.parity, "stop": arguments.stop}
    return {name: value for name, value in given.items() if value is not None}


def _converted(entry: dict[str, Any], where: str) -> Line:
    try:
        return msgspec.convert(entry, Line)  # type: ignore[no-any-return]
    except msgspec.ValidationError as error:
        raise BadInput(fault("tool.line_malformed", where, problem=error)) from error
