// What a browser's AMQP client relies on, against the WebSocket at BATON_WS. Run by websocket_test.py with the name of
// one test; exits with 0 if it passed.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import WebSocket from 'ws';
import { AMQPWebSocketClient } from '@cloudamqp/amqp-client/amqp-websocket-client';

// Node 20 hides its own; the client takes the one a browser has.
globalThis.WebSocket = WebSocket;
const url = process.env.BATON_WS;

async function connected(options = {}) {
  const client = new AMQPWebSocketClient({ url, ...options });
  client.onerror = () => {};
  await client.connect();
  return client;
}

// A WebSocket that speaks no AMQP of its own: what it was told, and how it ended.
async function raw(options = {}, protocols = undefined) {
  const socket = new WebSocket(url, protocols, options);
  socket.binaryType = 'nodebuffer';
  const heard = [];
  socket.on('message', (data) => heard.push(data));
  const ended = new Promise((resolve) => socket.on('close', (code, reason) => resolve({ code, reason: reason.toString() })));
  socket.on('error', () => {});
  await once(socket, 'open');
  return { socket, heard, ended };
}

// The status of a refused opening and its body.
function refusal(options = {}, protocols = undefined, address = url) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(address, protocols, options);
    socket.on('open', () => reject(new Error('it was let in')));
    socket.on('error', reject);
    socket.on('unexpected-response', (request, response) => {
      let body = '';
      response.on('data', (piece) => { body += piece; });
      response.on('end', () => resolve({ status: response.statusCode, body }));
    });
  });
}

const header = Buffer.from('AMQP\0\0\x09\x01', 'latin1');

