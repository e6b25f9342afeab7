"""`python -m tests.bench.bare_api PORT`: handlers that run the API's SQL, and nothing else.

No token, no rules, no objects: rows as they come, in JSON. What a framework costs without us.
"""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from argon2 import PasswordHasher
from psycopg_pool import AsyncConnectionPool
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.database import POSITIONS, as_app
from api.fleet.devices import COUNT_TALLIED, DEVICE, IN_PRODUCT, ORDERS, PAGE
from api.fleet.groups import ALIVE
from api.fleet.imports import OTHER_PLATFORM, RETIRED, TAKE_TURN
from api.fleet.products import BY_ID
from api.people.credentials import LANES, MEMORY_KIB, PASSES
from api.streams import STREAMS

CONNECTIONS = 16
PASSWORD = "correct horse battery staple"
DEVICES = PAGE.format(condition=IN_PRODUCT, order=ORDERS["lastConnection", "desc"])
COUNT = f"{COUNT_TALLIED} WHERE {IN_PRODUCT}"
APPEND = """
    INSERT INTO log.fleet_events (originator_id, originator_version, topic, state)
    VALUES (%s, %s, %s, %s) RETURNING notification_id
"""

encode = msgspec.json.Encoder(enc_hook=str).encode
hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
known = hasher.hash(PASSWORD)


async def rows(request: Request, *queries: tuple[str, Any]) -> list[Sequence[object]]:
    """All of them in one transaction; the rows of the last."""
    found: list[Any] = []
    async with request.app.state.pool.connection() as connection:
        for query, params in queries:
            found = await (await connection.execute(query.encode(), params)).fetchall()
    return found


async def device(request: Request) -> Response:
    product_id = int(request.path_params["product"])
    device_id = request.path_params["device"]
    found = await rows(
        request,
        (POSITIONS, ()),
        (BY_ID, [product_id]),
        (ALIVE, [product_id]),
        (DEVICE, [product_id, device_id]),
    )
    return Response(encode(found), media_type="application/json")


async def page(request: Request) -> Response:
    product_id = int(request.path_params["product"])
    params = {"product": product_id, "limit": 100, "offset": 0}
    found = await rows(
        request,
        (POSITIONS, ()),
        (BY_ID, [product_id]),
        (ALIVE, [product_id]),
        (COUNT, params),
        (DEVICES, params),
    )
    return Response(encode(found), media_type="application/json")


async def command(request: Request) -> Response:
    """What importing one device asks and writes, each part in a transaction of its own."""
    device_id = msgspec.json.decode(await request.body())["id"]
    product_id = int(request.path_params["product"])
    stream = f"device-{device_id}"
    event = {"event": {"device_id": device_id, "product_id": product_id}, "actor": "bench"}
    await rows(request, (POSITIONS, ()), (BY_ID, [product_id]))
    await rows(request, (STREAMS.decode(), [[stream]]))
    await rows(request, (OTHER_PLATFORM.decode(), [[device_id], 6]))
    found = await rows(
        request,
        (TAKE_TURN.decode(), ()),
        (RETIRED.decode(), [f"product-{product_id}", "ProductRetired.1"]),
        (APPEND, [stream, 1, "DeviceImported.1", encode(event)]),
    )
    return Response(encode(found), media_type="application/json")


async def log_in(request: Request) -> Response:
    """Checks a password."""
    await request.form()
    await run_in_threadpool(hasher.verify, known, PASSWORD)
    return Response(b"{}", media_type="application/json")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    conninfo = as_app(os.environ["DATABASE_URL"])
    async with AsyncConnectionPool(conninfo, max_size=CONNECTIONS, open=False) as pool:
        await pool.wait()
        app.state.pool = pool
        Path(os.environ["ROLLCALL_READY_FILE"]).touch()
        yield


D = "/v1/products/{product}/devices"
app = Starlette(
    routes=[
        Route(f"{D}/{{device}}", device),
        Route(D, page),
        Route(D, command, methods=["POST"]),
        Route("/oauth/token", log_in, methods=["POST"]),
    ],
    lifespan=lifespan,
)

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_config=None, access_log=False)
