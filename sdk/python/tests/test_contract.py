"""The pure parts: tasks, reports, problems, schemas, memories, holds, pauses."""
import json
import os
import tempfile
import unittest
from datetime import datetime, timedelta, timezone

from baton_worker import Deferred, Problem, ProcessMemory, SqliteMemory, not_now, permanent, temporary
from baton_worker.announcement import announcement, json_schema
from baton_worker.contract import (BackOff, Holds, memory_key, read_handle, read_task, report, report_of_error,
                                   report_of_result, turn_key)
from baton_worker.schema import check_schema, complaints, refusal
from baton_worker.task import Task


def task(body=b"{}", headers=None, token="t", reply_to="r", type="mail.create"):
    return read_task(type, body=body, token=token, reply_to=reply_to, headers=headers)


class TasksTest(unittest.TestCase):
    def test_headers_of_any_type_become_fields(self):
        read = task(b'{"a": 1}', {
            "baton-run": b"run-1", "baton-attempt": "3", "baton-max-attempts": 5, "baton-timeout": 1500,
            "baton-heartbeat": "3000", "baton-deadline": 1700000000000, "baton-idempotency-key": "k",
            "baton-last-progress": '{"done": 4}', "traceparent": "00-1-2-01"})
        self.assertEqual((read.run, read.attempt, read.max_attempts), ("run-1", 3, 5))
        self.assertEqual((read.timeout, read.heartbeat, read.deadline), (1.5, 3.0, 1700000000.0))
        self.assertEqual((read.parameters, read.last_progress, read.traceparent), ({"a": 1}, {"done": 4}, "00-1-2-01"))

    def test_a_call_without_headers_is_a_task(self):
        read = task(b"", None, None, None)
        self.assertEqual((read.parameters, read.token, read.reply_to, read.attempt), ({}, "", "", 1))
        self.assertIsNone(read.timeout)
        self.assertEqual((memory_key(read), turn_key(read)), ("", ""))

    def test_headers_that_make_no_sense_are_as_absent(self):
        read = task(headers={"baton-timeout": "soon", "baton-attempt": -2, "baton-heartbeat": 0, "baton-last-progress": "{"})
        self.assertEqual((read.timeout, read.attempt, read.heartbeat, read.last_progress), (None, 1, None, None))

    def test_what_is_no_task_is_said_back(self):
        for body, headers in ((b"{", None), (b"[]", None), (b"\xff", None), (b"", {"baton-blob": "http://x"})):
            with self.assertRaises(Problem) as refused:
                task(body, headers)
            self.assertEqual((refused.exception.type, refused.exception.retryable), ("baton.bad_task", False))

    def test_keys_tell_types_apart(self):
        headers = {"baton-idempotency-key": "k"}
        self.assertNotEqual(memory_key(task(headers=headers)), memory_key(task(headers=headers, type="mail.delete")))
        self.assertEqual(turn_key(task(headers=headers)), memory_key(task(headers=headers)))
        self.assertEqual(turn_key(task()), "token t")

    def test_a_handle_names_reply_queue_and_token(self):
        self.assertEqual(read_handle(task(token="run/a#1", reply_to="baton.report.7").handle), ("baton.report.7", "run/a#1"))
        for bad in ("", "???", "W10=", "WzEsIDJd"):
            with self.assertRaises(ValueError):
                read_handle(bad)


