"""What a commissioning is done with: the line, the person, the site's folder, the clock.

A person is asked between questions to the meter, so nothing here is asynchronous; `Bench.run` drives the line.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from drivers import probe, survey
from drivers.bus import Bus
from drivers.candidate import Candidate
from drivers.commission_site import SiteFolder
from drivers.dialogue import Dialogue
from drivers.probe import Taken
from drivers.wiring import Line
from mrv.profile import Profile


class Waiting(Protocol):
    """Shows a wait: called with counts so far and seconds left (None: nothing flows)."""

    def __call__(self, counts: float, seconds: float | None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the work is done with. `now`: UTC ms. `pause` sleeps for seconds, with the line let go of."""

    dialogue: Dialogue
    line: Line
    unit: int
    bus: Callable[[], Bus]
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    library: Mapping[str, Profile]
    site: SiteFolder
    now: Callable[[], int]
    pause: Callable[[float], None]
    waiting: Waiting
    #: Takes a line of progress away before something is said.
    quiet: Callable[[], None]


def take(bench: Bench, candidate: Candidate, names: Sequence[str] | None = None) -> Taken:
    """Read the meter as `candidate` says, now. Raises Refused when two meters answer."""
    bus = bench.bus()
    try:
        taken: Taken = bench.run(probe.take(bus, bench.unit, candidate.profile, candidate.settings, names))
    finally:
        survey.refuse_two(bus, bench.unit)
    return taken
