"""`python -m demo`: one command that shows a whole site at work. Exit code 0 only when all of it came out clean."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from demo import view
from demo.interrupt import Interrupt
from demo.layout import prepare
from demo.processes import Processes
from demo.stage import ENOUGH, build, end, show
from mrv.errors import Fault, MrvError
from mrv.messages import sentence

EXAMPLE = """examples:
  python -m demo                 until Ctrl-C (which ends it in order; twice: at once)
  python -m demo --for 60        stop 60 s after the first receipt, check everything

exit codes: 0 everything clean, 1 something was not (it says what and where to look), 2 wrong arguments"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo; the exit code is described in EXAMPLE."""
    options = _parser().parse_args(argv)
    interrupt = Interrupt()
    try:
        place = prepare(options.dir)
        with Processes(place.logs) as processes:
            print("setting up: simulated meters, the office with its broker, the gateway ...", flush=True)
            stage = build(place, processes, interrupt, options.period)
            print(f"\n{view.introduction(options.period, stage.timezone)}\n{view.head(tuple(stage.terms))}", flush=True)
            printed = show(stage, options.seconds)
            faults = end(stage, printed, wanted=ENOUGH if options.seconds else 0)
    except MrvError as error:
        faults = error.faults
    return _verdict(faults, options.dir)


def _verdict(faults: tuple[Fault, ...], folder: Path) -> int:
    for found in faults:
        sys.stderr.write(f"{sentence(found)}\n")
    print(f"\n{'NOT CLEAN' if faults else 'clean'}; everything is kept in {folder}")
    return 1 if faults else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="A simulated factory, its gateway and the office as real processes on this machine.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--for", dest="seconds", type=_seconds, metavar="SECONDS", help="stop so long after the first receipt"
    )
    parser.add_argument("--dir", type=Path, default=Path("demo-run"), help="folder to use, wiped at the start")
    parser.add_argument("--period", type=_seconds, default=10, help="seconds of a period (default: 10)")
    return parser


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 86_400:
        raise argparse.ArgumentTypeError("whole seconds, 1 to 86400")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
