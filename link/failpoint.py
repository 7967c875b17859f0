"""Named places where a test may kill the process, to prove that a restart finds everything.

`reach("append.committed")` does nothing unless MRV_FAILPOINT names it; `append.committed:3` means the third time.
The end is SIGKILL, as from a power cut: no handler runs, no buffer is flushed.
"""

from __future__ import annotations

import os
import signal
from itertools import count

_NAME, _, _TURN = os.environ.get("MRV_FAILPOINT", "").partition(":")
_turns = count(1)


def reach(name: str) -> None:
    """Die here if this is the armed failpoint and its turn has come."""
    if name == _NAME and next(_turns) == int(_TURN or 1):
        os.kill(os.getpid(), signal.SIGKILL)
