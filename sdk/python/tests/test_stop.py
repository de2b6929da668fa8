"""A stop while the worker is still taking up its queues: what happens between two awaits."""
import asyncio
import types
import unittest

try:
    from baton_worker.aio import Worker
except ImportError:
    Worker = None


@unittest.skipUnless(Worker, "aio-pika is not installed")
class StopTest(unittest.IsolatedAsyncioTestCase):
    async def test_a_queue_that_is_taken_up_meanwhile_and_slow_answers_harm_nothing(self):
        worker = Worker("amqp://nowhere/", grace=0.1)
        worker._stop, worker._gives_up = asyncio.Event(), asyncio.Event()
        cancelled = []

        class Queue:
            async def cancel(self, tag):
                consumers["late"] = (self, "tag-late")
                await asyncio.sleep(0.3)
                cancelled.append(tag)
        consumers = {f"kind-{n}": (Queue(), f"tag-{n}") for n in range(8)}
        worker._session = types.SimpleNamespace(consumers=consumers, is_lost=True)
        began = asyncio.get_running_loop().time()
        await worker._finish()
        self.assertEqual(sorted(cancelled), [f"tag-{n}" for n in range(8)])
        self.assertLess(asyncio.get_running_loop().time() - began, 1.5, "one after the other")


if __name__ == "__main__":
    unittest.main()
