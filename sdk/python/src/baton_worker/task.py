"""What a handler is given, and what all workers know of a task between delivery and ack."""
from __future__ import annotations

import threading
import time
from typing import Any, Callable, Dict, Optional

from .contract import CancelledTask, Report, TaskInfo, report, report_of_error, temporary, Problem

#: Progress is sent at most this often, however often a handler tells it.
PROGRESS_PAUSE = 0.2
#: Heartbeats are sent this many times within the interval that the task asks for.
BEATS = 3


def beat_interval(heartbeat: float) -> float:
    return max(heartbeat / BEATS, 0.05)


class Task:
    """One attempt at a task. Any thread may use it. `task["address"]` is a parameter, `task.info` all that is known."""

    def __init__(self, info: TaskInfo, tell: Callable[["Task", Report], None]) -> None:
        self.info = info
        self._tell = tell
        self._ended = threading.Event()
        self._cause: Optional[str] = None
        self._began = time.monotonic()
        self.last_told: Any = {}  # by progress()

    # --- parameters

    @property
    def parameters(self) -> Dict[str, Any]:
        return self.info.parameters

    def __getitem__(self, name: str) -> Any:
        return self.info.parameters[name]

    def __contains__(self, name: object) -> bool:
        return name in self.info.parameters

    def get(self, name: str, otherwise: Any = None) -> Any:
        return self.info.parameters.get(name, otherwise)

    @property
    def idempotency_key(self) -> str:
        """The same for all attempts at this work: the target is asked by it whether the work is done."""
        return self.info.idempotency_key

    @property
    def last_progress(self) -> Any:
        """What the previous attempt told last by progress(), to go on from there; None at the first."""
        return self.info.last_progress

    @property
    def handle(self) -> str:
        """For `complete` and `fail` from elsewhere, when the handler returns `Deferred`."""
        return self.info.handle

    # --- while it runs

    @property
    def is_cancelled(self) -> bool:
        """Nobody waits for the result any more: it was cancelled, its time is up, or the worker must stop now."""
        return self._ended.is_set()

    @property
    def cause(self) -> Optional[str]:
        """Why it is cancelled: "cancelled", "timeout", "stopping"."""
        return self._cause

    def check(self) -> None:
        """Raises CancelledTask if nobody waits any more. Long handlers call it between two steps."""
        if self._ended.is_set():
            raise CancelledTask(self._cause)

    def sleep(self, seconds: float) -> None:
        """As time.sleep, but ended by CancelledTask as soon as nobody waits any more."""
        if self._ended.wait(seconds):
            raise CancelledTask(self._cause)

    def remaining(self) -> Optional[float]:
        """Seconds until the attempt's time is up; None without a limit."""
        if self.info.timeout is None:
            return None
        return max(0.0, self._began + self.info.timeout - time.monotonic())

    def progress(self, value: Any) -> None:
        """Any JSON, often {"percent": 40, "message": "…"}; a later attempt finds it as last_progress."""
        self.last_told = value
        self._tell(self, report("heartbeat", value))

    def log(self, text: str, level: str = "info") -> None:
        """A line in the run's log."""
        self._tell(self, report("log", {"level": level, "text": text}))

    # --- for workers

    def begin(self) -> None:
        self._began = time.monotonic()

    def end(self, cause: str) -> None:
        if not self._ended.is_set():
            self._cause = cause
            self._ended.set()

    def report_of(self, error: BaseException) -> Optional[Report]:
        """What is said about a handler that raised; None: the task is given back."""
        if self._cause == "stopping":
            if self.info.heartbeat is None:
                return None
            # Acked at its beginning, so it cannot be given back; that this process ends is nobody's attempt.
            return report("failed", Problem("worker_stopped", "the worker was stopped", retry_after=0, attempt=False).as_json())
        if self._cause == "timeout":
            return report("failed", temporary("timeout", f"not done within {self.info.timeout} s").as_json())
        return report_of_error(error, is_cancelled=self._cause == "cancelled")
