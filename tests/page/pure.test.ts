// What the page decides by itself, without a browser: the same change made to another input, and why a run is where it is.
import { expect, test } from "@playwright/test";
import { changesOf, mended, told } from "../../ui/src/work/repair";
import { reasonsOf, stateOf } from "../../ui/src/work/why";
import type { Step, WholeRun } from "../../ui/src/work/types";

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

const now = Date.parse("2026-01-01T12:00:00Z");
const at = (seconds: number): string => new Date(now + seconds * 1000).toISOString();
const attempt = (more: object = {}) => ({ attempt: 2, max_attempts: 5, dispatched_at: at(-5), closed_at: null, outcome: null, ...more });
const step = (more: Partial<Step>): Step => ({ step: "s", undo: false, task: "mail.send", status: "dispatched", attempts: [attempt()], ...more });
const run = (more: Partial<WholeRun>): WholeRun => ({ id: "r", workflow: "w", version: 1, status: "running", started_at: at(-60), closed_at: null, error_type: null, error: null, seq: 3, input: {}, output: null, steps: [], pause: null, closing: null, requests: [], history: [], history_next: null, dead_letters: [], ...more });
const look = (workers: number, more: object = {}) => () => ({ task: "mail.send", queue: true, waiting: 7, workers, ...more });

const situations: [code: string, state: string, run: WholeRun, look: () => { task: string; queue: boolean; waiting: number; workers: number }, sentence: RegExp][] = [
  ["no_consumer", "no worker", run({ steps: [step({})] }), look(0), /no worker serves mail.send just now; 7 tasks wait/],
  ["consumers_busy", "running", run({ steps: [step({})] }), look(2), /2 serve mail.send, 7 tasks wait/],
  ["unrouted", "no worker", run({ steps: [step({})] }), look(0, { queue: false }), /no queue for mail.send/],
  ["held", "running", run({ steps: [step({})] }), look(1, { held: "mail asks to come back at 12:30" }), /come back at 12:30/],
  ["attempt_running", "running", run({ steps: [step({ attempts: [attempt({ worker: "mail@a", started_at: at(-3) })] })] }), look(1), /mail@a works on it, for 3.0 s/],
  ["backing_off", "retrying", run({ steps: [step({ status: "backing_off", attempts: [attempt({ outcome: "failed", closed_at: at(-1), error: { type: "unavailable", detail: "503" }, retry_at: at(90) })] })] }), look(1), /attempt 2 of 5 failed: unavailable: 503; tried again in 1 min 30 s/],
  ["backing_off", "retrying", run({ steps: [step({ status: "backing_off", attempts: [attempt({ error: { type: "maintenance", attempt: false }, retry_at: at(30) })] })] }), look(1), /its target lets no worker try/],
  ["task_paused", "running", run({ steps: [step({ status: "held", reason: "ada let mail.send pause" })] }), look(1), /ada let mail.send pause/],
  ["signal", "waiting", run({ steps: [step({ status: "deferred", until: at(60) })] }), look(1), /its worker reports later/],
  ["signal", "waiting", run({ steps: [step({ task: null, attempts: [], status: "running", waits_for: { signal: "paid" } })] }), look(1), /waits for the signal paid/],
  ["approval", "waiting", run({ steps: [step({ task: null, attempts: [], status: "running", waits_for: { approval: { title: "May it?", by: ["ada", "role:it"] } } })] }), look(1), /it asks ada, role:it: May it\?/],
  ["timer", "waiting", run({ steps: [step({ task: null, attempts: [], status: "sleeping", until: at(7200) })] }), look(1), /goes on in 2 h/],
  ["run_paused", "paused", run({ status: "paused", pause: { actor: "ada", reason: "the server moves", at: at(-120) } }), look(1), /ada let it pause 2 min ago: the server moves/],
  ["dead_letter", "paused", run({ status: "paused", steps: [step({ status: "dead", error: { type: "gone" } })] }), look(1), /somebody has to decide/],
  ["queued_by_key", "queued", run({ status: "queued", awaits: "customer-7" }), look(1), /slot of its concurrency key customer-7/],
  ["workflow_paused", "queued", run({ status: "queued", awaits: "workflow w is paused by ada" }), look(1), /it has not begun: workflow w is paused/],
  ["incident", "running", run({ incident: "its version cannot be read" }), look(1), /stands still: its version/],
  ["undoing", "compensating", run({ status: "compensating" }), look(1), /being undone/],
  ["closed", "failed", run({ status: "failed", closed_at: at(-1), error: "no paper" }), look(1), /it failed: no paper/],
  ["closed", "completed", run({ status: "completed", closed_at: at(-1) }), look(1), /it is completed/],
  ["running", "running", run({}), look(1), /nothing keeps it/],
];
for (const [code, word, told, seen, sentence] of situations)
  test(`why: ${code}, ${sentence.source}`, () => {
    const reasons = reasonsOf(told, seen, now);
    expect(reasons[0]!.code).toBe(code);
    expect(reasons[0]!.text).toMatch(sentence);
    expect(stateOf(told, reasons)[1]).toBe(word);
  });

test("why: what hinders comes before what runs", () => {
  const reasons = reasonsOf(run({ steps: [step({ step: "a", attempts: [attempt({ worker: "w" })] }), step({ step: "b", status: "dead", error: { type: "gone" } }), step({ step: "c", status: "done" })] }), look(1), now);
  expect(reasons.map((one) => one.step?.step)).toEqual(["b", "a"]);
});
