"""`mrv-agent run`: the daemon, in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import logging
import os
from typing import Any

from agent.commands.common import command, state_of


def add(commands: Any) -> None:
    parser = command(commands, "run", "poll, record, sign and send until stopped", "mrv-agent run --dir /etc/mrv-agent")
    parser.set_defaults(command=run, json=False)


def run(arguments: argparse.Namespace) -> int:
    from agent import daemon

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    daemon.run(arguments.dir, state_of(arguments), os.environ)
    return 0
