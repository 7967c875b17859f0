"""What the log says when the agent starts: who we are, that we started, and what the readings mean from here on.

Pure: from what the log already says to the leaves that are still to be said. Digests decide whether the configuration
changed; content goes into the log before the config leaf that names it, and only once.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import version

from agent import keys
from agent.clock import Moment
from agent.config import Setup
from mrv import leaf
from mrv.book import Book
from mrv.leaf import AnyLeaf, Boot, Config, Genesis
from mrv.period import TZDATA_VERSION

AGENT = version("mrv-agent")


def boot_number(book: Book, kernel: str) -> int:
    """The ordinal of this kernel boot: the one the log knows it by, or the next."""
    if book.boot is None:
        return 1
    return book.boot.boot if book.boot.kernel == kernel else book.boot.boot + 1


def opening(book: Book, setup: Setup, vkey: str, now: Moment, kernel: str, *, clean: bool) -> Iterator[AnyLeaf]:
    """Genesis in an empty log, then the boot leaf. `clean`: the last run ended in order, as a first run is taken to."""
    if book.genesis is None:
        yield Genesis(
            version=leaf.WIRE_VERSION,
            site=setup.site.site,
            origin=keys.origin(setup.site.org, setup.site.site),
            epoch=keys.EPOCH,
            key=vkey,
            ts=now.ts,
            enrolled="tofu" if setup.site.collector.first_use else "approved",
        )
    yield Boot(
        boot=now.boot,
        boottime=now.boottime,
        ts=now.ts,
        clock=now.state,
        kernel=kernel,
        agent=AGENT,
        clean=clean or book.genesis is None,
    )


def configuration(book: Book, setup: Setup, now: Moment) -> Iterator[AnyLeaf]:
    """The content not in the log yet and a config leaf naming all of it; nothing when the newest one says the same."""
    config = _config(book, setup, now)
    if book.config is not None and _meaning(book.config) == _meaning(config):
        return
    contents = [setup.plan, setup.binding, *setup.profiles.values(), *setup.methodologies.values()]
    for text in dict.fromkeys(map(leaf.canonical, contents)):
        if not book.content.has(leaf.digest(text)):
            yield from leaf.blobs(text)
    yield config


def _config(book: Book, setup: Setup, now: Moment) -> Config:
    return Config(
        boot=now.boot,
        boottime=now.boottime,
        ts=now.ts,
        clock=now.state,
        number=book.config.number + 1 if book.config else 1,
        agent=AGENT,
        tzdata=TZDATA_VERSION,
        plan=setup.plan_digest,
        binding=setup.binding_digest,
        profiles={name: leaf.digest(leaf.canonical(p)) for name, p in setup.profiles.items()},
        methodologies={name: leaf.digest(leaf.canonical(m)) for name, m in setup.methodologies.items()},
    )


def _meaning(config: Config) -> tuple[object, ...]:
    return (config.agent, config.tzdata, config.plan, config.binding, config.profiles, config.methodologies)
