"""Tasks and reports as values, and how they look as AMQP messages. Pure: no sockets, no clock, no threads."""
from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Dict, Mapping, Optional, Tuple

#: A report of which nobody reads more than this is refused by the server.
BODY_BYTES_MAX = 16 * 1024 * 1024


class Problem(Exception):
    """What a handler raises to say why it failed. Workflows compare `type`; people read `detail`."""

    def __init__(self, type: str, detail: str = "", *, title: str = "", status: int = 0, data: Any = None,
                 retryable: bool = True, retry_after: Optional[float] = None, attempt: bool = True) -> None:
        super().__init__(f"{type}: {detail}" if detail else type)
        self.type, self.detail, self.title, self.status, self.data = type, detail, title, status, data
        self.retryable, self.retry_after, self.attempt = retryable, retry_after, attempt

    def as_json(self) -> Dict[str, Any]:
        said: Dict[str, Any] = {"type": self.type, "retryable": self.retryable}
        if self.title:
            said["title"] = self.title
        if self.detail:
            said["detail"] = self.detail
        if self.status:
            said["status"] = self.status
        if self.data is not None:
            said["data"] = self.data
        if self.retry_after is not None:
            said["retry_after"] = self.retry_after
        if not self.attempt:
            said["attempt"] = False
        return said


class CancelledTask(Exception):
    """Raised by `task.check()` when nobody waits for the result any more."""


def permanent(type: str, detail: str = "", *, status: int = 0, data: Any = None) -> Problem:
    """Will not get better by itself: the same parameters fail again. `raise permanent(...)`."""
    return Problem(type, detail, status=status, data=data, retryable=False)


def temporary(type: str, detail: str = "", *, retry_after: Optional[float] = None, status: int = 0,
              data: Any = None) -> Problem:
    """May work later; not before `retry_after` seconds."""
    return Problem(type, detail, status=status, data=data, retry_after=retry_after)


def not_now(type: str, detail: str = "", *, retry_after: Optional[float] = None, data: Any = None) -> Problem:
    """The target did not let us try (429, maintenance, wrong key): uses up no attempt, however often. The worker answers
    its other tasks of this type the same, without asking the target, until `retry_after` seconds are over."""
    return Problem(type, detail, data=data, retry_after=retry_after, attempt=False)


