"""How a collector is told to stop."""

from __future__ import annotations

import subprocess
import sys

#: The signal goes to a thread that is not the main one, which by then waits for a second.
SCRIPT = """
import signal, threading, time
from collector.daemon import serve

class Told:
    def start(self):
        threading.Thread(target=self.tell).start()
    def tell(self):
        time.sleep(1)
        signal.pthread_kill(threading.get_ident(), signal.{name})
    def stop(self):
        print("in order")

serve(Told())
"""


def test_it_stops_whichever_thread_the_system_gives_the_signal_to() -> None:
    for name in ("SIGTERM", "SIGINT"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(name=name)], capture_output=True, text=True, timeout=30, check=False
        )
        assert (done.returncode, done.stdout) == (0, "in order\n"), done.stderr
