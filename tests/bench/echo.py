"""`python -m tests.bench.echo`: sends devices back what they say, on `up.echo` and `dn.echo`.

The least that a service can do with the client library that edges use.
"""

import asyncio
import os
from collections.abc import Callable

import nats
from nats.aio.msg import Msg

from device_edge.running import run
from domain.subjects import down, up


async def echo(stopping: asyncio.Event, ready: Callable[[], None]) -> None:
    connection = await nats.connect(os.environ["NATS_URL"])

    async def answer(message: Msg) -> None:
        device_id = message.subject.split(".", 2)[1]
        await connection.publish(message.reply or down(device_id, "echo"), message.data)

    await connection.subscribe(up("*", "echo"), queue="edge", cb=answer)
    await connection.flush()
    ready()
    await stopping.wait()
    await connection.close()


if __name__ == "__main__":
    run(echo, os.environ["ROLLCALL_READY_FILE"])
