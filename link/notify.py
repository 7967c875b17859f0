"""What a daemon tells systemd: ready, alive, stopping (sd_notify(3)); nothing at all where nobody listens.

Telling is all it does: whether a daemon is alive is for its owner to decide, from progress and not from being called.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping

_log = logging.getLogger(__name__)


class Notifier:
    """The socket that systemd named in NOTIFY_SOCKET of `environment`, if it did."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        named = environment.get("NOTIFY_SOCKET", "")
        # A leading @ is the abstract namespace, which the kernel spells with a zero byte.
        self._address = f"\0{named[1:]}" if named.startswith("@") else named

    def ready(self, status: str = "") -> None:
        """Start-up is over."""
        self._say("READY=1", status)

    def alive(self, status: str = "") -> None:
        """There was progress since the last time."""
        self._say("WATCHDOG=1", status)

    def stopping(self) -> None:
        self._say("STOPPING=1", "")

    def _say(self, word: str, status: str) -> None:
        if not self._address:
            return
        text = f"{word}\nSTATUS={status}" if status else word
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.settimeout(1)
                line.sendto(text.encode(), self._address)
        except OSError as error:
            _log.warning("systemd does not listen: %s", error)
