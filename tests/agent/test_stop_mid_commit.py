"""SIGTERM while a round is being committed and another one waits: the slow disk's answer still counts."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

from fakes import FakeClock
from gateway import Gateway, Verdict, write


async def breathe() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_stopped_in_the_middle_of_a_commit(tmp_path: Path) -> None:
    write(tmp_path)
    clock = FakeClock()
    gateway = Gateway(tmp_path, clock)
    await gateway.start()
    await gateway.pass_time(65)
    store: Any = gateway.store
    append, release = store._append, threading.Event()

    def slow(*arguments: Any, **named: Any) -> int:
        size: int = append(*arguments, **named)
        release.wait(10)
        return size

    store._append = slow
    await clock.run(20_000, breathe)
    asyncio.get_running_loop().call_later(0.3, release.set)
    await gateway.stop()
    verdict = Verdict(tmp_path)
    verdict.clean()
    slots = verdict.covered("pv-main")
    assert list(slots) == sorted(slots)
    assert verdict.gaps("pv-main") == []
    assert len(slots) == 9
