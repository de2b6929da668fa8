// The story with amqplib for Node.js.
const modules = require("path").join(__dirname, "../../system/node/node_modules/");
const amqplib = require(modules + "amqplib");

const Q = "story.amqplib";

async function refused(connection, action) {
  const channel = await connection.createChannel();
  channel.on("error", () => {});
  try {
    await action(channel);
  } catch (error) {
    return error.code;
  }
}

async function story() {
  let connection = await amqplib.connect(process.env.AMQP_URL);
  let channel = await connection.createConfirmChannel();
  await channel.deleteQueue(Q);
  await channel.assertQueue(Q, { durable: true });
  console.log("declared");
  for (let i = 0; i < 10; i++) channel.sendToQueue(Q, Buffer.from(String(i)), { persistent: true });
  await channel.waitForConfirms();
  console.log("confirmed 10");
  const got = await channel.get(Q, { noAck: true });
  console.log(`got ${got.content} left ${got.fields.messageCount}`);
  await channel.prefetch(1);
  await new Promise((resolve, reject) => {
    let seen = 0;
    channel.consume(Q, async (message) => {
      seen++;
      if (seen <= 2) console.log(`${seen === 1 ? "first" : "second"} delivery ${message.content} redelivered ${message.fields.redelivered}`);
      if (seen === 1) channel.nack(message, false, true);
      else if (seen === 2) {
        await channel.cancel("c");
        channel.ack(message);
        resolve();
      }
    }, { consumerTag: "c" }).catch(reject);
  });
  const server = await connection.createChannel();
  const calls = await server.assertQueue("", { exclusive: true });
  await server.consume(calls.queue, (call) => server.sendToQueue(call.properties.replyTo, Buffer.from("answer to " + call.content)), { noAck: true });
  const client = await connection.createChannel();
  const answer = await new Promise((resolve, reject) => {
    client.consume("amq.rabbitmq.reply-to", (message) => resolve(message.content), { noAck: true }).then(() =>
      client.sendToQueue(calls.queue, Buffer.from("question"), { replyTo: "amq.rabbitmq.reply-to" })).catch(reject);
  });
  console.log(`rpc: ${answer}`);
  console.log(`missing queue: ${await refused(connection, (c) => c.checkQueue("story.nothing"))}`);
  console.log(`other arguments: ${await refused(connection, (c) => c.assertQueue(Q, { durable: true, maxLength: 5 }))}`);
  const code = await new Promise((resolve) => {
    channel.on("return", (message) => resolve(message.fields.replyCode));
    channel.publish("", "story.nothing", Buffer.from("x"), { mandatory: true });
  });
  console.log(`returned: ${code}`);
  await connection.close();
  connection = await amqplib.connect(process.env.AMQP_URL);
  channel = await connection.createChannel();
  console.log(`after an error and a new connection: ${(await channel.checkQueue(Q)).messageCount}`);
  console.log(`deleted ${(await channel.deleteQueue(Q)).messageCount}`);
  await connection.close();
}

story().catch((error) => { console.error(error); process.exit(1); });