@dataclass(frozen=True)
class Deferred:
    """What a handler returns when the result comes later, from somewhere else: see `complete` and `Task.handle`."""
    until: Optional[datetime] = None

    def as_json(self) -> Dict[str, Any]:
        if self.until is None:
            return {}
        moment = self.until if self.until.tzinfo else self.until.astimezone()
        return {"until": moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")}


@dataclass(frozen=True)
class TaskInfo:
    """One attempt at a task, as the server sent it. Durations are seconds, moments seconds since 1970."""
    type: str
    parameters: Dict[str, Any]
    token: str = ""
    reply_to: str = ""
    idempotency_key: str = ""
    workflow: str = ""
    version: int = 0
    run: str = ""
    step: str = ""
    item: str = ""
    attempt: int = 1
    max_attempts: int = 0
    timeout: Optional[float] = None
    deadline: Optional[float] = None
    heartbeat: Optional[float] = None
    last_progress: Any = None
    traceparent: str = ""
    tracestate: str = ""
    headers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def handle(self) -> str:
        """All that somebody needs who completes a deferred task: a text to be stored."""
        return base64.urlsafe_b64encode(json.dumps([self.reply_to, self.token]).encode()).decode()


def read_handle(handle: str) -> Tuple[str, str]:
    """(reply_to, token) of a handle; ValueError if it is none."""
    try:
        reply_to, token = json.loads(base64.urlsafe_b64decode(handle.encode()))
    except (ValueError, TypeError) as error:
        raise ValueError("this is no handle of a task") from error
    if not isinstance(reply_to, str) or not isinstance(token, str):
        raise ValueError("this is no handle of a task")
    return reply_to, token


class _Headers:
    """Reads headers whatever type the sender chose: numbers as text, text as bytes."""

    def __init__(self, table: Optional[Mapping[str, Any]]) -> None:
        self.table = table or {}

    def text(self, name: str) -> str:
        value = self.table.get(name)
        if value is None:
            return ""
        return value.decode("utf-8", "replace") if isinstance(value, (bytes, bytearray)) else str(value)

    def number(self, name: str) -> Optional[int]:
        try:
            return int(self.text(name))
        except ValueError:
            return None

    def seconds(self, name: str) -> Optional[float]:
        millis = self.number(name)
        return millis / 1000 if millis is not None and millis > 0 else None


def read_task(type: str, *, body: bytes, token: Optional[str], reply_to: Optional[str],
              headers: Optional[Mapping[str, Any]]) -> TaskInfo:
    """Raises a Problem that can be sent back if this cannot be a task."""
    read = _Headers(headers)
    if not body and read.text("baton-blob"):
        raise permanent("baton.bad_task", "the parameters are in a blob (header baton-blob), which this worker cannot fetch")
    try:
        parameters = json.loads(body) if body else {}
    except ValueError as error:
        raise permanent("baton.bad_task", f"the body is not JSON: {error}") from error
    if not isinstance(parameters, dict):
        raise permanent("baton.bad_task", "the parameters must be a JSON object")
    progress: Any = None
    if read.text("baton-last-progress"):
        try:
            progress = json.loads(read.text("baton-last-progress"))
        except ValueError:
            progress = None
    return TaskInfo(
        type=type, parameters=parameters, token=token or "", reply_to=reply_to or "",
        idempotency_key=read.text("baton-idempotency-key"), workflow=read.text("baton-workflow"),
        version=read.number("baton-version") or 0, run=read.text("baton-run"), step=read.text("baton-step"),
        item=read.text("baton-item"), attempt=max(1, read.number("baton-attempt") or 1),
        max_attempts=max(0, read.number("baton-max-attempts") or 0), timeout=read.seconds("baton-timeout"),
        deadline=read.seconds("baton-deadline"), heartbeat=read.seconds("baton-heartbeat"), last_progress=progress,
        traceparent=read.text("traceparent"), tracestate=read.text("tracestate"), headers=dict(headers or {}))


@dataclass(frozen=True)
class Report:
    """What is published: the property `type` and the body."""
    kind: str
    body: bytes

    @property
    def is_last(self) -> bool:
        return self.kind in ("completed", "failed", "cancelled", "deferred")


def report(kind: str, content: Any = None) -> Report:
    """A report of any kind. A result that is no JSON, or is too large, becomes a failure that says so."""
    try:
        body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, UnicodeEncodeError) as error:
        return report("failed", permanent("baton.bad_report", f"the handler's result is not JSON: {error}").as_json())
    if len(body) > BODY_BYTES_MAX:
        return report("failed", permanent(
            "baton.bad_report", f"the result has {len(body)} bytes, at most {BODY_BYTES_MAX} are taken").as_json())
    return Report(kind, body)


def report_of_result(result: Any) -> Report:
    """What a handler returned."""
    if isinstance(result, Deferred):
        return report("deferred", result.as_json())
    return report("completed", result)


def report_of_error(error: BaseException, *, is_cancelled: bool) -> Report:
    """What a handler raised."""
    if is_cancelled:
        return report("cancelled", {})
    if isinstance(error, Problem):
        return report("failed", error.as_json())
    return report("failed", Problem(type(error).__name__, str(error)).as_json())


def memory_key(task: TaskInfo) -> str:
    """Under which the result of this task is remembered; empty: it has no identity but its own."""
    return f"{task.type} {task.idempotency_key}" if task.idempotency_key else ""


def turn_key(task: TaskInfo) -> str:
    """Tasks with the same text never run at once in one process."""
    return memory_key(task) or (f"token {task.token}" if task.token else "")


class Holds:
    """Task types whose target said "not now": until when, and what it said."""

    #: Without `retry_after` the target is left alone for so many seconds.
    PAUSE = 5.0

    def __init__(self) -> None:
        self._held: Dict[str, Tuple[float, Problem]] = {}

    def hold(self, type: str, problem: Problem, now: float) -> None:
        pause = problem.retry_after if problem.retry_after is not None else self.PAUSE
        self._held[type] = (now + pause, problem)

    def problem(self, type: str, now: float) -> Optional[Problem]:
        """The answer to a task that need not be tried, with what is left of the pause."""
        until, problem = self._held.get(type, (0.0, None))
        if problem is None:
            return None
        if now >= until:
            del self._held[type]
            return None
        return not_now(problem.type, problem.detail, retry_after=round(until - now, 3), data=problem.data)


class BackOff:
    """Pauses between attempts to connect: doubled each time, a little different for each process."""

    def __init__(self, first: float = 0.2, most: float = 5.0) -> None:
        self.first, self.most, self._next = first, most, first

    def reset(self) -> None:
        self._next = self.first

    def pause(self, chance: float) -> float:
        """`chance` is a random number from 0 to 1."""
        pause, self._next = self._next, min(self.most, self._next * 2)
        return pause * (0.75 + chance / 2)
