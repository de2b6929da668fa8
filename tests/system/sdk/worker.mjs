// The worker of the SDK's tests. What happened is written into files of the folder SDK_FOLDER, one line per call of a
// handler. It does what worker.py does.
import { Deferred, FolderMemory, notNow, permanent, Worker } from "baton-worker";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const { SDK_FOLDER: folder, SDK_PREFIX: prefix } = process.env;

/** Returns how many lines there were before. */
function note(name, text = "") {
  const file = path.join(folder, name);
  appendFileSync(file, `${text}\n`);
  return readFileSync(file, "utf8").split("\n").length - 2;
}

const worker = new Worker({
  name: "sdk-test", version: "7.1", tasks: 4, prefetch: 8, grace: 1000 * Number(process.env.SDK_GRACE ?? 10),
  memory: new FolderMemory(path.join(folder, "memory")),
});

worker.task(`${prefix}.slow`, async (task) => {
  note("slow", task.parameters.n);
  try {
    await task.sleep(1000 * task.parameters.seconds);
  } catch (error) {
    note(`slow-${task.parameters.n}`, task.cause);
    throw error;
  }
  return { n: task.parameters.n };
});

// Does not look whether somebody waits.
worker.task(`${prefix}.stubborn`, async (task) => {
  note("stubborn", task.idempotencyKey);
  await sleep(1000 * task.parameters.seconds);
  return { key: task.idempotencyKey, run: task.info.run };
});

worker.task(`${prefix}.steps`, async (task) => {
  const first = task.lastProgress?.done ?? 0;
  note("steps", first);
  for (let done = first; done < task.parameters.count; done++) {
    await sleep(100);
    task.progress({ done: done + 1 });
  }
  task.log(`all ${task.parameters.count}`);
  return { first, attempt: task.info.attempt };
});

worker.task(`${prefix}.later`, (task) => {
  note("later", task.handle);
  return new Deferred();
});

worker.task(`${prefix}.busy`, () => {
  if (note("busy") < 2) throw notNow("busy", "come back later", { retryAfter: 0.3 });
  return { calls: note("busy") };
});

worker.task(`${prefix}.once`, () => ({ call: note("once") }));

worker.task(`${prefix}.count`, async (task) => {
  await sleep(40);
  writeFileSync(path.join(folder, `count-${task.parameters.n}`), "");
  return { n: task.parameters.n };
});

worker.task(`${prefix}.strict`, { parameters: { address: "string", "quota_mb?": "integer" } }, (task) => {
  const { address } = task.parameters;
  if (!address.endsWith("@example.org")) throw permanent("no_such_domain", `${address} is not ours`);
  return { address };
});

await worker.run();
