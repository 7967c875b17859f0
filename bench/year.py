"""`python -m bench.year [--days 365] [--keep FOLDER]`: a factory from leaves to reports, and how long each step takes.

Ten meters polled every minute: an outage, a silent meter, an exchange, a calibration that lapses, a plan change, a year
end (tests/factory.py). The leaves go through the collector's own receiving and admission, the reports through its own
command; nothing is skipped.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "collector")]

from factory import Story  # noqa: E402
from office_year import Filled, fill, made, report  # noqa: E402


def main() -> None:
    arguments = _arguments()
    factory = made(arguments.days, arguments.start, _story(arguments.days))
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with _timed("made and received"):
            filled = fill(folder, factory)
        _say(filled)
        with _timed("judged"):
            verdicts = filled.judge()
        admitted = sum(verdict.admitted for verdict in verdicts)
        print(f"{admitted} summaries admitted, {len(verdicts) - admitted} quarantined")
        for project in ("pv", "chillers"):
            with _timed(f"reported {project}"):
                report(filled, project, folder / f"{project}.xlsx")
        print(f"archive {filled.folder.database.stat().st_size / 1e6:.0f} MB")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--start", type=date.fromisoformat, default=date(2026, 3, 2))
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="leave the office and the reports here")
    return parser.parse_args()


def _story(days: int) -> Story:
    """What happens, spread over the time there is."""
    part = max(days // 12, 1)
    return Story(outage=part, silent=2 * part, exchange=4 * part, due=5 * part, late=2 * part, new_plan=8 * part)


def _say(filled: Filled) -> None:
    last = filled.factory.start + timedelta(days=filled.factory.days - 1)
    print(f"{filled.leaves} leaves in {filled.bundles} bundles, {filled.factory.start} to {last}")
    print(f"of that receiving: {filled.receiving:.0f} s of CPU")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    took = f"{time.perf_counter() - wall:.0f} s ({time.process_time() - cpu:.0f} s of CPU)"
    print(
        f"{what}: {took}; at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB so far", flush=True
    )


if __name__ == "__main__":
    main()
