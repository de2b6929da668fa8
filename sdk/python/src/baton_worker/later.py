"""Completes a deferred task from anywhere: a web hook, a command, another worker."""
from __future__ import annotations

import os
from typing import Any, Optional

import pika

from .contract import Problem, Report, read_handle, report


def _publish(handle: str, content: Report, url: Optional[str]) -> None:
    reply_to, token = read_handle(handle)
    where = url or os.environ.get("BATON_AMQP") or "amqp://guest:guest@127.0.0.1:5672/"
    connection = pika.BlockingConnection(pika.URLParameters(where))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", reply_to, content.body, pika.BasicProperties(
            type=content.kind, correlation_id=token, content_type="application/json", delivery_mode=2), mandatory=True)
    finally:
        connection.close()


def complete(handle: str, result: Any = None, *, url: Optional[str] = None) -> None:
    """`handle` is the `task.handle` of a task whose handler returned `Deferred`. Returns once the broker has the result."""
    _publish(handle, report("completed", result), url)


def fail(handle: str, problem: Problem, *, url: Optional[str] = None) -> None:
    _publish(handle, report("failed", problem.as_json()), url)
