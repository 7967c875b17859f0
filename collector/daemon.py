"""The collector's table of contents: it wires, schedules, owns the clock and handles signals.

    network thread    raw bytes -> Archive.keep -> acknowledged to the broker once durable
    receiving         oldest arrival -> Receiver.handle -> receipt or answer
    admission         logs that grew, sites whose approvals changed -> verdicts
    scheduler         presence, requests on the spool, the daily integrity check, overdue checks of people

Receipts never wait for admission: the two stages share nothing but the database.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue

from apscheduler.schedulers.background import BackgroundScheduler

from collector import database, own, spool
from collector import methodologies as compare
from collector.admit import Admission
from collector.archive import OTHERS_MS, Archive, Arrival
from collector.config import Folder, Identity
from collector.enroll import Request, carry_out, spelled
from collector.loop import Loop
from collector.methodologies import MethodologyRequest
from collector.receive import Receiver
from collector.records import RecordRequest, overdue, record
from collector.registry import Registry, SiteKey
from link.failpoint import reach
from link.mqtt import Endpoint, Message, Mqtt
from link.notify import Notifier
from mrv.errors import MrvError, Unavailable, fault
from mrv.exchange import COLLECTOR_STATE, Presence, encode, topic
from mrv.log.bundle import CAP
from mrv.messages import sentence

CLIENT_ID = "mrv-collector"
#: Collectors that share a database share what arrives: each message goes to one of them (MQTT 5, 4.8.2).
SHARED = "$share/mrv-collector/"
#: No broker of ours passes more; a message beyond it is dropped unread.
MAX_MESSAGE = 4 * CAP
PRESENCE_S, SPOOL_S = 30, 1
#: Counting a long log anew takes minutes; a piece of work that takes an hour is stuck.
STALLED_S = 3600
_ONLINE = encode(Presence(version=1, state="online"))
_OFFLINE = encode(Presence(version=1, state="offline"))
#: In one place: a late job still runs, once, and never beside itself.
_JOB_DEFAULTS = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
_log = logging.getLogger(__name__)


def clock() -> int:
    """UTC ms now."""
    return time.time_ns() // 1_000_000


class Daemon:
    """One running collector; the caller holds the folder's lock."""

    def __init__(
        self, folder: Folder, identity: Identity, endpoint: Endpoint, notifier: Notifier | None = None, name: str = "1"
    ) -> None:
        """Open the database. Raises link.errors."""
        self._folder = folder
        self._notifier = notifier or Notifier({})
        self._identity = identity
        self._database = database.opened(folder)
        self._archive = Archive(self._database, name)
        self._registry = Registry(self._database)
        self._admission = Admission(self._archive, self._registry)
        self._mqtt = Mqtt(
            endpoint,
            f"{CLIENT_ID}-{name}",
            [(SHARED if folder.server else "") + topic("+", "up/log"), COLLECTOR_STATE],
            self._message,
            self._link,
            will=Message(topic=COLLECTOR_STATE, payload=_OFFLINE, retain=True),
            manual_ack=True,
            largest=2 * MAX_MESSAGE,
        )
        self._receiver = Receiver(self._archive, self._registry, identity, self._publish)
        self._leaving = False
        self._unsaid: dict[str, bytes] = {}
        self._saying = threading.Lock()
        self._at_hand: Arrival | None = None
        self._tasks: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._receiving = Loop("receiving", self._receive, self._put_aside)
        self._admitting = Loop("admission", self._admit, lambda _error: None)
        self._scheduler = BackgroundScheduler(job_defaults=_JOB_DEFAULTS, timezone="UTC")

    def start(self) -> None:
        """Finish what an earlier run left, then receive."""
        for key in self._registry.every_key():
            if self._archive.behind(key.origin):  # the accounts of all others are built when they grow
                self._grown(key.origin)
            self._unsaid |= self._newest_receipt(key)
        for site in self._registry.sites():
            self._approved(site)
        self._receiving.start()
        self._admitting.start()
        self._scheduler.add_job(self._present, "interval", seconds=PRESENCE_S)
        self._scheduler.add_job(self._receiving.poke, "interval", seconds=OTHERS_MS // 1000)
        self._scheduler.add_job(self._requests, "interval", seconds=SPOOL_S)
        self._scheduler.add_job(self._integrity, "cron", hour=2, minute=17)
        self._scheduler.add_job(self._overdue, "cron", hour=7, minute=3)
        self._scheduler.start()
        self._mqtt.start()
        self._notifier.ready()

    def stop(self) -> None:
        """Say goodbye and finish the work at hand."""
        self._notifier.stopping()
        self._leaving = True
        self._scheduler.shutdown()
        self._mqtt.publish(COLLECTOR_STATE, _OFFLINE, retain=True).wait(2)
        self._mqtt.stop()
        self._receiving.stop()
        self._admitting.stop()
        self._database.close()

    # -- network thread ---------------------------------------------------------------------------------------

    def _message(self, message: Message) -> None:
        if message.topic == COLLECTOR_STATE:
            self._mqtt.ack(message)
            if message.payload == _OFFLINE and not self._leaving:
                self._present()  # one of us left, or somebody says so in our name: not all of us have
            return
        if len(message.payload) > MAX_MESSAGE:
            _log.warning("%s: %d bytes, dropped unread", message.topic, len(message.payload))
            self._mqtt.ack(message)
            return
        kept = self._archive.keep(message.topic, message.payload, clock())
        kept.add_done_callback(lambda future: self._kept(future, message))

    def _kept(self, future: Future[bool], message: Message) -> None:
        """On the writer thread: acknowledge what is durable; what is not comes again over a new connection."""
        if (error := future.exception()) is not None:
            _log.error("%s: not kept, the broker will send it again: %s", message.topic, error)
            self._mqtt.drop()
            return
        if not future.result():
            _log.warning("%s: too many messages wait already, dropped unread", message.topic)
        reach("inbox.committed")
        self._mqtt.ack(message)
        self._receiving.poke()

    def _link(self, up: bool) -> None:
        _log.info("broker %s: %s", self._mqtt.endpoint, "connected" if up else "disconnected")
        if up:
            self._present()
            self._say({})

    def _publish(self, name: str, payload: bytes, retain: bool) -> None:
        """Answers are for now or never; a receipt made while the link is down is said when it is up."""
        if retain:
            self._say({name: payload})
        else:
            self._mqtt.publish(name, payload)

    def _say(self, receipts: dict[str, bytes]) -> None:
        with self._saying:
            self._unsaid |= receipts
            for name, payload in list(self._unsaid.items()):
                if self._mqtt.publish(name, payload, retain=True).accepted:
                    del self._unsaid[name]

    def _newest_receipt(self, key: SiteKey) -> dict[str, bytes]:
        """To be said at start: an earlier run may have ended between keeping a receipt and saying it."""
        note = self._archive.head(key.origin).note
        return {topic(key.site, "down/receipt"): note.encode()} if note else {}

    # -- receiving --------------------------------------------------------------------------------------------

    def _receive(self) -> bool:
        arrival = self._at_hand = self._archive.waiting(clock())
        if arrival is None:
            return False
        if origin := self._receiver.handle(arrival, clock()):
            self._grown(origin)
        return True

    def _put_aside(self, error: Exception) -> None:
        if self._at_hand is not None:
            self._archive.set_aside(self._at_hand, repr(error)).result()

    # -- admission --------------------------------------------------------------------------------------------

    def _grown(self, origin: str) -> None:
        self._task(lambda: self._admission.catch_up(origin, clock()))

    def _approved(self, site: str) -> None:
        self._task(lambda: self._admission.judge_again(site, clock()))

    def _task(self, task: Callable[[], object]) -> None:
        self._tasks.put(task)
        self._admitting.poke()

    def _admit(self) -> bool:
        try:
            task = self._tasks.get_nowait()
        except Empty:
            return False
        try:
            task()
        except Unavailable:
            self._tasks.put(task)
            raise
        return True

    # -- scheduled --------------------------------------------------------------------------------------------

    def _present(self) -> None:
        """Said again and again: anybody at the broker may have said otherwise in our name."""
        self._heartbeat()
        self._mqtt.publish(COLLECTOR_STATE, _ONLINE, retain=True)
        if self._mqtt.trouble is not None:
            _log.warning("%s", sentence(self._mqtt.trouble))

    def _heartbeat(self) -> None:
        """Tell systemd that we live, unless a stage has been at one piece of work for far too long."""
        begun = (stage.busy_since for stage in (self._receiving, self._admitting))
        if all(since is None or time.monotonic() - since < STALLED_S for since in begun):
            self._notifier.alive()

    def _requests(self) -> None:
        for path, request in spool.requests(self._folder):
            try:
                done = self._carry_out(request)
            except MrvError as error:
                spool.answer(path, error=error)
                continue
            spool.answer(path, done)
            if isinstance(request, Request | own.OwnRequest) and done:
                self._approved(request.site)

    def _carry_out(self, request: spool.AnyRequest) -> tuple[str, ...]:
        if isinstance(request, RecordRequest):
            return record(request, self._registry, self._database, clock())
        if isinstance(request, MethodologyRequest):
            return compare.carry_out(request, self._registry, clock())
        if isinstance(request, own.OwnRequest):
            return own.carry_out(request, self._registry, clock())
        steps = carry_out(request, self._identity, self._registry, self._archive, clock())
        return tuple(map(spelled, steps))

    def _overdue(self) -> None:
        """Say every day which monthly checks nobody has signed."""
        for site in self._registry.sites():
            for late in overdue(self._database, self._registry, self._archive, site, clock()):
                _log.warning("%s", sentence(late))

    def _integrity(self) -> None:
        """Every leaf held still gives the root we cosigned."""
        for origin in self._archive.damaged():
            self._archive.alarm(origin, fault("collector.archive_damaged", origin), clock()).result()


def serve(daemon: Daemon) -> None:
    """Run until SIGTERM or SIGINT.

    The system may hand a signal to any thread, and a lock that the main thread waits for would not hear of it; what is
    written to a descriptor (signal.set_wakeup_fd) is heard whoever got it.
    """
    heard, said = socket.socketpair()
    said.setblocking(False)
    with heard, said:
        before = signal.set_wakeup_fd(said.fileno())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        daemon.start()
        try:
            heard.recv(1)
        finally:
            signal.set_wakeup_fd(before)
            daemon.stop()
