"""The worker of the SDK's tests, on pika (`worker.py pika`) or on asyncio (`worker.py aio`). What happened is written
into files of the folder SDK_FOLDER, one line per call of a handler."""
import asyncio
import os
import pathlib
import sys
import time

from baton_worker import Deferred, SqliteMemory, not_now, permanent

FOLDER = pathlib.Path(os.environ["SDK_FOLDER"])
PREFIX = os.environ["SDK_PREFIX"]
IS_ASYNC = sys.argv[1] == "aio"


def note(name, text=""):
    """Returns how many lines there were before."""
    with open(FOLDER / name, "a") as file:
        file.write(f"{text}\n")
    return len((FOLDER / name).read_text().splitlines()) - 1


def slow(task):
    note("slow", task["n"])
    try:
        task.sleep(task["seconds"])
    except Exception:
        note(f"slow-{task['n']}", task.cause)
        raise
    return {"n": task["n"]}


async def slow_async(task):
    note("slow", task["n"])
    try:
        await asyncio.sleep(task["seconds"])
    except asyncio.CancelledError:
        note(f"slow-{task['n']}", task.cause)
        raise
    return {"n": task["n"]}


def stubborn(task):
    """Does not look whether somebody waits."""
    note("stubborn", task.idempotency_key)
    time.sleep(task["seconds"])
    return {"key": task.idempotency_key, "run": task.info.run}


def steps(task):
    first = (task.last_progress or {}).get("done", 0)
    note("steps", first)
    for done in range(first, task["count"]):
        time.sleep(0.1)
        task.progress({"done": done + 1})
    task.log(f"all {task['count']}")
    return {"first": first, "attempt": task.info.attempt}


def later(task):
    note("later", task.handle)
    return Deferred()


def busy(task):
    if note("busy") < 2:
        raise not_now("busy", "come back later", retry_after=0.3)
    return {"calls": note("busy")}


def once(task):
    return {"call": note("once")}


def strict(task):
    if not task["address"].endswith("@example.org"):
        raise permanent("no_such_domain", f"{task['address']} is not ours")
    return {"address": task["address"]}


def count(task):
    time.sleep(0.04)
    (FOLDER / f"count-{task['n']}").touch()
    return {"n": task["n"]}



options = dict(name="sdk-test", memory=SqliteMemory(str(FOLDER / "memory.sqlite")), prefetch=8,
               grace=float(os.environ.get("SDK_GRACE", "10")), version="7.1")
if IS_ASYNC:
    from baton_worker.aio import Worker
    worker = Worker(tasks=4, **options)
    worker.task(f"{PREFIX}.slow")(slow_async)
else:
    from baton_worker import Worker
    worker = Worker(threads=4, **options)
    worker.task(f"{PREFIX}.slow")(slow)
for handler in (stubborn, steps, later, busy, once, count):
    worker.task(f"{PREFIX}.{handler.__name__}")(handler)
worker.task(f"{PREFIX}.strict", parameters={"address": str, "quota_mb?": int})(strict)
if IS_ASYNC:
    asyncio.run(worker.run())
else:
    worker.run()
