"""Workers for Baton workflows. `Worker` performs tasks on threads (pika); `baton_worker.aio.Worker` performs
coroutines (aio-pika, the extra `asyncio`). Handlers, problems, schemas and memories are the same for both."""
from .contract import (CancelledTask, Deferred, Problem, TaskInfo, not_now, permanent, temporary)
from .memory import Memory, NoMemory, ProcessMemory, SqliteMemory
from .later import complete, fail
from .task import Task
from .worker import Worker

__all__ = [
    "CancelledTask", "Deferred", "Memory", "NoMemory", "Problem", "ProcessMemory", "SqliteMemory", "Task", "TaskInfo",
    "Worker", "complete", "fail", "not_now", "permanent", "temporary",
]
