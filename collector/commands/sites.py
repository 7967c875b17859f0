"""`mrv-collector sites`: what is held of each site, and what needs a person."""

from __future__ import annotations

import argparse
import json
from typing import Any

from collector.commands.common import Office, add_folder, add_json, emit, opened, show
from collector.config import Folder
from collector.daemon import clock
from collector.records import overdue
from collector.registry import SiteKey
from mrv import period
from mrv.errors import Fault
from mrv.findings import faults_json
from mrv.messages import sentence

EXAMPLE = "example:\n  mrv-collector sites --dir office --json"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "sites",
        help="list sites, their logs and alarms",
        description="One line for each key epoch of each site: leaves held, newest receipt, summaries, alarms; "
        "and the monthly checks that nobody signed.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_folder(parser)
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    with opened(Folder(arguments.dir)) as office:
        alarms = office.archive.alarms()
        sites = [_site(office, key, alarms) for key in office.registry.every_key()]
        late = {site: _late(office, site) for site in office.registry.sites()}
    if arguments.json:
        emit([site | {"overdue": faults_json(late[site["site"]], arguments.lang)} for site in sites])
        return 0
    columns = ("site", "epoch", "leaves", "newest receipt", "admitted", "quarantined", "alarms")
    rows = [
        (s["site"], s["epoch"], s["size"], _moment(s["received"]), s["admitted"], s["quarantined"], len(s["alarms"]))
        for s in sites
    ]
    show("Sites", columns, rows)
    for alarm in alarms:
        print(f"alarm, {alarm.times} times, last {_moment(alarm.last)}: {sentence(_fault(alarm), arguments.lang)}")
    for found in (found for site in late.values() for found in site):
        print(f"overdue: {sentence(found, arguments.lang)}")
    return 0


def _late(office: Office, site: str) -> tuple[Fault, ...]:
    return overdue(office.archive.database, office.registry, office.archive, site, clock())


def _site(office: Office, key: SiteKey, alarms: Any) -> dict[str, Any]:
    head = office.archive.head(key.origin)
    admitted, quarantined = office.archive.count(key.origin)
    return {
        "site": key.site,
        "origin": key.origin,
        "epoch": key.epoch,
        "key": key.vkey,
        "size": head.size,
        "received": head.arrived or None,
        "forked": head.forked,
        "admitted": admitted,
        "quarantined": quarantined,
        "alarms": [alarm.code for alarm in alarms if alarm.origin == key.origin],
    }


def _fault(alarm: Any) -> Fault:
    return Fault(alarm.code, alarm.origin, json.loads(alarm.params))


def _moment(ms: int | None) -> str:
    return period.instant(ms).isoformat(timespec="seconds") if ms else "none yet"
