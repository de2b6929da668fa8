// Answers every task at once with what it was given.
//   node worker.mjs URL QUEUE...
import amqp from "amqplib";

const [url, ...queues] = process.argv.slice(2);
const connection = await amqp.connect(url, { noDelay: true });
const channel = await connection.createChannel();
await channel.prefetch(1000);
for (const queue of queues)
  await channel.consume(queue, (task) => {
    const { replyTo, correlationId } = task.properties;
    channel.publish("", replyTo, task.content, { type: "completed", correlationId, contentType: "application/json", persistent: true });
    channel.ack(task);
  });
console.log("ready");
