// The story with @cloudamqp/amqp-client for Node.js.
const modules = require("path").join(__dirname, "../../system/node/node_modules/");
const { AMQPClient } = require(modules + "@cloudamqp/amqp-client");

const Q = "story.amqp_client";

async function refused(connection, action) {
  const channel = await connection.channel();
  try {
    await action(channel);
  } catch (error) {
    return error.message.match(/\((\d+)\)|\b(40[0-9])\b/).slice(1).find(Boolean);
  }
}

async function story() {
  let connection = await new AMQPClient(process.env.AMQP_URL).connect();
  let channel = await connection.channel();
  await channel.queueDelete(Q);
  await channel.queueDeclare(Q, { durable: true });
  console.log("declared");
  await channel.confirmSelect();
  let last = 0;
  for (let i = 0; i < 10; i++) last = await channel.basicPublish("", Q, String(i), { deliveryMode: 2 });
  console.log(`confirmed ${last}`);
  const got = await channel.basicGet(Q, { noAck: true });
  console.log(`got ${got.bodyString()} left ${got.messageCount}`);
  await channel.basicQos(1);
  await new Promise((resolve, reject) => {
    let seen = 0;
    channel.basicConsume(Q, { noAck: false, tag: "c" }, async (message) => {
      seen++;
      if (seen <= 2) console.log(`${seen === 1 ? "first" : "second"} delivery ${message.bodyString()} redelivered ${message.redelivered}`);
      if (seen === 1) await message.nack(true);
      else if (seen === 2) {
        await channel.basicCancel("c");
        await message.ack();
        resolve();
      }
    }).catch(reject);
  });
  const server = await connection.channel();
  const calls = await server.queueDeclare("", { exclusive: true });
  await server.basicConsume(calls.name, { noAck: true }, (call) => server.basicPublish("", call.properties.replyTo, "answer to " + call.bodyString()));
  const client = await connection.channel();
  const answer = await new Promise((resolve, reject) => {
    client.basicConsume("amq.rabbitmq.reply-to", { noAck: true }, (message) => resolve(message.bodyString())).then(() =>
      client.basicPublish("", calls.name, "question", { replyTo: "amq.rabbitmq.reply-to" })).catch(reject);
  });
  console.log(`rpc: ${answer}`);
  console.log(`missing queue: ${await refused(connection, (c) => c.queueDeclare("story.nothing", { passive: true }))}`);
  console.log(`other arguments: ${await refused(connection, (c) => c.queueDeclare(Q, { durable: true }, { "x-max-length": 5 }))}`);
  const code = await new Promise((resolve, reject) => {
    channel.onReturn = (message) => resolve(message.replyCode);
    channel.basicPublish("", "story.nothing", "x", {}, true).catch(reject);
  });
  console.log(`returned: ${code}`);
  await connection.close();
  connection = await new AMQPClient(process.env.AMQP_URL).connect();
  channel = await connection.channel();
  console.log(`after an error and a new connection: ${(await channel.queueDeclare(Q, { passive: true })).messageCount}`);
  console.log(`deleted ${(await channel.queueDelete(Q)).messageCount}`);
  await connection.close();
}

story().catch((error) => { console.error(error); process.exit(1); });
