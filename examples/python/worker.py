#!/usr/bin/env python3
"""A complete Baton worker in Python with pika. Handlers run on threads, so that the thread of the
connection is always there to answer the broker, however long a handler takes.

    apt-get install python3-pika     (or: pip install pika)
    BATON_AMQP=amqp://guest:guest@127.0.0.1:5672/ python3 worker.py
"""
import json
import os
import socket
import threading
import time
from functools import partial

import pika


class Invalid(Exception):
    """The caller's fault: the same parameters fail again."""


def greet(parameters, headers):
    """Your code: parameters in, result out. It looks by baton-idempotency-key whether the work is done."""
    if "name" not in parameters:
        raise Invalid("'name' is missing")
    time.sleep(parameters.get("seconds", 0))
    return {"text": f"Hello, {parameters['name']}", "run": headers.get("baton-run"),
            "key": headers.get("baton-idempotency-key")}


TASKS = {os.environ.get("BATON_TASK", "hello.greet"): greet}
ME = {"worker": f"python@{socket.gethostname()}:{os.getpid()}"}


def report(channel, task, kind, content):
    """Returns once the broker has it."""
    if task.reply_to:
        channel.basic_publish("", task.reply_to, json.dumps(content), pika.BasicProperties(
            type=kind, correlation_id=task.correlation_id, content_type="application/json", delivery_mode=2))


def perform(handler, task, body):
    try:
        return "completed", handler(json.loads(body or "{}"), task.headers or {})
    except Invalid as wrong:
        return "failed", {"type": "invalid_input", "detail": str(wrong), "retryable": False}
    except Exception as error:
        return "failed", {"type": type(error).__name__, "detail": str(error)}


def on_task(handler, channel, method, task, body):
    headers = task.headers or {}
    heartbeat = headers.get("baton-heartbeat", 0) / 1000
    if "baton-run" in headers:
        report(channel, task, "started", ME)
    is_done = threading.Event()
    connection = channel.connection

    def beat():
        while connection.is_open and not is_done.wait(heartbeat / 3):
            connection.add_callback_threadsafe(partial(report, channel, task, "heartbeat", {}))

    def finish(kind, content):                 # on the connection's thread again
        report(channel, task, kind, content)
        channel.basic_ack(method.delivery_tag)  # only now: a crash before gives the task again

    def work():
        kind, content = perform(handler, task, body)
        is_done.set()
        try:
            connection.add_callback_threadsafe(partial(finish, kind, content))
        except pika.exceptions.ConnectionWrongStateError:
            print("the connection is gone; the task comes again")

    threading.Thread(target=work, daemon=True).start()
    if heartbeat:
        threading.Thread(target=beat, daemon=True).start()


def consume():
    connection = pika.BlockingConnection(pika.URLParameters(os.environ["BATON_AMQP"]))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_qos(prefetch_count=8)
    for name, handler in TASKS.items():
        channel.queue_declare("baton.task." + name, passive=True)  # deploying a workflow makes it
        channel.basic_consume("baton.task." + name, partial(on_task, handler))
    print("ready", flush=True)
    channel.start_consuming()


while True:
    try:
        consume()
    except pika.exceptions.ChannelClosedByBroker as refused:       # no such queue: nothing deployed yet
        print("waiting:", refused.reply_text, flush=True)
    except (pika.exceptions.AMQPError, OSError) as lost:
        print("connecting again:", repr(lost), flush=True)
    time.sleep(1)
