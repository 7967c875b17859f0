"""`mrv-meter simulate`: meters that do not exist on lines that do, to try the tool and the agent without a factory."""

from __future__ import annotations

import argparse
import asyncio
import signal
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from drivers import profiles
from drivers.commands.common import command, emit_line, language, site_folder
from mrv.errors import BadInput, Unavailable, fault
from mrv.messages import text
from mrv.profile import Profile

if TYPE_CHECKING:
    from drivers.simulator.scenario import Scenario


def add(commands: Any) -> None:
    example = "mrv-meter simulate scenario.yaml --speed 10"
    parser = command(commands, "simulate", "play meters and their faults on real lines until Ctrl-C", example)
    parser.add_argument("scenario", type=Path, metavar="FILE", help="the scenario (docs/simulator.md)")
    parser.add_argument(
        "--speed", type=_speed, metavar="N", help="scenario seconds per real second (default: as in FILE)"
    )
    site_folder(parser)
    parser.add_argument("--links", type=Path, metavar="D", help="folder for links to serial ports (default: a new one)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    library = profiles.beside(arguments.dir)
    scenario = _loaded(arguments.scenario, library)
    if arguments.speed:
        scenario = msgspec.structs.replace(scenario, speed=arguments.speed)
    tongue = language(arguments.lang)
    tell = emit_line if arguments.json else lambda event: print(spoken(event, tongue), flush=True)
    with tempfile.TemporaryDirectory(prefix="mrv-meter-") as made:
        try:
            asyncio.run(_play(scenario, library, arguments.links or Path(made), tell))
        except OSError as error:
            raise Unavailable(fault("scenario.cannot_listen", problem=error.strerror or error)) from error
    return 0


def spoken(event: dict[str, Any], tongue: str) -> str:
    """One event for people."""
    what, rest = event["event"], {k: v for k, v in event.items() if k not in ("t", "event", "line", "meter", "fault")}
    if what == "listens":
        where = event.get("path") or f"{event.get('host')}:{event.get('port')}"
        more = " ".join(f"{k} {rest[k]}" for k in ("device", "baud") if k in rest)
        return f"{event['t']:9.3f}  {text('tool.listens', tongue, line=event['line'], where=where)}  {more}".rstrip()
    target = f"meter {event['meter']}" if event.get("meter") else f"line {event.get('line')}"
    details = " ".join(f"{k}={v}" for k, v in rest.items())
    return f"{event['t']:9.3f}  {text(f'tool.{what}', tongue)}  {event['fault']}  {target}  {details}".rstrip()


def _loaded(path: Path, library: Mapping[str, Profile]) -> Scenario:
    from drivers.simulator import scenario

    try:
        found = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = getattr(error, "strerror", None) or "not UTF-8"
        raise BadInput(fault("scenario.unreadable", str(path), problem=problem)) from error
    return scenario.load(found, str(path), library).value


async def _play(
    scenario: Scenario, library: Mapping[str, Profile], folder: Path, tell: Callable[[dict[str, Any]], None]
) -> None:
    from drivers.simulator.stage import Stage

    stage = Stage(scenario, library, folder=folder, tell=tell)
    playing = asyncio.ensure_future(_until_cancelled(stage))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, playing.cancel)
    try:
        with suppress(asyncio.CancelledError):
            await playing
    finally:
        await stage.stop()


async def _until_cancelled(stage: Any) -> None:
    await stage.start()
    await stage.play()


def _speed(given: str) -> Decimal:
    try:
        speed = Decimal(given)
    except InvalidOperation:
        speed = Decimal(0)
    if not (speed.is_finite() and 0 < speed <= 86_400):
        raise argparse.ArgumentTypeError("a number above 0, up to 86400")
    return speed
