"""The agent's table of contents: what is wired to what, what runs when, who owns the clock, how it ends.

    bus loops --round--> recorder --leaves--> store (one transaction)
        |                   |  ledger: gaps before, periods closed after
    timekeeper --clock leaf-'        '--checkpoint--> publisher --bundle--> broker
                                                          ^--receipt-- office

At start the log is read back, the new run is written into it, what the agent was down for becomes gaps; then the same
code runs as ever after.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from agent import begin, config, enrol, health, keys, store
from agent.clock import Clock, Moment, SystemClock, Timekeeper
from agent.close import Ledger
from agent.config import Setup
from agent.crosscheck import Witness
from agent.fresh import Freshness
from agent.identity import Introduced
from agent.lock import locked
from agent.poll import BusLoop, never
from agent.publish import Publisher
from agent.record import Recorder
from agent.sleep import Sleep
from agent.spool import Spool
from agent.store import Store
from agent.turn import Turn
from agent.watchdog import Progress
from drivers import lines, sun
from drivers.bus import Bus, Habits
from drivers.lease import Tenant
from drivers.meter import Meter
from drivers.wiring import Line, RtuLine, Site
from link.mqtt import Endpoint
from link.notify import Notifier
from link.tls import Tls
from mrv.errors import Fault, MrvError
from mrv.leaf import Clock as ClockLeaf
from mrv.log.checkpoint import Checkpoint, issue
from mrv.log.note import SigningKey
from mrv.period import instant
from mrv.reading import ClockState
from mrv.restore import restored

#: A checkpoint is cut at least this often while there is something to sign.
CHECKPOINT_MS = 15 * 60 * 1000
STATUS_S = 5
INTEGRITY_DAYS = 7
FIRST_INTEGRITY_MIN = 10
_log = logging.getLogger("mrv-agent")


def run(folder: Path, state: Path, environment: Mapping[str, str]) -> None:
    """Run until SIGTERM or SIGINT. Raises MrvError when configuration, key, lock or database are not fit for it."""
    setup = config.load(folder)
    with locked(state):
        key = keys.load(state, keys.origin(setup.site.org, setup.site.site))
        if setup.site.collector.tls:
            enrol.door_key(state, make=False)
        log = Store(state / store.FILE)
        try:
            notifier = Notifier(environment)
            asyncio.run(Daemon(setup, key, log, SystemClock(), state, site=folder, notifier=notifier).run())
        finally:
            log.close()


def night(site: Site) -> Callable[[int], bool]:
    """Whether it is too dark for an inverter at UTC ms; never, while nobody has said where the site is."""
    if site.latitude is None or site.longitude is None:
        return never
    return partial(sun.dark, latitude=float(site.latitude), longitude=float(site.longitude))


class Daemon:
    """One run of the agent."""

    def __init__(
        self,
        setup: Setup,
        key: SigningKey,
        log: Store,
        clock: Clock,
        state: Path,
        connect: Callable[[Line, Habits], Bus] = lines.connect,
        *,
        rent: Callable[[Line, Callable[[], Awaitable[None]]], Tenant] = Tenant,
        site: Path | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        self.setup = setup
        self.key = key
        self.store = log
        self.clock = clock
        self.state = state
        self._connect = connect
        self._rent = rent
        self.damage: Fault | None = None
        self.foreign: Fault | None = None
        book = restored(log, verify=False)
        self.ledger = Ledger(book, [meter.id for meter in setup.site.meters])
        self.recorder = Recorder(log, self.ledger, self._sign, self._checkpointed)
        self.time = Timekeeper(
            clock,
            boot=begin.boot_number(book, clock.boot_id),
            source=setup.site.clock.sync,
            announce=self._clock_changed,
        )
        self.buses: dict[str, Bus] = {}
        self.tenants: dict[str, Tenant] = {}
        self.loops: list[BusLoop] = []
        self.witnesses: list[Witness] = []
        self.spool = Spool(site or state.parent, [meter.id for meter in setup.site.meters])
        self.publisher: Publisher | None = None
        self._scheduler: AsyncIOScheduler | None = None
        self._last_cut = 0
        self._notifier = notifier or Notifier({})
        self._progress = Progress(recorded=clock.read().boottime)

    # -- life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Begin, go on until a signal or a fault that must not be ignored, end in order."""
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        self.publisher = self._publisher()  # first: a receipt of another history, met by an earlier run, stops signing
        await self.begin()
        self.wire()
        self._schedule()
        work: list[Coroutine[Any, Any, None]] = [self.recorder.run(), self.publisher.run()]
        tasks = [asyncio.create_task(job) for job in (*work, *(loop.run() for loop in self.loops))]
        ending = asyncio.create_task(stop.wait())
        self._notifier.ready()
        try:
            done, _ = await asyncio.wait([*tasks, ending], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {ending}:
                task.result()
        finally:
            await self.end([*tasks, ending])

    async def begin(self) -> None:
        """Write this run into the log, account for the time since the last one, and say what readings mean now."""
        now = self.time.now()
        self._last_cut = now.boottime
        book = self.ledger.book
        opening = begin.opening(book, self.setup, self.key.vkey, now, self.clock.boot_id, clean=self.store.clean)
        await self.recorder.append(list(opening), now)
        await self.recorder.drain()
        if now.state is not ClockState.UNKNOWN:
            await self.recorder.append(self.ledger.overdue(now.ts, now), now)
        await self.recorder.append(list(begin.configuration(book, self.setup, now)), now)
        await self.take_up()  # before anything is read: an experimental profile counts from its comparison on
        _log.info("log %s opened at size %d, clock %s", self.key.name, self.store.size, now.state)

    async def end(self, tasks: list[asyncio.Task[Any]]) -> None:
        """Stop asking, keep what was seen, sign it, say goodbye."""
        self._notifier.stopping()
        if self._scheduler:
            self._scheduler.shutdown(wait=False)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for bus in self.buses.values():
            await bus.close()
        for tenant in self.tenants.values():
            await tenant.leave()
        try:
            await self.recorder.drain()
            await self.recorder.checkpoint(self.time.now(), clean=True)
        finally:
            if self.publisher:
                await self.publisher.stop()
            self._write_status("stopped")

    # -- wiring -----------------------------------------------------------------------------------------------

    def wire(self) -> None:
        """One loop per line that has meters."""
        site = self.setup.site
        bound = {meter.meter: meter for meter in self.setup.binding.meters}
        turns: dict[str, list[Turn]] = {line.id: [] for line in site.buses}
        self.buses = {
            line.id: self._connect(line, lines.habits_of(site, line.id, self.setup.profiles)) for line in site.buses
        }
        self.tenants = {line.id: self._rent(line, self.buses[line.id].close) for line in site.buses}
        direct = {line.id for line in site.buses if isinstance(line, RtuLine)}
        for meter in site.meters:
            profile = self.setup.profiles[meter.profile]
            turns[meter.bus].append(
                Turn(
                    meter=meter.id,
                    every=meter.every,
                    source=self._watched(Meter(bound[meter.id], profile, self.buses[meter.bus], meter.unit)),
                    sleep=Sleep() if profile.kind == "inverter" else None,
                    freshness=None if meter.bus in direct else Freshness(),
                )
            )
        number = self.ledger.book.config.number if self.ledger.book.config else 0
        self.loops = [
            BusLoop(
                turns[line.id],
                self.time,
                config=number,
                emit=self.recorder.put,
                frontier=self.ledger.frontier,
                retries=line.retries,
                ours=self.tenants[line.id].ours,
                dark=night(site),
            )
            for line in site.buses
            if turns[line.id]
        ]

    def _watched(self, meter: Meter) -> Introduced:
        """A meter that is asked who it is, and whose energy and power are compared."""
        number = self.ledger.book.config.number if self.ledger.book.config else 0
        witness = Witness(meter, self.recorder.put, config=number)
        self.witnesses.append(witness)
        return Introduced(meter, self.time.now, self.recorder.put, config=number, watch=witness)

    def _publisher(self) -> Publisher:
        office = self.setup.site.collector
        return Publisher(
            self.setup.site.site,
            Endpoint(
                host=office.host, port=office.port, tls=Tls.inside(self.state / enrol.FOLDER) if office.tls else None
            ),
            self.store,
            self.clock,
            key=self.key.public,
            cosigners=self.setup.cosigners,
            on_receipt=self._write_status,
            on_foreign=self._rolled_back,
        )

    def _schedule(self) -> None:
        """Everything that is done now and then; the polling is not among it (agent/poll.py)."""
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._add_jobs()
        self._scheduler.start()

    def _add_jobs(self) -> None:
        """Anew after every clock leaf: an interval counted from a start in the future would be silent until then."""
        if self._scheduler is None:
            return
        self._scheduler.remove_all_jobs()
        now, add = datetime.now(UTC), self._scheduler.add_job
        first_check = now + timedelta(minutes=FIRST_INTEGRITY_MIN)
        add(self._heartbeat, "interval", seconds=STATUS_S, start_date=now, next_run_time=now)
        add(self._checkpoint_by_time, "interval", minutes=1, start_date=now)
        add(self._check_integrity, "interval", days=INTEGRITY_DAYS, start_date=now, next_run_time=first_check)

    # -- what happens when ------------------------------------------------------------------------------------

    def _clock_changed(self, leaf: ClockLeaf) -> None:
        """Into the log before anything stamped after it; jobs counted on wall time start counting again."""
        _log.info("clock: %s, now %s, moved by %d ms", leaf.why, leaf.clock, leaf.step)
        self.recorder.put(leaf)
        self._add_jobs()

    def _sign(self, size: int, root: bytes) -> str:
        return issue(Checkpoint(self.key.name, size, root), self.key)

    def _checkpointed(self) -> None:
        self._last_cut = self.clock.read().boottime
        if self.publisher:
            self.publisher.wake()

    def _rolled_back(self, why: Fault) -> None:
        """The office holds a history we do not: sign nothing on top of it, keep recording, say so."""
        _log.error("%s %s", why.code, why.params)
        self.recorder.signing = False
        self.foreign = why

    async def _heartbeat(self) -> None:
        await self.take_up()
        self._write_status()
        now = self.clock.read().boottime
        self._progress = self._progress.next(now, waiting=self.recorder.waiting)
        if self._progress.alive(now, (loop.looked for loop in self.loops)):
            self._notifier.alive()

    async def take_up(self) -> None:
        """What people recorded at the site becomes leaves, each once."""
        book = self.ledger.book
        for taken in self.spool.waiting() if book.config else ():
            if taken.digest not in book.records:
                now, number = self.time.now(), book.config.number if book.config else 0
                if not await self.recorder.note([taken.event(number, now)], now):
                    return
            self.spool.done(taken)

    async def _checkpoint_by_time(self) -> None:
        now = self.time.now()
        if now.boottime - self._last_cut <= CHECKPOINT_MS:
            return
        try:
            await self.recorder.checkpoint(now)
        except MrvError as error:  # the disk may take it the next time
            _log.error("%s", error)

    async def _check_integrity(self) -> None:
        try:
            await asyncio.to_thread(self.store.rehash)
            self.damage = None
        except MrvError as error:
            _log.error("%s", error)
            self.damage = error.faults[0]

    def _write_status(self, state: str = "running") -> None:
        try:
            health.write(self.state, self._status(state, self.time.now()))
        except (OSError, MrvError) as error:
            _log.warning("the status file could not be written: %s", error)

    def _status(self, state: str, now: Moment) -> health.Status:
        book, publisher = self.ledger.book, self.publisher
        troubles = [self.foreign, self.damage, self.recorder.trouble, *self.spool.alarms()]
        troubles += [*health.holds(book.chains), *(witness.alarm for witness in self.witnesses)]
        if publisher:
            troubles += [publisher.mqtt.trouble, publisher.trouble, publisher.answer]
            if files := publisher.mqtt.endpoint.tls:
                troubles.append(enrol.ending(files, instant(now.ts)))
        return health.Status(
            state=state,
            pid=os.getpid(),
            updated=now.ts,
            site=self.setup.site.site,
            origin=self.key.name,
            vkey=self.key.vkey,
            clock=now.state,
            config=book.config.number if book.config else 0,
            seq=book.seq,
            closed_until=book.last_end,
            log=health.log(self.store.backlog()),
            link_up=bool(publisher and publisher.uplink.up),
            office_away=bool(publisher and publisher.uplink.office_away),
            meters=health.meters(self.loops),
            alarms=health.alarms(troubles),
        )
