// The pure parts: tasks, reports, problems, schemas, memories, holds, pauses.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import {
  BackOff, handleOf, Holds, memoryKey, readHandle, readTask, report, reportOfError, reportOfResult, turnKey,
} from "../dist/esm/contract.js";
import { Deferred, FolderMemory, NoMemory, notNow, permanent, ProcessMemory, Task, temporary } from "../dist/esm/index.js";
import { announcement, jsonSchema } from "../dist/esm/announcement.js";
import { urlOf } from "../dist/esm/link.js";
import { checkSchema, complaints, refusal } from "../dist/esm/schema.js";

const task = ({ body = "{}", headers, token = "t", replyTo = "r", type = "mail.create" } = {}) =>
  readTask(type, { body: Buffer.from(body, "latin1"), token, replyTo, headers });
const said = ({ kind, body }) => [kind, JSON.parse(body)];

test("headers of any type become fields", () => {
  const read = task({ body: '{"a": 1}', headers: {
    "baton-run": Buffer.from("run-1"), "baton-attempt": "3", "baton-max-attempts": 5, "baton-timeout": 1500,
    "baton-heartbeat": "3000", "baton-deadline": 1700000000000, "baton-last-progress": '{"done": 4}', traceparent: "00-1-2-01" } });
  assert.deepEqual([read.run, read.attempt, read.maxAttempts, read.timeout, read.heartbeat], ["run-1", 3, 5, 1500, 3000]);
  assert.deepEqual([read.deadline.getTime(), read.parameters, read.lastProgress], [1700000000000, { a: 1 }, { done: 4 }]);
});

test("a call without headers is a task", () => {
  const read = readTask("a", { body: Buffer.alloc(0) });
  assert.deepEqual([read.parameters, read.token, read.replyTo, read.attempt, read.timeout], [{}, "", "", 1, undefined]);
  assert.deepEqual([memoryKey(read), turnKey(read)], ["", ""]);
});

test("headers that make no sense are as absent", () => {
  const read = task({ headers: { "baton-timeout": "soon", "baton-attempt": -2, "baton-heartbeat": 0, "baton-last-progress": "{" } });
  assert.deepEqual([read.timeout, read.attempt, read.heartbeat, read.lastProgress], [undefined, 1, undefined, undefined]);
});

test("what is no task is said back", () => {
  for (const bad of [{ body: "{" }, { body: "[]" }, { body: "null" }, { body: '{"a":"\xff"}' },
    { body: "", headers: { "baton-blob": "http://x" } }])
    assert.throws(() => task(bad), { type: "baton.bad_task", options: { retryable: false } });
});

test("keys tell types apart", () => {
  const headers = { "baton-idempotency-key": "k" };
  assert.notEqual(memoryKey(task({ headers })), memoryKey(task({ headers, type: "mail.delete" })));
  assert.equal(turnKey(task({ headers })), memoryKey(task({ headers })));
  assert.equal(turnKey(task()), "token t");
});

test("a handle names reply queue and token, and is the one of the other SDKs", () => {
  assert.deepEqual(readHandle(handleOf({ replyTo: "baton.report.7", token: "run/a#1" })), { replyTo: "baton.report.7", token: "run/a#1" });
  assert.deepEqual(readHandle("WyJyIiwgInQiXQ=="), { replyTo: "r", token: "t" });
  for (const bad of ["", "???", "W10", "WzEsIDJd"]) assert.throws(() => readHandle(bad), TypeError);
});

test("results", () => {
  assert.deepEqual(said(reportOfResult({ a: "ä" })), ["completed", { a: "ä" }]);
  assert.deepEqual(said(reportOfResult(undefined)), ["completed", null]);
  assert.deepEqual(said(reportOfResult(new Deferred())), ["deferred", {}]);
  assert.deepEqual(said(reportOfResult(new Deferred(new Date(0)))), ["deferred", { until: "1970-01-01T00:00:00.000Z" }]);
});

test("a result that is no JSON is a failure", () => {
  const round = {};
  round.round = round;
  for (const result of [round, 1n, NaN, { a: Infinity }, () => 1, Symbol("a"), "x".repeat(17 << 20)]) {
    const [kind, { type }] = said(reportOfResult(result));
    assert.deepEqual([kind, type], ["failed", "baton.bad_report"]);
  }
});

test("problems", () => {
  assert.deepEqual(permanent("a", "b", { status: 409, data: { c: 1 } }).toJSON(),
    { type: "a", detail: "b", status: 409, data: { c: 1 }, retryable: false });
  assert.deepEqual(temporary("a", "", { retryAfter: 2 }).toJSON(), { type: "a", retryable: true, retry_after: 2 });
  assert.deepEqual(notNow("a", "", { retryAfter: 0 }).toJSON(), { type: "a", retryable: true, retry_after: 0, attempt: false });
  assert.deepEqual(said(reportOfError(new RangeError("x"), task())), ["failed", { type: "RangeError", detail: "x", retryable: true }]);
  assert.deepEqual(said(reportOfError("x", task())), ["failed", { type: "error", detail: "x", retryable: true }]);
  assert.deepEqual(said(report("log", { text: "a" })), ["log", { text: "a" }]);
});

