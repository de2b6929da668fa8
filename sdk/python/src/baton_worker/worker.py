"""A worker on pika. One thread, the caller of run(), owns the connection and decides everything; each handler
runs on a thread of its own, at most `threads` at once.

    delivery → (turn of its key) → free thread → handler → report → confirm → ack

Tasks that ask for heartbeats are acked when they begin, after a confirmed `started`, and reported alive
while the handler works. Reports outlive a lost connection; tasks that were not acked come again and are
answered from memory if they are done."""
from __future__ import annotations

import logging
import random
import signal
import threading
import time
from queue import SimpleQueue
from typing import Any, Dict, List, Optional, Set, Tuple

import pika
import pika.exceptions

from . import announcement
from .base import LOOK_PAUSE, BaseWorker, Kind, log, show_logs
from .contract import BackOff, Problem, Report, memory_key, report, report_of_result, turn_key
from .memory import Memory
from .task import PROGRESS_PAUSE, Task, beat_interval

#: The loop wakes at least this often, for signals.
TICK = 0.25


class _Assignment:
    """A task between delivery and ack. Of the connection's thread, but for `task`."""

    def __init__(self, kind: Kind, task: Task, channel: Any, tag: int) -> None:
        self.kind, self.task, self.channel, self.tag = kind, task, channel, tag
        self.is_acked = False
        self.turn = turn_key(task.info)
        self.ends_at: Optional[float] = None
        self.beats_at: Optional[float] = None
        self.told: Optional[Report] = None   # progress that waits
        self.told_at = 0.0