class ReportsTest(unittest.TestCase):
    def test_results(self):
        self.assertEqual(report_of_result({"a": "ä"}), report("completed", {"a": "ä"}))
        self.assertEqual(report_of_result(None).body, b"null")
        self.assertEqual(report_of_result(Deferred()), report("deferred", {}))

    def test_moments_are_told_in_utc(self):
        until = datetime(2026, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
        self.assertEqual(json.loads(report_of_result(Deferred(until)).body), {"until": "2026-01-31T12:00:00.000Z"})

    def test_a_result_that_is_no_json_is_a_failure(self):
        for result in ({1, 2}, float("nan"), object(), "\ud800", "x" * (17 << 20)):
            said = report_of_result(result)
            self.assertEqual((said.kind, json.loads(said.body)["type"]), ("failed", "baton.bad_report"))

    def test_problems(self):
        self.assertEqual(permanent("a", "b", status=409, data={"c": 1}).as_json(),
                         {"type": "a", "detail": "b", "status": 409, "data": {"c": 1}, "retryable": False})
        self.assertEqual(temporary("a", retry_after=2).as_json(), {"type": "a", "retryable": True, "retry_after": 2})
        self.assertEqual(not_now("a", retry_after=0).as_json(), {"type": "a", "retryable": True, "retry_after": 0, "attempt": False})

    def test_errors(self):
        said = report_of_error(KeyError("x"), is_cancelled=False)
        self.assertEqual((said.kind, json.loads(said.body)), ("failed", {"type": "KeyError", "detail": "'x'", "retryable": True}))
        self.assertEqual(report_of_error(KeyError("x"), is_cancelled=True).kind, "cancelled")

    def test_why_a_task_ended_decides_what_is_said(self):
        def said(cause, **headers):
            one = Task(task(headers=headers), lambda task, report: None)
            one.end(cause)
            one.end("later causes do not count")
            return one.report_of(ValueError("x"))
        self.assertEqual(said("cancelled").kind, "cancelled")
        self.assertEqual(json.loads(said("timeout").body)["type"], "timeout")
        self.assertIsNone(said("stopping"))
        self.assertIs(json.loads(said("stopping", **{"baton-heartbeat": 100}).body)["attempt"], False)


class SchemaTest(unittest.TestCase):
    SCHEMA = {"address": str, "quota_mb?": int, "ratio?": float, "on?": bool, "names?": list, "any?": object, "id?": (int, str)}

    def test_what_fits(self):
        for more in ({}, {"quota_mb": 5}, {"quota_mb": 5.0}, {"ratio": 1}, {"on": False}, {"names": []}, {"any": {}}, {"id": 7},
                     {"id": "7"}, {"quota_mb": None}):
            self.assertEqual(complaints(self.SCHEMA, {"address": "a", **more}), [])

    def test_all_complaints_at_once(self):
        said = refusal(self.SCHEMA, {"adress": "a", "quota_mb": True, "ratio": "1", "id": []}).detail
        for part in ("'address' is missing", "'quota_mb' must be a whole number", "'ratio' must be a number",
                     "'id' must be a whole number or a text", "'adress' is not known; did you mean 'address'?"):
            self.assertIn(part, said)

    def test_without_a_schema_everything_goes(self):
        self.assertIsNone(refusal(None, {"x": 1}))
        self.assertIsNotNone(refusal({}, {"x": 1}))

    def test_a_schema_that_makes_no_sense_is_said_at_once(self):
        with self.assertRaises(TypeError):
            check_schema({"a": "string"})


class MemoryTest(unittest.TestCase):
    def test_the_process_forgets_the_oldest(self):
        memory = ProcessMemory(limit=2, bytes_max=10)
        for key, value in (("a", b"1"), ("b", b"2"), ("a", b"3"), ("c", b"4")):
            memory.put(key, value)
        self.assertEqual([memory.get(key) for key in "abc"], [b"3", None, b"4"])
        memory.put("d", b"123456789")
        self.assertEqual([memory.get(key) for key in "acd"], [None, b"4", b"123456789"])
        memory.put("e", b"x" * 11)
        self.assertIsNone(memory.get("e"))

    def test_the_file_outlives_the_process_but_not_its_time(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "m")
            memory = SqliteMemory(path)
            memory.put("a", b"1")
            memory.put("a", b"2")
            memory.close()
            again = SqliteMemory(path)
            self.assertEqual((again.get("a"), again.get("b")), (b"2", None))
            again.close()
            forgetful = SqliteMemory(path, keep=-1)
            self.assertIsNone(forgetful.get("a"))
            forgetful.close()


class PausesTest(unittest.TestCase):
    def test_a_hold_ends(self):
        holds = Holds()
        self.assertIsNone(holds.problem("a", 0))
        holds.hold("a", not_now("busy", "why", retry_after=10), 100)
        said = holds.problem("a", 104)
        self.assertEqual((said.type, said.retry_after, said.attempt), ("busy", 6, False))
        self.assertIsNone(holds.problem("b", 104))
        self.assertIsNone(holds.problem("a", 110))
        holds.hold("a", not_now("busy"), 0)
        self.assertEqual(holds.problem("a", 0).retry_after, Holds.PAUSE)

    def test_pauses_grow_and_begin_anew(self):
        pause = BackOff(first=1, most=3)
        self.assertEqual([pause.pause(0.5) for _ in range(4)], [1, 2, 3, 3])
        pause.reset()
        self.assertEqual((pause.pause(0), pause.pause(1)), (0.75, 2.5))


class AnnouncementTest(unittest.TestCase):
    def test_a_schema_becomes_json_schema(self):
        made = json_schema({"address": str, "quota_mb?": int, "to": (str, list), "more?": object, "share": float})
        self.assertEqual(made["properties"], {"address": {"type": "string"}, "quota_mb": {"type": ["integer", "null"]},
                                              "to": {"type": ["string", "array"]}, "more": {}, "share": {"type": "number"}})
        self.assertEqual((made["required"], made["additionalProperties"]), (["address", "to", "share"], False))
        self.assertNotIn("required", json_schema({"a?": str}))

    def test_what_is_said(self):
        said = json.loads(announcement("a.b", None, worker="w@h:1", queue="baton.task.a.b", concurrency=3, version="2"))
        self.assertEqual((said["task"], said["worker"], said["every"], said["concurrency"], said["version"]), ("a.b", "w@h:1", 30, 3, "2"))
        self.assertNotIn("parameters", said)


if __name__ == "__main__":
    unittest.main()
