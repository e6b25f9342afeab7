"""`python -m tests.bench.echo`: lets devices in as an edge does, and answers a hello with itself.

The least that a service on the same client can do, so that an edge can be seen beside it.
"""

import asyncio
import os
from collections.abc import Callable

import nats
from nats.aio.msg import Msg

from device_edge.callout import Callout
from device_edge.nkeys import KeyPair
from device_edge.running import run
from domain.subjects import down, up


async def echo(stopping: asyncio.Event, ready: Callable[[], None]) -> None:
    environment = os.environ
    connection = await nats.connect(environment["NATS_URL"])
    auth = await nats.connect(environment["NATS_AUTH_URL"])

    async def answer(message: Msg) -> None:
        device = message.subject.split(".", 2)[1]
        await connection.publish(message.reply or down(device, "hello"), message.data)

    await connection.subscribe(up("*", "hello"), queue="edge", cb=answer)
    await connection.flush()
    issuer = KeyPair.from_seed(environment["ROLLCALL_ISSUER_SEED"])
    key = bytes.fromhex(environment["ROLLCALL_DEVICE_MASTER_KEY"])
    await Callout(issuer, key).serve(auth)
    await auth.flush()
    ready()
    await stopping.wait()
    await connection.close()
    await auth.close()


if __name__ == "__main__":
    run(echo, os.environ["ROLLCALL_READY_FILE"])
