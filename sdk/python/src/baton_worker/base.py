"""What both workers share: their options, who performs what, and what can be said of a task without calling its handler."""
from __future__ import annotations

import logging
import os
import socket
import time
from typing import Any, Callable, Dict, Mapping, Optional, Tuple

from .contract import Holds, Problem, Report, TaskInfo, read_task, report, temporary
from .memory import Memory, ProcessMemory
from .schema import Schema, check_schema, refusal
from .task import Task

Handler = Callable[[Task], Any]

log = logging.getLogger("baton_worker")

#: How often a queue that is missing is looked for.
LOOK_PAUSE = 1.0


def name_of_process(name: str) -> str:
    return f"{name}@{socket.gethostname()}:{os.getpid()}"


def default_url(url: Optional[str]) -> str:
    return url or os.environ.get("BATON_AMQP") or "amqp://guest:guest@127.0.0.1:5672/"


def show_logs() -> None:
    """A program that set up no logging still says what it does."""
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        for name in ("pika", "aiormq", "aio_pika"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


class Kind:
    """A task type and who performs it."""

    def __init__(self, type: str, handler: Callable[..., Any], schema: Optional[Schema], queue: str) -> None:
        if schema is not None:
            check_schema(schema)
        self.type, self.handler, self.schema = type, handler, schema
        self.queue = f"baton.task.{type}.{queue}" if queue else f"baton.task.{type}"


class BaseWorker:
    def __init__(self, url: Optional[str], name: str, queue: str, memory: Optional[Memory], grace: float, version: str) -> None:
        self.url, self.name, self.version = default_url(url), name_of_process(name), version
        self.queue, self.grace = queue, grace
        self.memory: Memory = ProcessMemory() if memory is None else memory
        self._kinds: Dict[str, Kind] = {}
        self._holds = Holds()
        self._recent = ProcessMemory(1024)  # last reports by token

    def task(self, type: str, *, parameters: Optional[Schema] = None) -> Callable[[Handler], Handler]:
        """Decorates the handler of a task type. With `parameters`, others are refused (see baton_worker.schema)."""
        def register(handler: Handler) -> Handler:
            self._kinds[type] = Kind(type, handler, parameters, self.queue)
            return handler
        return register

    def _read(self, kind: Kind, body: bytes, token: Optional[str], reply_to: Optional[str],
              headers: Optional[Mapping[str, Any]]) -> Tuple[TaskInfo, Optional[Problem]]:
        """The task, and why it is refused."""
        try:
            info = read_task(kind.type, body=body, token=token, reply_to=reply_to, headers=headers)
            return info, refusal(kind.schema, info.parameters)
        except Problem as unreadable:
            return read_task(kind.type, body=b"", token=token, reply_to=reply_to, headers={}), unreadable

    def _recalled(self, info: TaskInfo) -> Optional[Report]:
        """What was found out of this attempt, and perhaps not acked."""
        known = self._recent.get(info.token) if info.token else None
        if known is None:
            return None
        kind, _, body = known.partition(b"\n")
        return Report(kind.decode(), body)

    def _remember(self, info: TaskInfo, said: Report) -> None:
        if info.token:
            self._recent.put(info.token, said.kind.encode() + b"\n" + said.body)

    def _out_of_question(self, info: TaskInfo) -> Optional[Report]:
        """Too late, or its target is left alone for a while."""
        if info.deadline is not None and time.time() > info.deadline:
            return report("failed", temporary("baton.expired", "the task's deadline had passed before it began").as_json())
        held = self._holds.problem(info.type, time.monotonic())
        return report("failed", held.as_json()) if held is not None else None
