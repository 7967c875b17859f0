"""A thread that works until nothing is left, then sleeps until poked: how the daemon's two stages run.

A resource that is away is waited for; anything else that escapes is for `on_error` to put out of the way, so that one
poisoned piece of work never stops the rest.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from mrv.errors import MrvError, Unavailable

#: Seconds to wait before trying again what was unavailable.
RETRY_S = 2.0
_log = logging.getLogger(__name__)


class Loop:
    """Calls `step` again and again while it says True; owns one thread."""

    def __init__(self, name: str, step: Callable[[], bool], on_error: Callable[[Exception], None]) -> None:
        self._step = step
        self._on_error = on_error
        self._poked = threading.Event()
        self._ending = threading.Event()
        #: Monotonic seconds when the piece of work at hand was begun; None while waiting to be poked.
        self.busy_since: float | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def poke(self) -> None:
        """There may be work."""
        self._poked.set()

    def stop(self) -> None:
        """End after the piece of work at hand."""
        self._ending.set()
        self._poked.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._poked.clear()
            self.busy_since = time.monotonic()
            try:
                busy = self._step()
            except Unavailable as error:
                _log.warning("%s: %s; trying again", self._thread.name, error)
                self._ending.wait(RETRY_S)
                busy = True
            except Exception as error:  # a job boundary
                _log.exception("%s: work put aside", self._thread.name)
                self._escaped(error)
                busy = True
            self.busy_since = None
            if not busy and not self._ending.is_set():
                self._poked.wait()

    def _escaped(self, error: Exception) -> None:
        try:
            self._on_error(error)
        except MrvError as failed:
            _log.warning("%s: %s; trying again", self._thread.name, failed)
            self._ending.wait(RETRY_S)
