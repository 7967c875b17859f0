"""Progress, and what only looks like it."""

from __future__ import annotations

from agent.watchdog import STALLED_MS, Progress

START = Progress(recorded=0)


def test_loops_that_turn_and_a_recorder_that_keeps_up_are_alive() -> None:
    progress = START.next(STALLED_MS * 5, waiting=False)
    assert progress.alive(STALLED_MS * 5, [STALLED_MS * 5 - 1000, STALLED_MS * 5])


def test_one_loop_that_hangs_is_enough() -> None:
    now = STALLED_MS * 2
    progress = START.next(now, waiting=False)
    assert progress.alive(now, [now, now - STALLED_MS + 1])
    assert not progress.alive(now, [now, now - STALLED_MS])


def test_a_recorder_that_never_gets_through_is_found_out() -> None:
    progress = START
    for now in range(0, STALLED_MS, 5000):
        progress = progress.next(now, waiting=now > 0)
        assert progress.alive(now, [now])
    assert not progress.next(STALLED_MS, waiting=True).alive(STALLED_MS, [STALLED_MS])


def test_a_gateway_without_lines_to_poll_is_judged_by_its_recorder() -> None:
    assert START.next(10, waiting=False).alive(10, [])
