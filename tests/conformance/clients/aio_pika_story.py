"""The story with aio-pika (over aiormq)."""
import asyncio
import os

import aio_pika
from aiormq.exceptions import ChannelNotFoundEntity, ChannelPreconditionFailed, DeliveryError

Q = "story.aio_pika"


async def story():
    connection = await aio_pika.connect_robust(os.environ["AMQP_URL"])
    channel = await connection.channel(publisher_confirms=True)
    await channel.queue_delete(Q)
    queue = await channel.declare_queue(Q, durable=True)
    print("declared")
    for i in range(10):
        await channel.default_exchange.publish(aio_pika.Message(str(i).encode(), delivery_mode=2), Q)
    print("confirmed 10")
    got = await queue.get(no_ack=True)
    print("got", got.body.decode(), "left", got.message_count)
    await channel.set_qos(prefetch_count=1)
    seen = 0
    async with queue.iterator() as messages:
        async for message in messages:
            seen += 1
            print(("first" if seen == 1 else "second"), "delivery", message.body.decode(), "redelivered", str(message.redelivered).lower())
            if seen == 2:
                await message.ack()
                break
            await message.nack(requeue=True)
    calls = await channel.declare_queue(exclusive=True)
    answer = asyncio.get_running_loop().create_future()

    async def serve(message):
        await channel.default_exchange.publish(aio_pika.Message(b"answer to " + message.body), message.reply_to)
    await calls.consume(serve, no_ack=True)
    replies = await channel.declare_queue(exclusive=True)

    async def hear(message):
        answer.set_result(message.body)
    await replies.consume(hear, no_ack=True)
    await channel.default_exchange.publish(aio_pika.Message(b"question", reply_to=replies.name), calls.name)
    print("rpc:", (await asyncio.wait_for(answer, 10)).decode())
    other = await connection.channel()
    try:
        await other.declare_queue("story.nothing", passive=True)
    except ChannelNotFoundEntity:
        print("missing queue: 404")
    other = await connection.channel()
    try:
        await other.declare_queue(Q, durable=True, arguments={"x-max-length": 5})
    except ChannelPreconditionFailed:
        print("other arguments: 406")
    other = await connection.channel(publisher_confirms=True, on_return_raises=True)
    try:
        await other.default_exchange.publish(aio_pika.Message(b"x"), "story.nothing", mandatory=True)
    except DeliveryError as error:
        print("returned:", error.message.delivery.reply_code)
    await connection.close()
    connection = await aio_pika.connect(os.environ["AMQP_URL"])
    channel = await connection.channel()
    queue = await channel.declare_queue(Q, passive=True)
    print("after an error and a new connection:", queue.declaration_result.message_count)
    print("deleted", (await queue.delete(if_unused=False, if_empty=False)).message_count)
    await connection.close()


asyncio.run(asyncio.wait_for(story(), 60))