const tests = {
  async publish_confirm_consume() {
    const client = await connected();
    const channel = await client.channel();
    await channel.confirmSelect();
    const queue = await channel.queue('', { exclusive: true });
    for (let i = 0; i < 20; i++) await queue.publish(`m${i}`, { deliveryMode: 2, headers: { number: i } });
    const got = [];
    await new Promise((resolve) => {
      queue.subscribe({ noAck: false }, (message) => {
        got.push([message.bodyString(), message.properties.headers.number]);
        message.ack();
        if (got.length === 20) resolve();
      });
    });
    assert.deepEqual(got, Array.from({ length: 20 }, (_, i) => [`m${i}`, i]));
    await client.close();
  },

  async rpc() {
    const server = await connected();
    const serving = await (await server.channel()).queue('', { exclusive: true });
    const answering = await server.channel();
    await serving.subscribe({ noAck: true }, (message) => {
      answering.basicPublish('', message.properties.replyTo, message.bodyString().toUpperCase(),
        { correlationId: message.properties.correlationId });
    });
    const client = await connected();
    const channel = await client.channel();
    const replies = await channel.queue('', { exclusive: true });
    const answer = new Promise((resolve) => { replies.subscribe({ noAck: true }, resolve); });
    await channel.basicPublish('', serving.name, 'hello', { replyTo: replies.name, correlationId: '7' });
    const message = await answer;
    assert.equal(message.bodyString(), 'HELLO');
    assert.equal(message.properties.correlationId, '7');
    await client.close();
    await server.close();
  },

  async five_megabytes() {
    const client = await connected();
    const channel = await client.channel();
    await channel.confirmSelect();
    const queue = await channel.queue('', { exclusive: true });
    const body = new Uint8Array(5_000_000).map((_, i) => i * 31 + (i >> 8));
    await queue.publish(body);
    const message = await queue.get({ noAck: true });
    assert.equal(Buffer.compare(Buffer.from(message.body), Buffer.from(body)), 0);
    await client.close();
  },

  async a_thousand_small_ones() {
    const client = await connected();
    const channel = await client.channel();
    await channel.confirmSelect();
    const queue = await channel.queue('', { exclusive: true });
    const got = [];
    const done = new Promise((resolve) => {
      queue.subscribe({ noAck: true }, (message) => { if (got.push(message.bodyString()) === 1000) resolve(); });
    });
    await Promise.all(Array.from({ length: 1000 }, (_, i) => queue.publish(`${i}`)));
    await done;
    assert.deepEqual(got, Array.from({ length: 1000 }, (_, i) => `${i}`));
    await client.close();
  },

  async reconnects() {
    for (let round = 0; round < 20; round++) {
      const client = await connected();
      const channel = await client.channel();
      const queue = await channel.queue('ws.again', { durable: true, autoDelete: false });
      await channel.confirmSelect();
      await queue.publish(`${round}`, { deliveryMode: 2 });
      // By the protocol's close, by the WebSocket's alone, and by nothing.
      if (round % 3 === 0) await client.close();
      else if (round % 3 === 1) client.socket.close(1000, 'gone');
      else client.socket.terminate();
    }
    const client = await connected();
    const channel = await client.channel();
    assert.equal((await channel.queueDelete('ws.again')).messageCount, 20);
    await client.close();
  },

  async heartbeats_keep_it_open() {
    const client = await connected({ heartbeat: 1 });
    const channel = await client.channel();
    const queue = await channel.queue('', { exclusive: true });
    await new Promise((resolve) => { setTimeout(resolve, 5000); });
    await queue.publish('still here');
    assert.equal((await queue.get({ noAck: true })).bodyString(), 'still here');
    await client.close();
  },

  async wrong_password() {
    await assert.rejects(connected({ username: 'guest', password: 'wrong' }), /ACCESS_REFUSED|not cleanly closed|403/);
    const client = await connected();
    await client.close();
  },

  async origins() {
    const evil = await refusal({ origin: 'https://evil.example' });
    assert.equal(evil.status, 403);
    assert.match(evil.body, /BATON_BROKER_WEBSOCKET_ORIGINS/);
    assert.equal((await refusal({ origin: 'null' })).status, 403);
    assert.equal((await refusal({ origin: 'http://evil.example', headers: { Host: 'evil.example' } })).status, 421);
    for (const origin of ['http://127.0.0.1:8000', 'https://shop.example']) {
      const { socket, ended } = await raw({ origin });
      socket.close();
      await ended;
    }
  },

  async protocols_and_paths() {
    assert.equal((await refusal({}, ['mqtt'])).status, 400);
    assert.equal((await refusal({}, undefined, url + '/elsewhere')).status, 404);
    const { socket, ended } = await raw({}, ['mqtt', 'amqp']);
    assert.equal(socket.protocol, 'amqp');
    assert.equal(socket.extensions, ''); // it was offered permessage-deflate
    socket.close();
    assert.equal((await ended).code, 1005);
  },

  async rules_of_frames() {
    const text = await raw();
    text.socket.send('AMQP');
    assert.equal((await text.ended).code, 1003);
    const wrong = await raw();
    wrong.socket._socket.write(Buffer.from([0xc2, 0x80, 1, 2, 3, 4]));
    assert.equal((await wrong.ended).code, 1002);
    const unmasked = await raw();
    unmasked.socket._socket.write(Buffer.from([0x82, 0x01, 65]));
    assert.equal((await unmasked.ended).code, 1002);
    const other = await raw();
    other.socket.send(Buffer.from('HTTP/1.1'));
    assert.equal((await other.ended).code, 1000);
    assert.deepEqual(Buffer.concat(other.heard), header); // the one that is spoken here
  },

  async pings_are_answered() {
    const { socket, ended } = await raw();
    socket.ping('here');
    const [answer] = await once(socket, 'pong');
    assert.equal(answer.toString(), 'here');
    socket.close(4000, 'bye');
    assert.equal((await ended).code, 4000);
  },

  // An AMQP header in messages of a byte, and of fragments, is one.
  async messages_may_be_cut_anywhere() {
    const { socket, heard, ended } = await raw();
    for (const byte of header.subarray(0, 4)) socket.send(Buffer.from([byte]));
    socket.send(header.subarray(4, 6), { fin: false });
    socket.ping('between');
    socket.send(header.subarray(6), { fin: true });
    await once(socket, 'message');
    assert.equal(heard[0][0], 1); // connection.start is a frame of a method
    assert.equal(heard[0].readUInt32BE(3) + 8, heard[0].length); // and all of it is one message
    socket.close();
    await ended;
  },

  // Stays until it is killed: a consumer with a queue of its own.
  async stays() {
    const client = await connected({ name: 'stays' });
    const channel = await client.channel();
    const queue = await channel.queue('ws.stays', { exclusive: true });
    await queue.subscribe({ noAck: false }, () => {});
    console.log('ready');
    await new Promise((resolve) => { setTimeout(resolve, 100_000); });
  },

  // Does not read what it asked for; everybody else goes on.
  async stops_reading() {
    const publisher = await connected();
    const publishing = await publisher.channel();
    await publishing.confirmSelect();
    const full = await publishing.queue('ws.unread', { durable: false, autoDelete: false });
    const reader = await connected({ name: 'stops' });
    const channel = await reader.channel();
    const queue = await channel.queue('ws.unread', { durable: false, autoDelete: false });
    let seen = 0;
    await queue.subscribe({ noAck: true }, () => { seen++; });
    reader.socket.pause();
    const body = new Uint8Array(100_000);
    for (let i = 0; i < 300; i++) await full.publish(body);
    const other = await publishing.queue('', { exclusive: true });
    await other.publish('others go on');
    assert.equal((await other.get({ noAck: true })).bodyString(), 'others go on');
    assert.ok(seen < 300);
    reader.socket.resume();
    for (let i = 0; i < 600 && seen < 300; i++) await new Promise((resolve) => { setTimeout(resolve, 50); });
    assert.equal(seen, 300);
    await publishing.queueDelete('ws.unread');
    await reader.close();
    await publisher.close();
  },

  // Whoever does not finish the opening is sent away after the time for a login.
  async half_an_opening() {
    const { hostname, port } = new URL(url);
    const socket = net.connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write('GET /ws HTTP/1.1\r\nHost: localhost\r\n');
    const begun = Date.now();
    socket.resume();
    await once(socket, 'close');
    const seconds = (Date.now() - begun) / 1000;
    assert.ok(seconds > 5 && seconds < 30, `${seconds} s`);
  },
};

const name = process.argv[2];
try {
  await tests[name]();
} catch (error) {
  console.error(error);
  process.exit(1);
}
process.exit(0);
