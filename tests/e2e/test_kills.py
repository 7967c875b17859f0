"""`kill -9` at every named point and at any moment: every committed leaf arrives, nothing is counted twice."""

from __future__ import annotations

import logging
import random
import signal
import time
from pathlib import Path

import pytest
from world import Program, World, until, world

from agent import FAILPOINTS as AGENT_POINTS
from collector.config import FAILPOINTS as COLLECTOR_POINTS

pytestmark = [pytest.mark.slow, pytest.mark.real]
#: Which arrival at the point is the last: at the start of a run, and later.
TURNS = (1, 2, 3, 1, 1)
RANDOM_KILLS = 50
SEED = 20261123
_log = logging.getLogger(__name__)


def die_at(made: World, victim: Program, failpoint: str) -> None:
    """Run `victim` until the failpoint kills it; look at what is left, at once."""
    victim.start(failpoint)
    until(lambda: not victim.running, 60, lambda: f"{failpoint}: {victim.said()}")
    assert victim.killed, f"{failpoint}: {victim.said()}"
    made.check_world()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("side", "points"), [("agent", AGENT_POINTS), ("collector", COLLECTOR_POINTS)])
def test_killed_at_each_named_point_five_times(tmp_path: Path, side: str, points: frozenset[str]) -> None:
    with world(tmp_path) as made:
        victim: Program = getattr(made, side)
        victim.kill()
        for point in sorted(points):
            began = time.monotonic()
            for turn in TURNS:
                die_at(made, victim, f"{point}:{turn}")
            _log.info("%s: %d kills in %.1f s", point, len(TURNS), time.monotonic() - began)
        victim.start()
        made.finish()


@pytest.mark.timeout(900)
def test_killed_at_any_moment_on_both_sides(tmp_path: Path) -> None:
    """Each side dies on its own time line; half of the time it is killed before it is up."""
    rng = random.Random(SEED)
    with world(tmp_path) as made:
        sides = [made.agent, made.collector]
        due = {side.name: time.monotonic() + rng.uniform(0.5, 2) for side in sides}
        while any(side.kills < RANDOM_KILLS for side in sides):
            victim = min((side for side in sides if side.kills < RANDOM_KILLS), key=lambda side: due[side.name])
            time.sleep(max(0.0, due[victim.name] - time.monotonic()))
            victim.kill()
            made.check_world()
            victim.start()
            due[victim.name] = time.monotonic() + rng.choice((rng.uniform(0.0, 1.5), rng.uniform(1.5, 4.0)))
        made.finish()
        _log.info("%d + %d kills, gaps %s", made.agent.kills, made.collector.kills, dict(made.gaps()))


@pytest.mark.timeout(900)
def test_everything_ends_and_freezes_at_any_moment(tmp_path: Path) -> None:
    """Killed, stopped in order, frozen, the broker forgetting everything: in any order, at any moment."""
    rng = random.Random(SEED + 1)
    with world(tmp_path) as made:
        for _ in range(40):
            time.sleep(rng.uniform(0.0, 2.0))
            victim = rng.choice((made.agent, made.collector))
            match rng.choice(("kill", "stop", "stop", "freeze", "broker")):
                case "kill":
                    victim.kill()
                    victim.start()
                case "stop":
                    assert victim.stop() in (0, -signal.SIGTERM)
                    victim.start()
                case "freeze":
                    victim.signal(signal.SIGSTOP)
                    time.sleep(rng.uniform(0.1, 2.0))
                    victim.signal(signal.SIGCONT)
                case "broker":
                    made.broker.stop()
                    time.sleep(rng.uniform(0.0, 1.0))
                    made.broker.start()
            made.check_world()
        made.finish()
        _log.info("%d leaves, gaps %s", len(made.site().leaves), dict(made.gaps()))
