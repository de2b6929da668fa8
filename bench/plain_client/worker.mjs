// A worker as amqplib makes it: Nagle's algorithm on, one task at a time, no confirms.
//   node worker.mjs URL [nodelay]
import amqp from "amqplib";

const [url, mode] = process.argv.slice(2);
const connection = await amqp.connect(url, { noDelay: mode === "nodelay" });
const channel = await connection.createChannel();
for (const queue of ["plain.tasks", "plain.results"]) await channel.assertQueue(queue, { durable: false });
await channel.prefetch(1);
const turn = () => new Promise((resolve) => setImmediate(resolve));
await channel.consume("plain.tasks", async (task) => {
  const answer = (type) => channel.publish("", "plain.results", task.content, { type });
  // Three small writes: it began, it is done, the task may go.
  answer("started");
  await turn();
  answer("completed");
  await turn();
  channel.ack(task);
});
console.log("ready");
