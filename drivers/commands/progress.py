"""One line that says how far something is that takes longer than two seconds, and how much longer it takes.

On a terminal the line is drawn over itself; elsewhere a new one is written every ten seconds. Always on stderr, so
that what a command found can be piped. It goes away when the work is done or interrupted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TextIO

_BAR = 16
#: Seconds between lines where they cannot be drawn over, and between drawings where they can.
_SELDOM, _OFTEN = 10.0, 0.1


class Progress:
    """`with Progress() as progress: progress.show(3, 10, "9600 8N1 id 3", 12.0)`."""

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic, width: int = 79) -> None:
        self._out = out if out is not None else sys.stderr
        self._clock = clock
        self._width = width
        self._drawn = False
        self._terminal = self._out.isatty()
        self._last = float("-inf") if self._terminal else clock()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def show(self, done: float, whole: float, what: str, left: float | None = None) -> None:
        """`done` of `whole`; `left`: seconds at most, None if nobody knows."""
        now = self._clock()
        if now - self._last < (_OFTEN if self._terminal else _SELDOM):
            return
        self._last = now
        share = min(1.0, done / whole) if whole > 0 else 0.0
        bar = "#" * round(share * _BAR) + "." * (_BAR - round(share * _BAR))
        line = f"[{bar}] {share * 100:3.0f} %  {what}{'' if left is None else f'  {spelled(left)}'}"
        line = line[: self._width]
        self._out.write(f"\r{line}\x1b[K" if self._terminal else f"{line}\n")
        self._out.flush()
        self._drawn = self._terminal

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            self._out.write("\r\x1b[K")
            self._out.flush()
        self._drawn = False


def spelled(seconds: float) -> str:
    """`0:34`, `12:05`, `1:02:05`."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
