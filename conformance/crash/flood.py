"""Publishes over AMQP faster than a disk writes, while consumers take their time; then everything is drained.

    flood.py ADDRESS SECONDS

At the end one line of JSON says how much was confirmed, and what of it was missing.
"""

import asyncio
import json
import sys
import time

import aiormq

DRAIN_SECONDS_MAX = 120
PUBLISHERS = 8
#: Publishes without a confirm, of each publisher; the broker has to hold them up.
UNDER_WAY_MAX = 2_000
BODY = b"x" * 16_000
PERSISTENT = aiormq.spec.Basic.Properties(delivery_mode=2)
QUEUE = "flood"


async def publish_all(url, place, confirmed, until):
    connection = await aiormq.connect(url)
    channel, under_way = await connection.channel(publisher_confirms=True), set()

    async def publish(number):
        answer = await channel.basic_publish(number.encode() + BODY, routing_key=QUEUE, properties=PERSISTENT)
        if isinstance(answer, aiormq.spec.Basic.Ack):
            confirmed.add(number)

    count = 0
    while time.monotonic() < until:
        if len(under_way) >= UNDER_WAY_MAX:
            await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        task = asyncio.create_task(publish(f"{place:02d}-{count:010d}"))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        count += 1
        await asyncio.sleep(0)
    if under_way:
        await asyncio.wait(under_way)
    await connection.close()


async def consume(url, delivered, seconds_each, prefetch, ended):
    """No prefetch and a slow reader: the broker may not keep what the client does not take."""
    connection = await aiormq.connect(url)
    channel = await connection.channel(publisher_confirms=False)
    if prefetch:
        await channel.basic_qos(prefetch_count=prefetch)
    lock = asyncio.Lock()

    async def take(message):
        async with lock:
            await asyncio.sleep(seconds_each)
        delivered.add(bytes(message.body[:13]).decode())
        await channel.basic_ack(message.delivery_tag)

    await channel.basic_consume(QUEUE, take)
    await ended.wait()
    await connection.close()


async def main(address, seconds):
    url, confirmed, delivered, complaints = f"amqp://guest:guest@{address}/", set(), set(), []
    connection = await aiormq.connect(url)
    await (await connection.channel()).queue_declare(QUEUE, durable=True)
    slow, fast = asyncio.Event(), asyncio.Event()
    readers = [asyncio.create_task(consume(url, delivered, 0.01, prefetch, slow)) for prefetch in (0, 10)]
    until = time.monotonic() + float(seconds)
    await asyncio.gather(*(publish_all(url, place, confirmed, until) for place in range(PUBLISHERS)))
    slow.set()
    readers += [asyncio.create_task(consume(url, delivered, 0, 500, fast)) for _ in range(2)]
    until = time.monotonic() + DRAIN_SECONDS_MAX
    while not confirmed <= delivered and time.monotonic() < until:
        await asyncio.sleep(0.1)
    fast.set()
    await asyncio.wait(readers, timeout=10)
    missing = confirmed - delivered
    complaints += [f"confirmed and never delivered: {number}" for number in sorted(missing)[:5]]
    if not confirmed:
        complaints.append("nothing was confirmed")
    told = {"confirmed": len(confirmed), "delivered": len(delivered), "complaints": complaints}
    print(json.dumps(told), flush=True)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
