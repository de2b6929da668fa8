"""A worker on aio-pika (the extra `asyncio`): handlers are coroutines, or functions, which run on threads. What a
worker does, and in which order, is told in baton_worker.worker; here a cancel or a time-out cancels the
coroutine itself."""
from __future__ import annotations

import asyncio
import inspect
import logging
import random
import signal
import threading
import time
from typing import Any, Awaitable, Callable, Dict, List, Optional, Set, Tuple

import aio_pika
import aio_pika.exceptions
from aio_pika.abc import AbstractIncomingMessage
from aiormq.exceptions import ChannelAccessRefused

from . import announcement
from .base import LOOK_PAUSE, BaseWorker, Kind, log, show_logs
from .contract import BackOff, Problem, Report, memory_key, report, report_of_result, turn_key
from .memory import Memory, NoMemory, ProcessMemory
from .task import PROGRESS_PAUSE, Task, beat_interval

__all__ = ["Worker"]

#: A report that the broker does not take is sent again after so many seconds.
REPORT_PAUSE = 0.2
_LOST = (aio_pika.exceptions.AMQPError, ConnectionError, OSError, RuntimeError, asyncio.TimeoutError)


class _Session:
    """What belongs to one connection."""

    def __init__(self, connection: Any, tasks: Any, reports: Any) -> None:
        self.connection, self.tasks, self.reports = connection, tasks, reports
        self.underlay: Any = None            # aiormq's channel of tasks
        self.lost: "asyncio.Future[None]" = asyncio.get_running_loop().create_future()
        self.consumers: Dict[str, Any] = {}  # type to (queue, tag)
        self.hears_cancels = False
        self.announcing: Any = None          # channel; None until it is needed
        self.announces_at = 0.0              # infinity: we may not

    @property
    def is_lost(self) -> bool:
        return self.lost.done()

    def end(self, *_: Any) -> None:
        if not self.lost.done():
            self.lost.set_result(None)

    async def do(self, work: Awaitable[Any]) -> None:
        """What the library waits for on a connection that is lost meanwhile, it may wait for for ever."""
        job = asyncio.ensure_future(work)
        try:
            await asyncio.wait({job, self.lost}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not job.done():
                job.cancel()
        if not job.done():
            raise ConnectionError("the connection was lost")
        await job


class _Running:
    def __init__(self, task: Task, work: "Optional[asyncio.Future[Any]]" = None) -> None:
        self.task, self.work = task, work
        self.is_telling = False
        self.lines: "Set[asyncio.Task[None]]" = set()       # of the run's log, on their way
        self.waiting: "Optional[asyncio.Task[Any]]" = None  # for its turn and its place: the job to be woken

    def end(self, cause: str) -> None:
        self.task.end(cause)
        if self.work is not None and not self.work.done():
            self.work.cancel()


class Worker(BaseWorker):
    """`tasks` handlers run at once; the rest is as in baton_worker.Worker."""

    def __init__(self, url: Optional[str] = None, *, name: str = "worker", tasks: int = 16, prefetch: Optional[int] = None,
                 queue: str = "", memory: Optional[Memory] = None, grace: float = 30.0, version: str = "") -> None:
        super().__init__(url, name, queue, memory, grace, version)
        self.tasks, self.prefetch = tasks, prefetch or 2 * tasks
        self._complained: Set[str] = set()
        self._turns: Dict[str, List[Any]] = {}       # key to [lock, how many want it]
        self._running: Set[_Running] = set()
        self._jobs: "Set[asyncio.Task[None]]" = set()

    def stop(self) -> None:
        """As SIGTERM: from any thread, while run() runs."""
        self._loop.call_soon_threadsafe(self._stop.set)

    async def run(self) -> None:
        """Until SIGTERM, SIGINT or stop(): finishes what runs, gives back the rest."""
        show_logs()
        self._loop = asyncio.get_running_loop()
        self._stop, self._gives_up = asyncio.Event(), asyncio.Event()
        self._session: Optional[_Session] = None
        self._connected = asyncio.Event()
        self._places = asyncio.Semaphore(self.tasks)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._loop.add_signal_handler(number, self._stop.set)
        link = asyncio.create_task(self._keep_connected())
        try:
            await self._stop.wait()
            await self._finish()
        finally:
            link.cancel()
            await asyncio.gather(link, return_exceptions=True)
        log.info("stopped")

    # --- the connection -----------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        pause = BackOff()
        while True:
            reason: Any = "it was closed"
            try:
                session = await self._connect()
                pause.reset()
                try:
                    await self._serve(session)
                finally:
                    self._session = None
                    self._connected.clear()
                    await asyncio.shield(self._close(session))
            except _LOST as lost:
                reason = str(lost) or repr(lost)
            seconds = pause.pause(random.random())
            log.warning("no connection: %s; again in %.1f s", reason, seconds)
            await asyncio.sleep(seconds)

    async def _connect(self) -> _Session:
        connection = await aio_pika.connect(self.url, client_properties={"connection_name": self.name}, timeout=30)
        tasks = await connection.channel(publisher_confirms=False)
        await tasks.set_qos(prefetch_count=self.prefetch)
        session = _Session(connection, tasks, await connection.channel(publisher_confirms=True))
        # aio-pika 9 has a method for what was a property before.
        find = getattr(tasks, "get_underlay_channel", None)
        session.underlay = await find() if find is not None else tasks.channel
        for closing in (connection, session.tasks, session.reports):
            closing.close_callbacks.add(session.end)
        self._session = session
        self._connected.set()
        log.info("connected as %s", self.name)
        return session

    async def _close(self, session: _Session) -> None:
        try:
            await asyncio.wait_for(session.connection.close(), 5)
        except _LOST:
            pass

    async def _serve(self, session: _Session) -> None:
        """Until the connection is lost: looks for queues, and for those that went."""
        while not session.is_lost:
            self._drop_ended_consumers(session)
            is_complete = session.hears_cancels and len(session.consumers) == len(self._kinds)
            if not self._stop.is_set() and not is_complete:
                await self._look_for_queues(session)
            if not self._stop.is_set() and time.monotonic() >= session.announces_at:
                await self._announce(session)
            await asyncio.wait({session.lost}, timeout=LOOK_PAUSE)

    async def _announce(self, session: _Session) -> None:
        """Who may not, or finds no such exchange yet, works all the same."""
        session.announces_at = time.monotonic() + announcement.INTERVAL
        try:
            if session.announcing is None or session.announcing.is_closed:
                session.announcing = await session.connection.channel(publisher_confirms=True)
            exchange = await session.announcing.get_exchange(announcement.EXCHANGE, ensure=False)
            for kind in self._kinds.values():
                body = announcement.announcement(kind.type, kind.schema, worker=self.name, queue=kind.queue,
                                                 concurrency=self.tasks, version=self.version)
                await exchange.publish(aio_pika.Message(body, type=announcement.TYPE, content_type="application/json",
                                                        expiration=3 * announcement.INTERVAL), kind.type)
        except ChannelAccessRefused:
            session.announces_at = float("inf")
        except aio_pika.exceptions.AMQPError:
            session.announcing = None

    async def _say_goodbye(self, session: _Session) -> None:
        if session.announcing is None or session.announcing.is_closed or not self._kinds:
            return
        try:
            exchange = await session.announcing.get_exchange(announcement.EXCHANGE, ensure=False)
            message = aio_pika.Message(announcement.farewell(self.name), type=announcement.GONE_TYPE, content_type="application/json")
            await asyncio.wait_for(exchange.publish(message, next(iter(self._kinds))), 5)
        except _LOST:
            pass

    def _drop_ended_consumers(self, session: _Session) -> None:
        """The broker ends a consumer whose queue is deleted; aiormq strikes it off its list and tells nobody."""
        alive = getattr(session.underlay, "consumers", None)
        for type, (_, tag) in list(session.consumers.items()):
            if alive is not None and tag not in alive:
                log.warning("the queue of %s is gone", type)
                del session.consumers[type]

    async def _look_for_queues(self, session: _Session) -> None:
        for type, kind in self._kinds.items():
            if type in session.consumers:
                continue
            channel = await session.connection.channel(publisher_confirms=False)
            try:
                await channel.declare_queue(kind.queue, passive=True)
                await channel.close()
            except aio_pika.exceptions.ChannelClosed as refused:
                if type not in self._complained:
                    log.warning("waiting for a workflow that uses %s: %s", type, refused)
                    self._complained.add(type)
                continue
            self._complained.discard(type)
            if self._stop.is_set():
                return
            queue = await session.tasks.get_queue(kind.queue, ensure=False)
            tag = await queue.consume(self._taker(session, kind))
            if self._stop.is_set():  # meanwhile; who stops has seen the others only
                await self._quietly(session, queue.cancel(tag))
                return
            session.consumers[type] = (queue, tag)
            log.info("ready for %s", type)
        if not session.hears_cancels:
            await self._listen_for_cancels(session)

    async def _listen_for_cancels(self, session: _Session) -> None:
        channel = await session.connection.channel(publisher_confirms=False)
        try:
            exchange = await channel.declare_exchange("baton.control", aio_pika.ExchangeType.TOPIC, durable=True, passive=True)
            own = await channel.declare_queue(exclusive=True, auto_delete=True)
            for type in self._kinds:
                await own.bind(exchange, f"cancel.{type}")
            await own.consume(self._on_cancel, no_ack=True)
            session.hears_cancels = True
        except aio_pika.exceptions.ChannelClosed as refused:
            if "cancels" not in self._complained:
                log.warning("hears no cancels yet: %s", refused)
                self._complained.add("cancels")

    async def _on_cancel(self, message: AbstractIncomingMessage) -> None:
        for one in list(self._running):
            if one.task.info.token and one.task.info.token == message.correlation_id:
                one.end("cancelled")

    async def _finish(self) -> None:
        log.info("stopping: %d tasks", len(self._jobs))
        session = self._session
        if session is not None:
            # All at once: one after the other they would take the time that handlers have.
            cancels = [queue.cancel(tag) for queue, tag in session.consumers.values()]
            try:
                await asyncio.wait_for(asyncio.gather(*cancels, return_exceptions=True), 5)
            except _LOST:
                pass
        for one in self._running:
            if one.waiting is not None:
                one.waiting.cancel()
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=self.grace)
        self._gives_up.set()
        for one in list(self._running):
            one.end("stopping")
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=min(5.0, self.grace))
        for job in self._jobs:
            job.cancel()
        if self._session is not None and not self._session.is_lost:
            await self._say_goodbye(self._session)

    # --- one task -----------------------------------------------------------------------------------

    def _taker(self, session: _Session, kind: Kind) -> Callable[[AbstractIncomingMessage], Awaitable[None]]:
        async def take(message: AbstractIncomingMessage) -> None:
            self._spawn(self._handle(session, kind, message))
        return take

    async def _handle(self, session: _Session, kind: Kind, message: AbstractIncomingMessage) -> None:
        info, wrong = self._read(kind, message.body, message.correlation_id, message.reply_to, message.headers)
        one = _Running(Task(info, lambda task, said: self._tell(one, said)))
        self._running.add(one)
        try:
            said, is_acked = (report("failed", wrong.as_json()), False) if wrong is not None \
                else await self._go_through(session, kind, one, message)
            if said is None:
                await self._quietly(session, message.nack(requeue=True))
                return
            # A caller without a run waits for one answer, which comes later then.
            if said.kind == "deferred" and not info.run or await self._report(info, said):
                if not is_acked:
                    await self._quietly(session, message.ack())
        except _LOST as lost:
            log.warning("%s comes again: %r", kind.type, lost)
        finally:
            self._running.discard(one)

    async def _go_through(self, session: _Session, kind: Kind, one: _Running,
                          message: AbstractIncomingMessage) -> "Tuple[Optional[Report], bool]":
        """The report, or None if the task is given back; and whether it is acked already."""
        info, is_acked = one.task.info, False
        one.waiting = asyncio.current_task()
        try:
            async with _Turn(self._turns, turn_key(info)), self._places:
                one.waiting = None
                said = await self._known_answer(one.task)
                # What has not begun is given back; over a lost connection it comes again by itself.
                if said is None and not self._stop.is_set() and not session.is_lost:
                    is_acked = await self._begin(session, one.task, message)
                    said = await self._perform(kind, one)
                    if one.lines:
                        await asyncio.wait(one.lines)
                if said is not None:
                    self._remember(info, said)
                return said, is_acked
        except asyncio.CancelledError:
            if one.waiting is None:
                raise
            return None, False

    async def _known_answer(self, task: Task) -> Optional[Report]:
        """What can be said without calling the handler."""
        info = task.info
        known = self._recalled(info)
        if known is not None:
            return known
        if task.cause == "cancelled":
            return report("cancelled", {})
        if memory_key(info):
            try:
                result = await self._ask_memory(self.memory.get, memory_key(info))
                if result is not None:
                    return Report("completed", result)
            except Exception as error:
                log.error("the memory cannot be read: %s", error)
        return self._out_of_question(info)

    async def _ask_memory(self, ask: Callable[..., Any], *about: Any) -> Any:
        """A file is waited for on another thread."""
        if isinstance(self.memory, (ProcessMemory, NoMemory)):
            return ask(*about)
        return await self._on_thread(lambda: ask(*about), "memory")

    async def _begin(self, session: _Session, task: Task, message: AbstractIncomingMessage) -> bool:
        """Says that it begins; true if the task is acked with that."""
        started = report("started", {"worker": self.name})
        if task.info.heartbeat is not None:
            await self._publish(task.info, started, is_safe=True)
            await session.do(message.ack())
            return True
        if task.info.run:
            await self._publish(task.info, started, is_safe=False)
        return False

    async def _perform(self, kind: Kind, one: _Running) -> Optional[Report]:
        task, info = one.task, one.task.info
        task.begin()
        beats = asyncio.create_task(self._beat(task)) if info.heartbeat is not None else None
        timer = self._loop.call_later(info.timeout, one.end, "timeout") if info.timeout is not None else None
        try:
            if inspect.iscoroutinefunction(kind.handler):
                work = one.work = asyncio.ensure_future(kind.handler(task))
                said = report_of_result(await work)
            else:
                # A thread cannot be ended; it looks at task.is_cancelled.
                said = report_of_result(await self._on_thread(lambda: kind.handler(task), info.type))
            if said.kind == "completed" and memory_key(info):
                try:
                    await self._ask_memory(self.memory.put, memory_key(info), said.body)
                except Exception as error:
                    log.error("the memory cannot be written: %s", error)
            return said
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and task.cause is None:
                raise  # the loop ends
            if isinstance(error, Problem) and not error.attempt:
                self._holds.hold(kind.type, error, time.monotonic())
            is_known = isinstance(error, Problem) or task.is_cancelled
            log.log(logging.INFO if is_known else logging.ERROR, "%s of run %s: %r", kind.type, info.run or "none", error,
                    exc_info=not is_known)
            return task.report_of(error)
        finally:
            if beats is not None:
                beats.cancel()
            if timer is not None:
                timer.cancel()

    def _on_thread(self, what: Callable[[], Any], name: str) -> "asyncio.Future[Any]":
        future: "asyncio.Future[Any]" = self._loop.create_future()

        def finish(result: Any, error: Optional[BaseException]) -> None:
            if not future.cancelled():
                future.set_exception(error) if error is not None else future.set_result(result)

        def work() -> None:
            result, problem = None, None
            try:
                result = what()
            except BaseException as error:
                problem = error if isinstance(error, Exception) else RuntimeError(repr(error))
            try:
                self._loop.call_soon_threadsafe(finish, result, problem)
            except RuntimeError:
                pass  # the loop has ended
        threading.Thread(target=work, name=name, daemon=True).start()
        return future

    # --- reports ------------------------------------------------------------------------------------

    async def _publish(self, info: Any, said: Report, *, is_safe: bool) -> None:
        """`is_safe`: returns once the broker has it."""
        session = self._session
        if session is None:
            raise ConnectionError("no connection")
        if info.reply_to:
            channel = session.reports if is_safe else session.tasks
            await session.do(channel.default_exchange.publish(aio_pika.Message(
                said.body, type=said.kind, correlation_id=info.token or None, content_type="application/json",
                delivery_mode=2 if is_safe else 1), info.reply_to, mandatory=False))

    async def _report(self, info: Any, said: Report) -> bool:
        """Until the broker has it for good; false if that will not happen any more."""
        while True:
            try:
                await self._publish(info, said, is_safe=True)
                return True
            except (*_LOST, asyncio.CancelledError):  # libraries cancel what waits on a lost connection
                if self._gives_up.is_set():
                    return False
                await asyncio.sleep(REPORT_PAUSE)

    async def _quietly(self, session: _Session, action: Awaitable[Any]) -> None:
        """An ack over a connection that is gone: the task comes again and is answered from memory."""
        try:
            await session.do(action)
        except _LOST:
            pass

    async def _pass(self, info: Any, said: Report, *, is_safe: bool = False) -> None:
        try:
            await self._publish(info, said, is_safe=is_safe)
        except _LOST:
            pass  # worth nothing later

    async def _beat(self, task: Task) -> None:
        while True:
            await asyncio.sleep(beat_interval(task.info.heartbeat or 0))
            await self._pass(task.info, report("heartbeat", task.last_told))

    def _tell(self, one: _Running, said: Report) -> None:
        """From any thread."""
        if one.task.info.run:
            self._loop.call_soon_threadsafe(self._tell_here, one, said)

    def _tell_here(self, one: _Running, said: Report) -> None:
        task = one.task
        if said.kind != "heartbeat":
            line = self._spawn(self._pass(task.info, said, is_safe=True))
            one.lines.add(line)
            line.add_done_callback(one.lines.discard)
        elif not one.is_telling:
            # The newest is enough, and now and then.
            one.is_telling = True
            self._loop.call_later(PROGRESS_PAUSE / 4, self._tell_progress, one)

    def _tell_progress(self, one: _Running) -> None:
        one.is_telling = False
        if one in self._running:
            self._spawn(self._pass(one.task.info, report("heartbeat", one.task.last_told)))

    def _spawn(self, work: Any) -> "asyncio.Task[None]":
        job = self._loop.create_task(work)
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job


class _Turn:
    """Tasks with one key come one after the other."""

    def __init__(self, turns: Dict[str, List[Any]], key: str) -> None:
        self.turns, self.key = turns, key

    async def __aenter__(self) -> None:
        if self.key:
            turn = self.turns.setdefault(self.key, [asyncio.Lock(), 0])
            turn[1] += 1
            try:
                await turn[0].acquire()
            except BaseException:
                self._leave(turn)
                raise

    async def __aexit__(self, *_: Any) -> None:
        if self.key:
            turn = self.turns[self.key]
            turn[0].release()
            self._leave(turn)

    def _leave(self, turn: List[Any]) -> None:
        turn[1] -= 1
        if turn[1] == 0:
            del self.turns[self.key]
