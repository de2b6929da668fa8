// What the page decides by itself, without a browser: the same change made to another input, how a run's reasons are shown, and the words
// of the event stream.
import { expect, test } from "@playwright/test";
import { readFileSync } from "node:fs";
import { eventsIn, topicsOf } from "../../ui/src/stream";
import { pathOfRabbit } from "../../ui/src/rabbit";
import { changesOf, told, type Change } from "../../ui/src/work/repair";
import { sentenceOf, shownAs, stateOf, type Reason } from "../../ui/src/work/why";

/** Those of parts.tsx, which wants a browser. */
const shapeNames = Object.keys(Object.fromEntries([.../(\w+): \["/g[Symbol.matchAll](/const shapes[^{]*\{([\s\S]*?)\n\};/.exec(readFileSync(new URL("../../ui/src/parts.tsx", import.meta.url), "utf8"))![1]!)].map((found) => [found[1]!, true])));

// tests/orchestrator/runtime/repair_test.cpp makes the same changes.
const repairs: [what: string, before: unknown, after: unknown, changes: Change[], words: string][] = [
  ["a value is set", { region: "Europa", n: 1 }, { region: "EU", n: 1 }, [{ kind: "set", path: ["region"], before: "Europa", after: "EU" }], 'region becomes "EU"'],
  ["a part of a text is replaced", { mail: "ada@exmaple.org" }, { mail: "ada@example.org" }, [{ kind: "replace", path: ["mail"], find: "exmaple", put: "example", at: "any" }], 'in mail, "exmaple" becomes "example"'],
  ["something is put behind", { login: "ada" }, { login: "ada2" }, [{ kind: "replace", path: ["login"], find: "", put: "2", at: "end" }], 'login gets "2" at its end'],
  ["something is put before", { key: "42" }, { key: "eu-42" }, [{ kind: "replace", path: ["key"], find: "", put: "eu-", at: "start" }], 'key gets "eu-" at its beginning'],
  ["a member is added", { a: 1 }, { a: 1, force: true }, [{ kind: "set", path: ["force"], before: undefined, after: true }], "force becomes true"],
  ["a member is taken out", { a: 1, old: { x: 1 } }, { a: 1 }, [{ kind: "remove", path: ["old"] }], "old is taken out"],
  ["inside of lists", { to: [{ city: "Praha" }] }, { to: [{ city: "Prague" }] }, [{ kind: "set", path: ["to", 0, "city"], before: "Praha", after: "Prague" }], 'to.0.city becomes "Prague"'],
  ["a number", { limit: 5 }, { limit: 50 }, [{ kind: "set", path: ["limit"], before: 5, after: 50 }], "limit becomes 50"],
];
for (const [what, before, after, changes, words] of repairs)
  test(`repair by example: ${what}`, () => {
    expect(changesOf(before, after)).toEqual(changes);
    expect(changes.map(told)).toEqual([words]);
  });

test("repair by example: what is the same is no change", () => expect(changesOf({ a: [1, 2] }, { a: [1, 2] })).toEqual([]));

const reason = (code: string): Reason => ({ code, sentence: "", step: null, undo: false, task: null, since: null, until: null, act: null });
for (const [word, status, codes] of [
  ["no worker", "running", ["no_consumer"]], ["no worker", "running", ["unrouted"]], ["running", "running", ["no_consumer", "attempt_running"]], ["retrying", "running", ["backing_off"]], ["running", "running", ["consumers_busy"]],
  ["waiting", "running", ["approval"]], ["waiting", "running", ["event", "waits_for_step"]], ["waiting", "running", ["timer"]], ["running", "running", ["goes_on"]], ["paused", "paused", ["dead_letter"]], ["timed out", "timed_out", ["closed"]],
] as const)
  test(`state: ${status} with ${codes.join(", ")} is ${word}`, () => expect(stateOf({ status }, codes.map(reason))[1]).toBe(word));

test("a sentence is shown without its commands", () => {
  const of = (sentence: string): string => sentenceOf({ ...reason("dead_letter"), sentence });
  expect(of("it gave up (gone); baton retry 01a2 tries again, baton dead list --run 01a2 shows it")).toBe("it gave up (gone)");
  expect(of("no worker serves a just now (1 tasks wait); it goes on when one does")).toContain("when one does");
});

test("every code that the server may give has a shape", () => {
  const told = /WhyCode: \{enum: \[([^\]]+)\]/.exec(readFileSync(new URL("../../web/openapi.yaml", import.meta.url), "utf8"))![1]!.split(", ");
  expect(told.length).toBeGreaterThan(20);
  for (const code of told) expect(shapeNames, code).toContain(shownAs(reason(code), "failed"));
});

test("stream: what comes in pieces is put together, comments and numbers are understood", async () => {
  const text = ": still there\n\nid: a-1\nevent: run\ndata: {\"run\":\"r\",\"seq\":7}\n\nid: a-2\nevent: resync\ndata: {}\n\n";
  for (const size of [1, 7, 1000]) {
    let heard = 0;
    const bytes = new TextEncoder().encode(text);
    const body = new ReadableStream<Uint8Array>({ start(to) { for (let at = 0; at < bytes.length; at += size) to.enqueue(bytes.slice(at, at + size)); to.close(); } });
    const all = [];
    for await (const one of eventsIn(body, () => ++heard)) all.push(one);
    expect(all).toEqual([{}, { id: "a-1", news: { event: "run", data: { run: "r", seq: 7 } } }, { id: "a-2", news: { event: "resync", data: {} } }]);
    expect(heard).toBeGreaterThan(0);
  }
});

for (const [link, path] of [
  ["#/queues/%2F/q", "/broker/queues/%2F/q"], ["#/queues/%2F/a%2Fb", "/broker/queues/%2F/a%2Fb"], ["#/queues/shop/q?page=2", "/broker/queues/shop/q"], ["#/queues/%2F", "/broker/queues"], ["#/queues?name=x", "/broker/queues"],
  ["#/exchanges/%2F/amq.default", "/broker/exchanges/%2F/amq.default"], ["#/connections/127.0.0.1%3A1%20-%3E%20127.0.0.1%3A2", "/broker/connections/127.0.0.1%3A1%20-%3E%20127.0.0.1%3A2"], ["#/channels/x%20(1)", "/broker/channels/x%20(1)"],
  ["#/users/guest", "/admin/users/guest"], ["#/vhosts/%2F", "/admin/vhosts/%2F"], ["#/policies/%2F/short", "/admin/policies"], ["#/operator-policies/%2F/short", "/admin/policies"], ["#/limits", "/admin/limits"],
  ["#/nodes/rabbit%40host", "/broker"], ["#/feature-flags", "/broker"], ["#/", "/broker"], ["#", null], ["", null], ["#top", null],
] as const)
  test(`RabbitMQ's link ${link} is ${path}`, () => expect(pathOfRabbit(link)).toBe(path));

test("stream: topics of many tabs are one list, and too many runs are all runs", () => {
  expect(topicsOf(["runs", "dead", "runs", "run:1"])).toBe("dead,runs");
  expect(topicsOf(["run:2", "run:1"])).toBe("run:1,run:2");
  expect(topicsOf(Array.from({ length: 60 }, (_, i) => `run:${i}`))).toBe("runs");
  expect(topicsOf([])).toBe("");
});
