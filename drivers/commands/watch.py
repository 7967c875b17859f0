"""`mrv-meter watch`: what meters say, over and over: values, how fast counters run, latency, errors. Until Ctrl-C.

On a terminal the table is drawn over itself; elsewhere every look is a line, and with --json a document per line.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from drivers.bus import Bus
from drivers.commands import meter, watched
from drivers.commands.common import command, drawn, emit_line, headed, language
from drivers.commands.grip import Grip
from drivers.commands.progress import Progress
from drivers.commands.watched import Watched

_EVERY = 2.0


class Screen(Protocol):
    """Where looks are shown."""

    def __call__(self, seen: Sequence[Watched], newest: Watched | None) -> None: ...


def add(commands: Any) -> None:
    example = "mrv-meter watch --dir /etc/mrv-agent --meter chiller-1"
    parser = command(commands, "watch", "show what meters say, live, until Ctrl-C", example)
    meter.add(parser)
    parser.add_argument("--every", type=float, default=_EVERY, metavar="S", help="seconds between looks (default: 2)")
    parser.add_argument("--rounds", type=int, metavar="N", help="stop after N looks")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    tongue, library = language(arguments.lang), meter.library(arguments)
    with Grip(tongue) as grip:
        with Progress() as progress:
            subjects = meter.several(arguments, grip, progress, library, tongue)
        seen = [Watched(subject) for subject in subjects]
        with suppress(KeyboardInterrupt), _screen(tongue, as_documents=arguments.json) as screen:
            buses = [grip.bus(one.subject.line) for one in seen]
            grip.run(_look(list(zip(seen, buses, strict=True)), arguments.every, arguments.rounds, screen))
    return 1 if any(one.errors for one in seen) else 0


async def _look(meters: Sequence[tuple[Watched, Bus]], every: float, rounds: int | None, screen: Screen) -> None:
    """All meters, one after the other, again and again at a steady pace."""
    loop = asyncio.get_running_loop()
    begin, done = loop.time(), 0
    seen = [one for one, _ in meters]
    screen(seen, None)
    while rounds is None or done < rounds:
        for one, bus in meters:
            await one.look(bus, loop.time)
            screen(seen, one)
        done += 1
        if rounds is None or done < rounds:
            await asyncio.sleep(max(0.0, begin + done * every - loop.time()))
            begin = max(begin, loop.time() - done * every)  # a late round is not caught up with


@contextmanager
def _screen(tongue: str, *, as_documents: bool) -> Iterator[Screen]:
    """Documents, lines, or a table drawn over itself."""
    if as_documents:
        yield lambda _, newest: emit_line(watched.document(newest, time.time_ns() // 1_000_000)) if newest else None
        return
    if not sys.stdout.isatty():
        yield lambda _, newest: print(watched.line(newest, tongue), flush=True) if newest else None
        return
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(), auto_refresh=False, transient=False) as live:
        yield lambda seen, _: live.update(_drawn(seen, tongue), refresh=True)


def _drawn(seen: Sequence[Watched], tongue: str) -> Any:
    from rich.console import Group
    from rich.text import Text

    columns, rows = watched.one(seen[0], tongue) if len(seen) == 1 else watched.all_of(seen)
    notes = [Text(note) for one in seen for note in watched.notes(one, tongue)]
    return Group(drawn(headed(columns, tongue), rows), *notes)
