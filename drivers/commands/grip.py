"""The tool's hold on a line: one event loop, a bus for each line, the lease of the line, and letting go of all of it.

A person is asked between questions to a meter, so the loop runs only while something is asked. However a command ends
(done, fault, Ctrl-C), the bus is closed and the lease given back: the agent waits for it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, TypeVar

from drivers import lease, lines
from drivers.bus import Bus
from drivers.dialogue import folded
from drivers.wiring import Line
from mrv.errors import Fault
from mrv.messages import sentence

Result = TypeVar("Result")


class Grip:
    """`with Grip(tongue) as grip: grip.run(ask(grip.bus(line)))`. It says on stderr whom it waits for."""

    def __init__(self, tongue: str) -> None:
        self._tongue = tongue
        self._runner = asyncio.Runner()
        self._held: dict[Line, Bus] = {}
        self._lent: dict[str, AsyncExitStack] = {}

    def __enter__(self) -> Grip:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.let_go()
        self._runner.close()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Drive the line until `work` is done. Ctrl-C cancels it, and goes through."""
        return self._runner.run(work)

    def borrow(self, line: Line) -> None:
        """Have the line for ourselves until `let_go`. Raises Refused: another tool has it, or the agent keeps it."""
        if line.end not in self._lent:
            stack = AsyncExitStack()
            self._runner.run(stack.enter_async_context(lease.borrowed(line, tell=self._say)))
            self._lent[line.end] = stack

    def _say(self, waits: Fault) -> None:
        print(folded(sentence(waits, self._tongue), sys.stderr), file=sys.stderr, flush=True)

    def bus(self, line: Line) -> Bus:
        """The bus of `line`, borrowed; one at the same end with other settings is let go of first."""
        self.borrow(line)
        if line not in self._held:
            self._close(line.end)
            self._held[line] = lines.wary(line)
        return self._held[line]

    def close(self, line: Line) -> None:
        """Close the buses of this line's end, but keep the lease: something else opens it now."""
        self._close(line.end)

    def _close(self, end: str) -> None:
        for line in [held for held in self._held if held.end == end]:
            self._runner.run(self._held.pop(line).close())

    def let_go(self) -> None:
        """Close every bus and give the lines back; a line is taken again when it is next needed."""
        while self._held:
            self._close(next(iter(self._held)).end)
        while self._lent:
            self._runner.run(self._lent.popitem()[1].aclose())
