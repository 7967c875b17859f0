"""`mrv-collector run`: the daemon, in the foreground."""

from __future__ import annotations

import argparse
import logging
import os
from dataclasses import replace

from collector.broker import EmbeddedBroker
from collector.commands.common import add_folder
from collector.config import Folder, load, locked
from collector.daemon import Daemon, serve
from link.mqtt import Endpoint
from link.notify import Notifier
from link.tls import Tls
from mrv.errors import BadInput, fault
from mrv.messages import text

_log = logging.getLogger(__name__)
LOOPBACK = ("127.0.0.1", "localhost")
EXAMPLE = """examples:
  mrv-collector run --dir office --broker broker.example.vn:8883 --tls
  mrv-collector run --dir office --embedded-broker --listen 127.0.0.1:1883"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "run",
        help="receive, cosign and judge until stopped",
        description="Runs until SIGTERM or Ctrl-C. The broker may come later, go away and come back.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_folder(parser)
    parser.add_argument("--broker", default="127.0.0.1:1883", metavar="HOST:PORT", help="default: %(default)s")
    parser.add_argument("--tls", action="store_true", help="encrypted, with the files in C/tls/NAME (see `ca office`)")
    parser.add_argument("--name", default="1", help="of this one among collectors that share a database (default: 1)")
    parser.add_argument("--embedded-broker", action="store_true", help="run a broker in this process (extra `demo`)")
    parser.add_argument(
        "--listen", default="127.0.0.1:1883", metavar="HOST:PORT", help="of the embedded broker; default: %(default)s"
    )
    parser.set_defaults(command=run)


def endpoint(text: str) -> Endpoint:
    """HOST:PORT. Raises BadInput."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise BadInput(fault("collector.bad_endpoint", found=text))
    return Endpoint(host=host, port=int(port))


def run(arguments: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
    folder = Folder(arguments.dir)
    identity, notifier = load(folder), Notifier(os.environ)
    with locked(folder, arguments.name):
        if not arguments.embedded_broker:
            files = Tls.inside(folder.tls / arguments.name) if arguments.tls else None
            serve(Daemon(folder, identity, replace(endpoint(arguments.broker), tls=files), notifier, arguments.name))
            return 0
        broker = EmbeddedBroker(endpoint(arguments.listen))
        if broker.endpoint.host not in LOOPBACK:
            _log.warning(text("collector.open_broker", arguments.lang, endpoint=str(broker.endpoint)))
        broker.start()
        try:
            serve(Daemon(folder, identity, broker.endpoint, notifier))
        finally:
            broker.stop()
    return 0
