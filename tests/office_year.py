"""An office that received a factory's leaves (tests/factory.py): through its own receiving, admission and commands."""

from __future__ import annotations

import contextlib
import io
import json
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from desk import Desk, PaperSite
from factory import Factory, Story

from collector.admit import Admission
from collector.cli import main
from collector.config import Folder
from mrv import leaf
from mrv.audit import Verdict
from mrv.log.bundle import Bundle, pack
from mrv.log.checkpoint import Checkpoint, issue
from mrv.log.merkle import EMPTY, leaf_hash


@dataclass(kw_only=True)
class Filled:
    """The office's folder, and what went in."""

    folder: Folder
    factory: Factory
    site: PaperSite
    leaves: int
    bundles: int
    #: Seconds of CPU that receiving took, apart from making the leaves.
    receiving: float

    def judge(self) -> tuple[Verdict, ...]:
        """Judge every summary from raw words."""
        desk = Desk(self.folder.path.parent)
        try:
            return Admission(desk.archive, desk.registry).catch_up(self.site.origin, desk.now)
        finally:
            desk.database.close()


def made(days: int, start: date, story: Story) -> Factory:
    """A factory whose log says whose it is."""
    return Factory(days=days, start=start, story=story, key=PaperSite([]).key.vkey)


def fill(path: Path, factory: Factory) -> Filled:
    """Enrol the factory's site with its plans and bindings, and deliver all its bundles."""
    desk, site = Desk(path), PaperSite([])
    factory_bindings = (factory.binding(), factory.binding(exchanged=True))
    for plan, binding in zip((factory.plan(), factory.plan(changed=True)), factory_bindings, strict=True):
        desk.now += 1000
        desk.enroll(site, plan=leaf.canonical(plan).decode(), binding=leaf.canonical(binding).decode())
    tree, bundles, receiving = EMPTY, 0, 0.0
    for leaves in factory.run():
        old, tree = tree.size, tree.extend(map(leaf_hash, leaves))
        note = issue(Checkpoint(site.origin, tree.size, tree.root()), site.key)
        sent = pack(Bundle(old=old, receipt=None, checkpoint=note, leaves=tuple(leaves)))
        before = time.process_time()
        said = desk.deliver(sent)
        receiving += time.process_time() - before
        desk.said.clear()
        assert said.topic.endswith("/down/receipt"), said
        bundles += 1
    desk.database.close()
    filled = Filled(
        folder=desk.folder, factory=factory, site=site, leaves=tree.size, bundles=bundles, receiving=receiving
    )
    _enter(filled, path)
    return filled


def _enter(filled: Filled, path: Path) -> None:
    (path / "records.yaml").write_text("".join(filled.factory.records))
    said = run("records", "add", "demo-factory", path / "records.yaml", "--dir", filled.folder.path, "--json")
    assert len(json.loads(said)["records"]) == len(filled.factory.records)


def report(filled: Filled, project: str, out: Path) -> Any:
    """The project's report over all of the factory's days; what the command says."""
    last = filled.factory.start + timedelta(days=filled.factory.days - 1)
    period = ("--from", filled.factory.start, "--to", last)
    return json.loads(run("report", "--project", project, *period, "--out", out, "--dir", filled.folder.path, "--json"))


def run(*arguments: object) -> str:
    """A command of mrv-collector; its output."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        code = main([str(argument) for argument in arguments])
    assert code == 0, said.getvalue()
    return said.getvalue()
