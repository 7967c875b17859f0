"""What can go wrong while the demo runs; texts are in the catalogue `demo`.

DemoError        the demo cannot go on, or did not end clean
"""

from __future__ import annotations

from mrv.errors import MrvError


class DemoError(MrvError):
    """The demo cannot go on, or did not end clean; its faults name the logs to look at."""
