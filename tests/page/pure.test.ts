// What the page decides by itself, without a browser: the same change made to another input, how a run's reasons are shown, and the words
// of the event stream.
import { expect, test } from "@playwright/test";
import { readFileSync } from "node:fs";
import { eventsIn, topicsOf } from "../../ui/src/stream";
import { pathOfRabbit } from "../../ui/src/rabbit";
import { changesOf, mended, Tally, told } from "../../ui/src/work/repair";
import { sentenceOf, shownAs, stateOf, type Reason } from "../../ui/src/work/why";

/** Those of parts.tsx, which wants a browser. */
const shapeNames = Object.keys(Object.fromEntries([.../(\w+): \["/g[Symbol.matchAll](/const shapes[^{]*\{([\s\S]*?)\n\};/.exec(readFileSync(new URL("../../ui/src/parts.tsx", import.meta.url), "utf8"))![1]!)].map((found) => [found[1]!, true])));

const repairs: [what: string, before: unknown, after: unknown, other: unknown, expected: unknown, words: string][] = [
  ["a value is set", { region: "Europa", n: 1 }, { region: "EU", n: 1 }, { region: "Asia", n: 2 }, { region: "EU", n: 2 }, 'region becomes "EU"'],
  ["a part of a text is replaced", { mail: "ada@exmaple.org" }, { mail: "ada@example.org" }, { mail: "bob@exmaple.org" }, { mail: "bob@example.org" }, 'in mail, "exmaple" becomes "example"'],
  ["something is put behind", { login: "ada" }, { login: "ada2" }, { login: "bob" }, { login: "bob2" }, 'login gets "2" at its end'],
  ["something is put before", { key: "42" }, { key: "eu-42" }, { key: "7" }, { key: "eu-7" }, 'key gets "eu-" at its beginning'],
  ["a member is added", { a: 1 }, { a: 1, force: true }, { a: 2 }, { a: 2, force: true }, "force becomes true"],
  ["a member is taken out", { a: 1, old: { x: 1 } }, { a: 1 }, { a: 2, old: 5 }, { a: 2 }, "old is taken out"],
  ["inside of lists", { to: [{ city: "Praha" }] }, { to: [{ city: "Prague" }] }, { to: [{ city: "Brno" }] }, { to: [{ city: "Prague" }] }, 'to.0.city becomes "Prague"'],
  ["a number", { limit: 5 }, { limit: 50 }, { limit: 7 }, { limit: 50 }, "limit becomes 50"],
];
for (const [what, before, after, other, expected, words] of repairs)
  test(`repair by example: ${what}`, () => {
    const changes = changesOf(before, after);
    expect(changes.map(told)).toEqual([words]);
    expect(mended(before, changes), "the example itself").toEqual(after);
    expect(mended(other, changes)).toEqual(expected);
  });

test("repair by example: what does not fit is left alone, and nothing is half done", () => {
  const changes = changesOf({ a: 1, mail: "x@exmaple.org" }, { a: 2, mail: "x@example.org" });
  const other = { a: 1, mail: "y@right.org" };
  expect(mended(other, changes)).toBeNull();
  expect(other).toEqual({ a: 1, mail: "y@right.org" });
  expect(mended({ a: 1 }, changes)).toBeNull();
  expect(mended(null, changes)).toBeNull();
  expect(changesOf({ a: [1, 2] }, { a: [1, 2] })).toEqual([]);
});

test("repair by example: a letter that died again counts once, however often it is seen", () => {
  const tally = new Tally([11, 12, 13]);
  tally.sent = 3;
  const page = [{ id: 30, again_of: 12 }, { id: 29, again_of: 5 }, { id: 28, again_of: null }];
  expect(tally.see(page)).toBe(true);
  expect(tally.see(page)).toBe(true);
  expect(tally.failures).toBe(1);
  ++tally.refused;
  expect(tally.see([{ id: 31, again_of: 13 }, { id: 9, again_of: null }]), "older ones are no news").toBe(false);
  expect(tally.see([])).toBe(false);
  expect(tally.failures).toBe(3);
  expect(tally.told()).toBe("3 were repaired and sent again, 1 refused, 2 failed again");
});

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
