// A complete Baton worker in JavaScript with amqplib. Handlers are asynchronous: while one waits, the
// connection is served.
//
//     npm install
//     BATON_AMQP=amqp://guest:guest@127.0.0.1:5672/ npm start
import amqp from "amqplib";
import os from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

class Invalid extends Error {}  // the caller's fault: the same parameters fail again

// Your code: parameters in, result out. It looks by baton-idempotency-key whether the work is done.
async function greet(parameters, headers) {
  if (!("name" in parameters)) throw new Invalid("'name' is missing");
  await sleep(1000 * (parameters.seconds ?? 0));
  return { text: `Hello, ${parameters.name}`, run: headers["baton-run"], key: headers["baton-idempotency-key"] };
}

const tasks = { [process.env.BATON_TASK ?? "hello.greet"]: greet };
const me = { worker: `node@${os.hostname()}:${process.pid}` };

// Resolves once the broker has it.
function report(channel, properties, type, content) {
  if (!properties.replyTo) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const about = { type, correlationId: properties.correlationId, contentType: "application/json", persistent: true };
    channel.publish("", properties.replyTo, Buffer.from(JSON.stringify(content ?? null)), about,
      (error) => (error ? reject(error) : resolve()));
  });
}

async function perform(handler, message) {
  try {
    const parameters = message.content.length ? JSON.parse(message.content.toString()) : {};
    return ["completed", await handler(parameters, message.properties.headers ?? {})];
  } catch (error) {
    if (error instanceof Invalid) return ["failed", { type: "invalid_input", detail: error.message, retryable: false }];
    return ["failed", { type: error.name, detail: error.message }];
  }
}

async function onTask(handler, channel, message) {
  const { properties } = message;
  const { "baton-heartbeat": heartbeat, "baton-run": run } = properties.headers ?? {};
  if (run) await report(channel, properties, "started", me);
  const beat = heartbeat && setInterval(() => report(channel, properties, "heartbeat", {}).catch(() => {}), heartbeat / 3);
  const [type, content] = await perform(handler, message);
  clearInterval(beat);
  await report(channel, properties, type, content);
  channel.ack(message);  // only now: a crash before gives the task again
}

// Resolves with the reason when the connection has ended.
async function consume() {
  const connection = await amqp.connect(process.env.BATON_AMQP.replace(/\/(?=\?|$)/, "/%2F"));
  try {
    const ended = new Promise((resolve) => {
      connection.on("error", resolve);
      connection.on("close", resolve);
    });
    const channel = await connection.createConfirmChannel();
    channel.on("error", () => {});  // whoever waits for an answer gets the error, too
    await channel.prefetch(8);
    for (const [name, handler] of Object.entries(tasks)) {
      const queue = `baton.task.${name}`;
      await channel.checkQueue(queue);  // deploying a workflow makes it
      await channel.consume(queue, (message) => {
        if (message === null) return connection.close().catch(() => {});  // the queue was deleted
        onTask(handler, channel, message).catch((error) => console.log("the task comes again:", error.message));
      });
    }
    console.log("ready");
    return await ended;
  } finally {
    connection.close().catch(() => {});
  }
}

for (;;) {
  try {
    console.log("connecting again:", (await consume())?.message);
  } catch (error) {
    console.log(error.code === 404 ? "waiting:" : "connecting again:", error.message);
  }
  await sleep(1000);
}
