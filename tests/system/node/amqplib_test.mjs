// What an amqplib user relies on, against the broker at BATON_AMQP. Run by clients_test.py with the
// name of one test; exits with 0 if it passed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import amqp from 'amqplib';

const url = process.env.BATON_AMQP;

async function withChannel(work, confirm = false) {
  const connection = await amqp.connect(url);
  connection.on('error', () => {});
  const channel = confirm ? await connection.createConfirmChannel() : await connection.createChannel();
  channel.on('error', () => {});
  try { return await work(channel, connection); } finally { await connection.close().catch(() => {}); }
}

const tests = {
  async publish_consume_ack() {
    await withChannel(async (channel) => {
      const { queue } = await channel.assertQueue('', { exclusive: true });
      assert.match(queue, /^amq\.gen-/);
      const got = [];
      const done = new Promise((resolve) => {
        channel.consume(queue, (message) => {
          got.push(message.content.toString());
          channel.ack(message);
          if (got.length === 100) resolve();
        });
      });
      await channel.prefetch(10);
      for (let i = 0; i < 100; i++) channel.sendToQueue(queue, Buffer.from(`m${i}`));
      await done;
      assert.deepEqual(got, Array.from({ length: 100 }, (_, i) => `m${i}`));
    });
  },

  async confirms() {
    await withChannel(async (channel) => {
      await channel.assertQueue('js.confirms', { durable: true, autoDelete: false });
      for (let i = 0; i < 200; i++) channel.sendToQueue('js.confirms', Buffer.alloc(1000, i), { persistent: true });
      await channel.waitForConfirms();
      assert.equal((await channel.purgeQueue('js.confirms')).messageCount, 200);
      await channel.deleteQueue('js.confirms');
    }, true);
  },

  async a_large_body_comes_back_whole() {
    await withChannel(async (channel) => {
      const { queue } = await channel.assertQueue('', { exclusive: true });
      const body = Buffer.alloc(5_000_000, 'baton');
      channel.sendToQueue(queue, body, { headers: { deep: { list: [1, 'two', { three: true }] }, when: { '!': 'timestamp', value: 1700000000 } } });
      let message = false;
      while (!message) message = await channel.get(queue, { noAck: true });
      assert.equal(Buffer.compare(message.content, body), 0);
      assert.deepEqual(message.properties.headers.deep, { list: [1, 'two', { three: true }] });
    });
  },

  async mandatory_messages_come_back() {
    await withChannel(async (channel) => {
      const returned = once(channel, 'return');
      channel.publish('', 'nobody.listens', Buffer.from('x'), { mandatory: true });
      const [message] = await returned;
      assert.equal(message.fields.replyCode, 312);
      assert.equal(message.fields.replyText, 'NO_ROUTE');
    });
  },

  async an_error_closes_the_channel_only() {
    await withChannel(async (channel, connection) => {
      await assert.rejects(channel.checkQueue('does.not.exist'), (error) => error.code === 404);
      const another = await connection.createChannel();
      await another.assertQueue('', { exclusive: true });
    });
  },

  async dead_letters_remember_why() {
    await withChannel(async (channel) => {
      const dead = (await channel.assertQueue('', { exclusive: true })).queue;
      const work = (await channel.assertQueue('', { exclusive: true, deadLetterExchange: '', deadLetterRoutingKey: dead })).queue;
      channel.sendToQueue(work, Buffer.from('poison'));
      const rejected = await new Promise((resolve) => channel.consume(work, resolve));
      channel.nack(rejected, false, false);
      const letter = await new Promise((resolve) => channel.consume(dead, resolve));
      const [death] = letter.properties.headers['x-death'];
      assert.equal(death.reason, 'rejected');
      assert.equal(death.queue, work);
      assert.equal(death.count, 1);
    });
  },

  async consumer_cancel_notification() {
    await withChannel(async (channel) => {
      const { queue } = await channel.assertQueue('');
      const cancelled = new Promise((resolve) => channel.consume(queue, (message) => { if (message === null) resolve(); }));
      await channel.deleteQueue(queue);
      await cancelled;
    });
  },

  async five_hundred_channels() {
    const connection = await amqp.connect(url);
    const channels = await Promise.all(Array.from({ length: 500 }, () => connection.createChannel()));
    await Promise.all(channels.map((channel) => channel.assertQueue('', { exclusive: true })));
    await Promise.all(channels.map((channel) => channel.close()));
    await connection.close();
  },
};

const name = process.argv[2];
if (name === '--list') console.log(Object.keys(tests).join('\n'));
else { await tests[name](); console.log('ok'); process.exit(0); }
