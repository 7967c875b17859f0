"""How quick a meter is known to be, and so how long silence means that it may still answer.

Pure. A meter that has answered in 80 ms a thousand times is not going to answer after 800: waiting out the line's
whole timeout would only keep the others waiting. It is only ever the first try that is cut short; the next one gets
the whole timeout, so a meter that has become slow is heard all the same, and remembered as slow.
"""

from __future__ import annotations

from collections import deque

#: Answers remembered; the slowest of them counts.
REMEMBERED = 16
#: Times the slowest answer, and at least so many ms.
GENEROSITY, LEAST = 4, 200


class Pace:
    """The newest answers of one unit."""

    def __init__(self) -> None:
        self._took: deque[float] = deque(maxlen=REMEMBERED)

    def answered(self, took: float) -> None:
        """An answer came after `took` ms."""
        self._took.append(took)

    def patience(self, most: float) -> float:
        """How long (ms) to wait the first time, of `most`."""
        return min(most, max(LEAST, GENEROSITY * max(self._took))) if self._took else most
