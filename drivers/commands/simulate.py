"""`mrv-meter simulate`: meters that do not exist on lines that do, to try the tool and the agent without a factory."""

from __future__ import annotations

import argparse
from typing import Any

from drivers.commands.common import command


def add(commands: Any) -> None:
    example = "mrv-meter simulate demo --speed 20"
    parser = command(commands, "simulate", "play a plant with its meters until Ctrl-C", example)
    parser.add_argument("plant", choices=("demo", "load"), help="which plant")
    parser.add_argument("--speed", type=float, default=1.0, help="plant seconds per real second (default: 1)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    from drivers.simulator import __main__ as simulator

    return simulator.main(["--plant", arguments.plant, "--speed", str(arguments.speed)])