test("why a task ended decides what is said", async () => {
  const ended = (why, headers) => {
    const one = new Task(task({ headers }), () => {});
    one.end(why);
    one.end("cancelled");  // later causes do not count
    assert.equal(one.cause, why);
    assert.throws(() => one.check(), { name: "TaskEnded", why });
    return reportOfError(new Error("x"), one.info, one.cause);
  };
  assert.equal(ended("cancelled").kind, "cancelled");
  assert.equal(said(ended("timeout"))[1].type, "timeout");
  assert.equal(ended("stopping"), undefined);
  assert.equal(said(ended("stopping", { "baton-heartbeat": 100 }))[1].attempt, false);
  const sleeper = new Task(task(), () => {});
  setTimeout(() => sleeper.end("timeout"), 5);
  await assert.rejects(sleeper.sleep(10_000), { why: "timeout" });
});

test("a schema", () => {
  const schema = { address: "string", "quota_mb?": "integer", "ratio?": "number", "on?": "boolean", "names?": "array",
    "any?": "any", "id?": ["integer", "string"], "more?": "object" };
  for (const more of [{}, { quota_mb: 5 }, { ratio: 1.5 }, { on: false }, { names: [] }, { any: 1 }, { id: 7 }, { id: "7" },
    { quota_mb: null }, { more: {} }])
    assert.deepEqual(complaints(schema, { address: "a", ...more }), []);
  const { detail } = refusal(schema, { adress: "a", quota_mb: 1.5, ratio: "1", id: [], more: [], zzzzzzz: 1 });
  for (const part of ["'address' is missing", "'quota_mb' must be a whole number", "'ratio' must be a number",
    "'id' must be a whole number or a text", "'adress' is not known; did you mean 'address'?", "'more' must be a table"])
    assert.ok(detail.includes(part), `${part} in ${detail}`);
  assert.ok(detail.endsWith("'zzzzzzz' is not known"), detail);
  assert.ok(complaints({ a: "string" }, { toString: 1, a: "" }).length === 1);
  assert.equal(refusal(undefined, { x: 1 }), undefined);
  assert.throws(() => checkSchema({ a: "text" }), TypeError);
});

test("the process forgets the oldest", () => {
  const memory = new ProcessMemory(2, 10);
  for (const [key, value] of [["a", "1"], ["b", "2"], ["a", "3"], ["c", "4"]]) memory.put(key, value);
  assert.deepEqual(["a", "b", "c"].map((key) => memory.get(key)), ["3", undefined, "4"]);
  memory.put("d", "123456789");
  assert.deepEqual(["a", "c", "d"].map((key) => memory.get(key)), [undefined, "4", "123456789"]);
  memory.put("e", "x".repeat(11));
  assert.equal(memory.get("e"), undefined);
  assert.equal(new NoMemory().get("a"), undefined);
});

test("the folder outlives the process but not its time", async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), "baton-memory-"));
  try {
    const memory = new FolderMemory(path.join(folder, "new"));
    assert.equal(await memory.get("a/../b"), undefined);
    await memory.put("a/../b", "1");
    await memory.put("a/../b", "2");
    assert.equal(await new FolderMemory(path.join(folder, "new")).get("a/../b"), "2");
    const forgetful = new FolderMemory(path.join(folder, "new"), -1);
    assert.equal(await forgetful.get("a/../b"), undefined);
    await forgetful.put("c", "1");
    assert.deepEqual(await readdir(path.join(folder, "new")), []);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("a hold ends", () => {
  const holds = new Holds();
  assert.equal(holds.problem("a", 0), undefined);
  holds.hold("a", notNow("busy", "why", { retryAfter: 10 }), 100_000);
  assert.deepEqual(holds.problem("a", 104_000).toJSON(), { type: "busy", detail: "why", retryable: true, retry_after: 6, attempt: false });
  assert.equal(holds.problem("b", 104_000), undefined);
  assert.equal(holds.problem("a", 110_000), undefined);
  holds.hold("a", notNow("busy"), 0);
  assert.equal(holds.problem("a", 0).options.retryAfter, Holds.pause);
});

test("pauses grow and begin anew", () => {
  const pause = new BackOff(1, 3);
  assert.deepEqual([0.5, 0.5, 0.5, 0.5].map((chance) => pause.pause(chance)), [1, 2, 3, 3]);
  pause.reset();
  assert.deepEqual([pause.pause(0), pause.pause(1)], [0.75, 2.5]);
});

test("a URL that ends in a slash means the usual virtual host", () => {
  assert.equal(urlOf("amqp://a:b@h:1/"), "amqp://a:b@h:1/%2F");
  assert.equal(urlOf("amqps://h/?heartbeat=5"), "amqps://h/%2F?heartbeat=5");
  for (const other of ["amqp://h", "amqp://h/shop", "amqp://h/%2F?heartbeat=5"]) assert.equal(urlOf(other), other);
});

test("a schema becomes JSON Schema", () => {
  const made = jsonSchema({ address: "string", "quota_mb?": "integer", to: ["string", "array"], "more?": "any", share: "number" });
  assert.deepEqual(made.properties, {
    address: { type: "string" }, quota_mb: { type: ["integer", "null"] }, to: { type: ["string", "array"] }, more: {}, share: { type: "number" },
  });
  assert.deepEqual([made.required, made.additionalProperties], [["address", "to", "share"], false]);
  assert.equal("required" in jsonSchema({ "a?": "string" }), false);
});

test("what a worker says of a task", () => {
  const said = JSON.parse(announcement({ type: "a.b", worker: "w@h:1", queue: "baton.task.a.b", concurrency: 3, version: "2" }));
  assert.deepEqual([said.task, said.worker, said.every, said.concurrency, said.version], ["a.b", "w@h:1", 30, 3, "2"]);
  assert.equal("parameters" in said, false);
});
