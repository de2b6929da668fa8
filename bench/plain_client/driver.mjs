// Gives the worker one task after the other and says how long each took until it was done.
//   node driver.mjs URL COUNT
import amqp from "amqplib";

const [url, text] = process.argv.slice(2);
const count = Number(text);
const connection = await amqp.connect(url, { noDelay: true });
const channel = await connection.createChannel();
for (const queue of ["plain.tasks", "plain.results"]) await channel.assertQueue(queue, { durable: false });
let done;
await channel.consume("plain.results", (result) => result.properties.type === "completed" && done(), { noAck: true });
const times = [];
for (let number = 0; number < count; ++number) {
  const began = performance.now();
  await new Promise((resolve) => {
    done = resolve;
    channel.sendToQueue("plain.tasks", Buffer.alloc(100));
  });
  if (number >= count / 10) times.push(performance.now() - began); // the first ones warm up
}
times.sort((a, b) => a - b);
const at = (part) => times[Math.min(times.length - 1, Math.floor(part * times.length))].toFixed(2);
console.log(`| ${at(0.5)} | ${at(0.9)} | ${at(0.99)} | ${at(1)} |`);
process.exit(0);
