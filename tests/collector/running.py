"""`mrv-collector` as a process, and a site's end of the wire to talk to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brokers import until
from desk import PaperSite

from link.mqtt import Endpoint, Message, Mqtt
from mrv.exchange import COLLECTOR_STATE, presence, topic
from mrv.log.checkpoint import open_checkpoint

COMMAND = [sys.executable, "-c", "from collector.cli import main; raise SystemExit(main())"]


class Office:
    """One collector folder and the process that serves it, if any."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self._arguments = arguments
        self.process: subprocess.Popen[bytes] | None = None

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)

    def start(self, failpoint: str = "") -> None:
        with self.folder.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "run", "--dir", str(self.folder), *self._arguments],
                stdout=log,
                stderr=log,
                env=os.environ | {"MRV_FAILPOINT": failpoint},
            )

    def killed(self) -> bool:
        """Whether the process died by SIGKILL."""
        return self.process is not None and self.process.poll() == -signal.SIGKILL

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        if self.process is None:
            return 0
        self.process.terminate()
        return self.process.wait(20)

    def close(self) -> None:
        """Kill it, if it runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Wire:
    """What a site hears, and its mouth."""

    def __init__(self, port: int, site: PaperSite, name: str = "a-site") -> None:
        self.site = site
        self.heard: list[Message] = []
        topics = [topic(site.site, "down/receipt"), topic(site.site, "down/answer"), COLLECTOR_STATE]
        self.mqtt = Mqtt(Endpoint(host="127.0.0.1", port=port), name, topics, self.heard.append)
        self.mqtt.start()
        until(lambda: self.mqtt.up, 20)

    def say(self, body: bytes) -> None:
        until(lambda: self.mqtt.up, 20)
        assert self.mqtt.publish(topic(self.site.site, "up/log"), body).wait(10)

    @property
    def received(self) -> int:
        """The largest size a receipt was heard for."""
        receipts = [m for m in self.heard if m.topic == topic(self.site.site, "down/receipt")]
        return max((open_checkpoint(m.payload, self.site.key.public).size for m in receipts), default=0)

    @property
    def office(self) -> str:
        states = [presence(m.payload).state for m in self.heard if m.topic == COLLECTOR_STATE]
        return states[-1] if states else "unknown"


@contextmanager
def wire(port: int, site: PaperSite, name: str = "a-site") -> Iterator[Wire]:
    made = Wire(port, site, name)
    try:
        yield made
    finally:
        made.mqtt.stop()