class Worker(BaseWorker):
    """`threads` handlers run at once; `prefetch` tasks are held per type (default: twice as many). `queue="eu"`
    consumes mail.create.eu instead of mail.create. After SIGTERM running handlers have `grace` seconds. `version` is
    what `baton workers` shows."""

    def __init__(self, url: Optional[str] = None, *, name: str = "worker", threads: int = 4, prefetch: Optional[int] = None,
                 queue: str = "", memory: Optional[Memory] = None, grace: float = 30.0, version: str = "") -> None:
        super().__init__(url, name, queue, memory, grace, version)
        self.threads, self.prefetch = threads, prefetch or 2 * threads
        self._connection: Optional[pika.BlockingConnection] = None
        self._tasks: Any = None                     # channel: consumes, acks, says what need not be safe
        self._reports: Any = None                   # channel: confirmed
        self._missing: Set[str] = set()             # types whose queue is not there
        self._complained: Set[str] = set()
        self._consumers: Dict[str, str] = {}        # tag to type
        self._hears_cancels = False
        self._announcing: Any = None                # channel; None until it is needed
        self._announces_at = 0.0                    # infinity: we may not
        self._looks_at = 0.0
        self._pending: List[_Assignment] = []
        self._running: Set[_Assignment] = set()
        self._told: "SimpleQueue[Tuple[Task, Report]]" = SimpleQueue()
        self._done: "SimpleQueue[Tuple[_Assignment, Optional[Report]]]" = SimpleQueue()
        self._unsent: List[Tuple[_Assignment, Optional[Report]]] = []
        self._stop = threading.Event()
        self._stops_at: Optional[float] = None      # when the grace is over

    def stop(self) -> None:
        """As SIGTERM: from any thread."""
        self._stop.set()
        self._wake()

    def run(self) -> None:
        """Until SIGTERM, SIGINT or stop(): finishes what runs, gives back the rest."""
        show_logs()
        before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                before[number] = signal.signal(number, lambda *_: self._stop.set())
        try:
            self._run()
        finally:
            for number, action in before.items():
                signal.signal(number, action)

    # --- the connection -----------------------------------------------------------------------------

    def _run(self) -> None:
        pause = BackOff()
        while not self._is_over():
            try:
                self._connect()
                pause.reset()
                while not self._is_over():
                    assert self._connection is not None
                    self._connection.process_data_events(time_limit=self._pause())
                    if not (self._tasks.is_open and self._reports.is_open):
                        raise pika.exceptions.AMQPError("the broker closed a channel")
                    self._turn()
            except (pika.exceptions.AMQPError, OSError) as lost:
                seconds = pause.pause(random.random())
                log.warning("no connection: %s; again in %.1f s", str(lost) or repr(lost), seconds)
                self._forget_connection()
                self._stop.wait(seconds)
                self._begin_stop()
                self._watch_time(time.monotonic())
        self._say_goodbye()
        self._forget_connection()
        log.info("stopped")

    def _connect(self) -> None:
        parameters = pika.URLParameters(self.url)
        parameters.client_properties = {"connection_name": self.name}
        self._connection = pika.BlockingConnection(parameters)
        self._tasks = self._connection.channel()
        self._tasks.basic_qos(prefetch_count=self.prefetch)
        self._tasks.add_on_cancel_callback(self._on_consumer_cancelled)
        self._reports = self._connection.channel()
        self._reports.confirm_delivery()
        self._missing, self._consumers, self._hears_cancels, self._looks_at = set(self._kinds), {}, False, 0.0
        self._announcing, self._announces_at = None, 0.0
        log.info("connected as %s", self.name)

    def _announce(self, now: float) -> None:
        """Who may not, or finds no such exchange yet, works all the same."""
        assert self._connection is not None
        self._announces_at = now + announcement.INTERVAL
        try:
            if self._announcing is None or not self._announcing.is_open:
                self._announcing = self._connection.channel()
                self._announcing.confirm_delivery()  # so that a refusal is heard
            for kind in self._kinds.values():
                self._announcing.basic_publish(announcement.EXCHANGE, kind.type, announcement.announcement(
                    kind.type, kind.schema, worker=self.name, queue=kind.queue, concurrency=self.threads, version=self.version),
                    pika.BasicProperties(type=announcement.TYPE, content_type="application/json", expiration=announcement.EXPIRATION))
        except pika.exceptions.ChannelClosedByBroker as refused:
            if refused.reply_code == 403:
                self._announces_at = float("inf")
        except (pika.exceptions.ChannelWrongStateError, pika.exceptions.NackError):
            pass  # once more at the next time

    def _say_goodbye(self) -> None:
        try:
            if self._connection is not None and self._announcing is not None and self._announcing.is_open and self._kinds:
                self._announcing.basic_publish(announcement.EXCHANGE, next(iter(self._kinds)), announcement.farewell(self.name),
                                               pika.BasicProperties(type=announcement.GONE_TYPE, content_type="application/json"))
        except (pika.exceptions.AMQPError, OSError):
            pass

    def _forget_connection(self) -> None:
        self._pending.clear()  # they come again
        connection, self._connection = self._connection, None
        try:
            if connection is not None and connection.is_open:
                connection.close()
        except (pika.exceptions.AMQPError, OSError):
            pass

    def _wake(self) -> None:
        """From any thread but a signal's handler."""
        connection = self._connection
        try:
            if connection is not None:
                connection.add_callback_threadsafe(lambda: None)
        except pika.exceptions.AMQPError:
            pass

    def _look_for_queues(self) -> None:
        """Consumes what is there; the rest comes when a workflow that uses it is deployed."""
        assert self._connection is not None
        for type in sorted(self._missing):
            kind = self._kinds[type]
            channel = self._connection.channel()
            try:
                channel.queue_declare(kind.queue, passive=True)
                channel.close()
            except pika.exceptions.ChannelClosedByBroker as refused:
                if type not in self._complained:
                    log.warning("waiting for a workflow that uses %s: %s", type, refused.reply_text)
                    self._complained.add(type)
                continue
            tag = self._tasks.basic_consume(
                kind.queue, lambda channel, method, properties, body, kind=kind: self._on_delivery(kind, method, properties, body))
            self._consumers[tag] = type
            self._missing.discard(type)
            self._complained.discard(type)
            log.info("ready for %s", type)
        if not self._hears_cancels:
            self._listen_for_cancels()

    def _listen_for_cancels(self) -> None:
        assert self._connection is not None
        channel = self._connection.channel()
        try:
            channel.exchange_declare("baton.control", exchange_type="topic", durable=True, passive=True)
            own = channel.queue_declare("", exclusive=True, auto_delete=True).method.queue
            for type in self._kinds:
                channel.queue_bind(own, "baton.control", f"cancel.{type}")
            channel.basic_consume(own, self._on_cancel, auto_ack=True)
            self._hears_cancels = True
        except pika.exceptions.ChannelClosedByBroker as refused:
            if "cancels" not in self._complained:
                log.warning("hears no cancels yet: %s", refused.reply_text)
                self._complained.add("cancels")

    def _on_consumer_cancelled(self, frame: Any) -> None:
        type = self._consumers.pop(frame.method.consumer_tag, None)
        if type is not None:
            log.warning("the queue of %s is gone", type)
            self._missing.add(type)

    # --- the loop -----------------------------------------------------------------------------------

    def _pause(self) -> float:
        moments = [a.ends_at for a in self._running if a.ends_at is not None and not a.task.is_cancelled]
        moments += [a.beats_at for a in self._running if a.beats_at is not None]
        if self._unsent or any(a.told for a in self._running):
            moments.append(time.monotonic() + PROGRESS_PAUSE)
        return max(0.0, min([TICK, *(moment - time.monotonic() for moment in moments)]))

    def _turn(self) -> None:
        now = time.monotonic()
        self._begin_stop()
        if self._stops_at is None and now >= self._looks_at and (self._missing or not self._hears_cancels):
            self._look_for_queues()
            self._looks_at = time.monotonic() + LOOK_PAUSE
        if self._stops_at is None and now >= self._announces_at:
            self._announce(now)
        self._watch_time(now)
        self._take_told()
        self._send_beats(now)
        self._finish_done()
        self._start_pending()
        self._finish_done()

    def _begin_stop(self) -> None:
        if not self._stop.is_set() or self._stops_at is not None:
            return
        self._stops_at = time.monotonic() + self.grace
        log.info("stopping: %d run, %d are given back", len(self._running), len(self._pending))
        if self._connection is not None and self._connection.is_open:
            for tag in list(self._consumers):
                self._tasks.basic_cancel(tag)
            for one in self._pending:
                self._tasks.basic_nack(one.tag, requeue=True)
        self._pending.clear()

    def _is_over(self) -> bool:
        if self._stops_at is None:
            return False
        if not self._running and self._done.empty() and not self._unsent:
            return True
        # Handlers that look at is_cancelled have another moment to end.
        return time.monotonic() > self._stops_at + min(5.0, self.grace)

    def _watch_time(self, now: float) -> None:
        for one in self._running:
            if one.ends_at is not None and now >= one.ends_at:
                one.task.end("timeout")
            if self._stops_at is not None and now >= self._stops_at:
                one.task.end("stopping")

    # --- one task -----------------------------------------------------------------------------------

    def _on_delivery(self, kind: Kind, method: Any, properties: Any, body: bytes) -> None:
        info, wrong = self._read(kind, body, properties.correlation_id, properties.reply_to, properties.headers)
        one = _Assignment(kind, Task(info, self._tell), self._tasks, method.delivery_tag)
        if self._stops_at is not None:
            self._tasks.basic_nack(one.tag, requeue=True)
        elif wrong is not None:
            self._done.put((one, report("failed", wrong.as_json())))
        else:
            self._pending.append(one)

    def _on_cancel(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        for one in [*self._pending, *self._running]:
            if one.task.info.token and one.task.info.token == properties.correlation_id:
                one.task.end("cancelled")

    def _start_pending(self) -> None:
        waiting, self._pending = self._pending, []
        busy = {one.turn for one in self._running if one.turn}
        for one in waiting:
            if one.turn in busy:
                self._pending.append(one)
                continue
            known = self._known_answer(one)
            if known is not None:
                self._done.put((one, known))
            elif len(self._running) >= self.threads:
                self._pending.append(one)
            else:
                self._start(one)
                if one.turn:
                    busy.add(one.turn)

    def _known_answer(self, one: _Assignment) -> Optional[Report]:
        """What can be said without calling the handler."""
        info = one.task.info
        known = self._recalled(info)
        if known is not None:
            return known
        if one.task.is_cancelled:
            return report("cancelled", {})
        if memory_key(info):
            try:
                result = self.memory.get(memory_key(info))
                if result is not None:
                    return Report("completed", result)
            except Exception as error:
                log.error("the memory cannot be read: %s", error)
        return self._out_of_question(info)

    def _start(self, one: _Assignment) -> None:
        info, now = one.task.info, time.monotonic()
        started = report("started", {"worker": self.name})
        self._running.add(one)
        if info.heartbeat is not None:
            try:
                self._publish(self._reports, one, started)
            except pika.exceptions.NackError:
                self._running.discard(one)
                self._pending.append(one)
                return
            except BaseException:
                self._running.discard(one)
                raise
            one.channel.basic_ack(one.tag)
            one.is_acked = True
            one.beats_at = now + beat_interval(info.heartbeat)
        elif info.run:
            self._publish(self._tasks, one, started)
        one.task.begin()
        one.ends_at = now + info.timeout if info.timeout is not None else None
        threading.Thread(target=self._perform, args=(one,), name=info.type, daemon=True).start()

    def _perform(self, one: _Assignment) -> None:
        """On a thread of its own."""
        said: Optional[Report]
        try:
            result = one.kind.handler(one.task)
            said = report_of_result(result)
            if said.kind == "completed" and memory_key(one.task.info):
                try:
                    self.memory.put(memory_key(one.task.info), said.body)
                except Exception as error:
                    log.error("the memory cannot be written: %s", error)
        except BaseException as error:
            said = one.task.report_of(error)
            if isinstance(error, Problem) and not error.attempt:
                self._holds.hold(one.kind.type, error, time.monotonic())
            log.log(logging.INFO if isinstance(error, Problem) or one.task.is_cancelled else logging.ERROR,
                    "%s of run %s: %r", one.kind.type, one.task.info.run or "none", error,
                    exc_info=not (isinstance(error, Problem) or one.task.is_cancelled))
        self._done.put((one, said))
        self._wake()

    def _finish_done(self) -> None:
        ready, self._unsent = self._unsent, []
        while not self._done.empty():
            ready.append(self._done.get())
        self._take_told()  # what a handler said before it ended comes before its result
        while ready:
            one, said = ready[0]
            try:
                self._finish(one, said)
            except pika.exceptions.NackError:
                self._unsent.append((one, said))  # refused for the moment
            except BaseException:
                self._unsent = ready
                raise
            ready.pop(0)

    def _finish(self, one: _Assignment, said: Optional[Report]) -> None:
        info = one.task.info
        is_of_now = one.channel is self._tasks and self._tasks.is_open
        if said is None:
            if is_of_now and not one.is_acked:
                self._tasks.basic_nack(one.tag, requeue=True)
            self._running.discard(one)
            return
        self._remember(info, said)
        # A caller without a run waits for one answer, which comes later then.
        if not (said.kind == "deferred" and not info.run):
            self._publish(self._reports, one, said)
        if is_of_now and not one.is_acked:
            self._tasks.basic_ack(one.tag)
            one.is_acked = True
        self._running.discard(one)

    # --- reports ------------------------------------------------------------------------------------

    def _publish(self, channel: Any, one: _Assignment, said: Report) -> None:
        """On the channel of reports: returns once the broker has it."""
        info = one.task.info
        if not info.reply_to:
            return
        channel.basic_publish("", info.reply_to, said.body, pika.BasicProperties(
            type=said.kind, correlation_id=info.token or None, content_type="application/json",
            delivery_mode=2 if channel is self._reports else 1))

    def _tell(self, task: Task, said: Report) -> None:
        """From a handler's thread."""
        self._told.put((task, said))
        self._wake()

    def _take_told(self) -> None:
        by_task = {id(one.task): one for one in self._running}
        while not self._told.empty():
            task, said = self._told.get()
            one = by_task.get(id(task))
            if one is None or not task.info.run:
                continue
            if said.kind == "heartbeat":
                one.told = said  # the newest is enough
            else:
                try:
                    # Where the result goes, too: between two channels there is no order.
                    self._publish(self._reports, one, said)
                except pika.exceptions.NackError:
                    log.warning("the broker did not take a line of the run's log")

    def _send_beats(self, now: float) -> None:
        for one in self._running:
            is_due = one.beats_at is not None and now >= one.beats_at
            if one.told is not None and now >= one.told_at + PROGRESS_PAUSE:
                said, one.told, one.told_at = one.told, None, now
            elif is_due:
                said = report("heartbeat", one.task.last_told)
            else:
                continue
            self._publish(self._tasks, one, said)
            if one.task.info.heartbeat is not None:
                one.beats_at = now + beat_interval(one.task.info.heartbeat)
