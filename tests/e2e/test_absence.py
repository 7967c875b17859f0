"""Whoever is away, at the start or at any moment, frozen or dead: the site goes on and everything is drained after."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from world import World, until, world

pytestmark = [pytest.mark.slow, pytest.mark.real]
AWAY_S = 4
_log = logging.getLogger(__name__)


def written(made: World) -> int:
    return len(made.site().leaves)


def test_the_broker_comes_last(tmp_path: Path) -> None:
    with world(tmp_path, start=False) as made:
        made.agent.start()
        made.collector.start()
        until(lambda: (made.gateway.folder / "state" / "status.json").exists(), 20)
        until(lambda: written(made) > 15, 30)
        until(lambda: made.site_alarms() == {"link.broker_unreachable"}, 20, made.status)
        assert made.received() == 0
        made.broker.start()
        made.goes_on()
        made.finish()


def test_the_collector_comes_last(tmp_path: Path) -> None:
    """The first bundle is acknowledged by a broker that has nobody to give it to."""
    with world(tmp_path, start=False) as made:
        made.broker.start()
        made.agent.start()
        until(lambda: written(made) > 30, 40)
        assert made.received() == 0
        made.collector.start()
        made.goes_on()
        made.finish()


def broker_dies(made: World) -> None:
    """And comes back knowing nothing: sessions, retained messages and what it had acknowledged are gone."""
    made.broker.stop()
    until(lambda: made.site_alarms() & {"link.broker_lost", "link.broker_unreachable"}, 20, made.status)
    time.sleep(AWAY_S)
    made.broker.start()


def broker_blinks(made: World) -> None:
    made.broker.stop()
    made.broker.start()


def broker_freezes(made: World) -> None:
    made.broker.signal(signal.SIGSTOP)
    time.sleep(AWAY_S)
    made.broker.signal(signal.SIGCONT)


def collector_dies(made: World) -> None:
    made.collector.kill()
    time.sleep(AWAY_S)
    made.collector.start()


def collector_freezes(made: World) -> None:
    made.collector.signal(signal.SIGSTOP)
    time.sleep(AWAY_S)
    made.collector.signal(signal.SIGCONT)


def collector_stops(made: World) -> None:
    assert made.collector.stop() == 0
    until(lambda: made.status()["office_away"], 20, made.status)
    time.sleep(AWAY_S)
    made.collector.start()


def agent_freezes(made: World) -> None:
    made.agent.signal(signal.SIGSTOP)
    time.sleep(AWAY_S)
    made.agent.signal(signal.SIGCONT)


def agent_stops(made: World) -> None:
    assert made.agent.stop() == 0
    time.sleep(AWAY_S)
    made.agent.start()


def meters_vanish(made: World) -> None:
    made.simulator.kill()
    until(lambda: all(meter.get("failures") for meter in made.status()["meters"].values()), 20, made.status)
    made.simulator.start()
    until(lambda: not any(meter.get("failures") for meter in made.status()["meters"].values()), 60, made.status)


def office_side_dies_together(made: World) -> None:
    """The collector before the broker: what the broker had for it is gone too."""
    made.collector.kill()
    time.sleep(AWAY_S / 2)
    made.broker.stop()
    made.collector.start()
    time.sleep(AWAY_S / 2)
    made.broker.start()


FAULTS: tuple[Callable[[World], None], ...] = (
    broker_dies,
    collector_dies,
    broker_freezes,
    agent_freezes,
    collector_freezes,
    office_side_dies_together,
    collector_stops,
    broker_blinks,
    agent_stops,
    meters_vanish,
)


@pytest.mark.timeout(400)
def test_one_after_the_other_is_lost(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        for fault in FAULTS:
            before, began = written(made), time.monotonic()
            fault(made)
            made.check_world()
            assert made.agent.running
            until(lambda before=before: made.received() > before, 90, made.agent.said)
            made.goes_on(leaves=6)
            _log.info("%s: received again after %.1f s", fault.__name__, time.monotonic() - began)
        made.finish()
        gaps = made.gaps()
        _log.info("%d leaves, gaps %s", len(made.site().leaves), dict(gaps))
        assert gaps["late"] >= AWAY_S, "the frozen agent"
        assert gaps["down"] >= AWAY_S, "the stopped agent"
