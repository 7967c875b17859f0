"""The stand-ins of both ends' own tests can be used here, too."""

from __future__ import annotations

import sys
from pathlib import Path

for side in ("agent", "collector"):
    sys.path.insert(0, str(Path(__file__).parents[1] / side))
