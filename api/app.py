"""Every route of the HTTP API, on one page: method, address, handler, scope."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter
from msgspec import Struct
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route as StarletteRoute

from api import (
    device_changes,
    devices,
    firmware,
    groups,
    history,
    impact,
    imports,
    overview,
    products,
    releases,
    status,
    why,
)
from api.auth import Callers
from api.binaries import UPLOAD_BYTES_MAX
from api.call import LONG_WRITERS_MAX, WRITERS_MAX, Cloud
from api.database import Database
from api.device_changes import BATCH_BYTES_MAX
from api.followed import WAIT_S, Followed
from api.idempotency import REPLAYED_HEADER, Calls
from api.imports import IMPORT_BYTES_MAX
from api.openapi import openapi
from api.problem import answer_http_exception
from api.routing import (
    BEHIND_HEADER,
    POSITION_HEADER,
    REQUEST_HEADER,
    Route,
    starlette_routes,
)
from domain.log.fleet import Fleet

LOG_CONNECTIONS = 8

P = "/v1/products/{product}"
D = P + "/devices/{device}"
G = P + "/groups/{group}"
F = P + "/firmware/{version}"

# fmt: off
ROUTES = [
    Route("GET",    "/v1/user/products",     products.list_products,       "products:list"),
    Route("POST",   "/v1/user/products",     products.create_product,      "products:create", 201),
    Route("GET",    "/v1/products",          products.list_products,       "products:list"),
    Route("POST",   "/v1/products",          products.create_product,      "products:create", 201),
    Route("GET",    P,                       products.get_product,         "products:get"),
    Route("PUT",    P,                       products.change_product,      "products:update"),
    Route("DELETE", P,                       products.retire_product,      "products:remove", 204),
    Route("GET",    P + "/overview",         overview.get_overview,        "products:get"),
    Route("GET",    P + "/history",          history.history_of_product,   "history:list"),

    Route("GET",    P + "/devices",          devices.list_devices,         "devices:list"),
    Route("POST",   P + "/devices",          imports.import_devices,       "devices:import",
          bytes_max=IMPORT_BYTES_MAX, slow=True),
    Route("PUT",    P + "/devices",          device_changes.change_devices, "devices:update",
          bytes_max=BATCH_BYTES_MAX, also=(404,)),
    Route("GET",    D,                       devices.get_device,           "devices:get"),
    Route("PUT",    D,                       device_changes.change_device, "devices:update",
          bytes_max=UPLOAD_BYTES_MAX),
    Route("DELETE", D,                       device_changes.remove_device, "devices:remove", 204),
    Route("GET",    D + "/why",              why.why,                      "devices:get"),
    Route("GET",    D + "/history",          history.history_of_device,    "history:list"),
    Route("POST",   D + "/retry",            device_changes.retry_update,  "devices:update"),

    Route("GET",    P + "/groups",           groups.list_groups,           "groups:list"),
    Route("POST",   P + "/groups",           groups.create_group,          "groups:create", 201),
    Route("GET",    G,                       groups.get_group,             "groups:get"),
    Route("PUT",    G,                       groups.change_group,          "groups:update"),
    Route("DELETE", G,                       groups.remove_group,          "groups:remove", 204),
    Route("GET",    G + "/history",          history.history_of_group,     "history:list"),
    Route("GET",    P + "/impact",           impact.preview,               "groups.impact:get",
          also=(404, 409)),

    Route("GET",    P + "/firmware",         firmware.list_firmware,       "firmware:list"),
    Route("POST",   P + "/firmware",         firmware.upload_firmware,     "firmware:create", 201,
          bytes_max=UPLOAD_BYTES_MAX),
    Route("PUT",    P + "/firmware/release", releases.release_firmware,    "firmware:release",
          also=(404,)),
    Route("GET",    F,                       firmware.get_firmware,        "firmware:get"),
    Route("PUT",    F,                       firmware.change_firmware,     "firmware:update"),
    Route("DELETE", F,                       firmware.delete_firmware,     "firmware:remove", 204),
    Route("GET",    F + "/binary",           firmware.download_firmware,   "firmware.binary:get",
          also=(206, 304, 416)),
    Route("GET",    F + "/history",          history.history_of_firmware,  "history:list"),

    Route("GET",    "/v1/status",            status.status,                "status:get"),
    Route("GET",    "/v1/openapi.json",      openapi,                      "openapi:get"),
]
# fmt: on

# What needs no token: that the process lives, and that it serves. Nothing else, ever.
ANONYMOUS = [
    StarletteRoute("/health", status.health),
    StarletteRoute("/ready", status.ready),
]


class Settings(Struct, frozen=True):
    """`wait_s` is how long a write waits for the read models to show it."""

    database: str
    wait_s: float = WAIT_S


def create_app(settings: Settings, stopping: threading.Event | None = None) -> Starlette:
    """The API as an ASGI application. Once `stopping` is set, long work ends as soon as it can."""
    stopping = stopping or threading.Event()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with cloud_of(settings, stopping) as cloud:
            app.state.cloud = cloud
            app.state.routes = ROUTES
            yield

    app = Starlette(
        routes=[*ANONYMOUS, *starlette_routes(ROUTES)],
        lifespan=lifespan,
        middleware=[
            # Tokens travel in a header that no page of somebody else can make a browser send.
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["*"],
                allow_headers=["*"],
                expose_headers=[
                    *(POSITION_HEADER, BEHIND_HEADER, REQUEST_HEADER, REPLAYED_HEADER),
                    *("ETag", "Content-Range", "Retry-After"),
                ],
            )
        ],
        exception_handlers={
            HTTPException: answer_http_exception,
            Exception: answer_http_exception,
        },
    )
    app.router.redirect_slashes = False  # a redirect loses the token, or the body
    return app


@asynccontextmanager
async def cloud_of(settings: Settings, stopping: threading.Event) -> AsyncIterator[Cloud]:
    """Everything that calls are answered with; open while the process serves."""
    database = Database(settings.database)
    followed = Followed(database.conninfo, settings.wait_s)
    calls = Calls(database)
    await database.open()
    fleet = await asyncio.to_thread(Fleet, settings.database, pool_connections=LOG_CONNECTIONS)
    tasks = [asyncio.create_task(followed.listen()), asyncio.create_task(calls.hold())]
    try:
        yield Cloud(
            fleet=fleet,
            database=database,
            followed=followed,
            callers=Callers(database),
            calls=calls,
            writers=CapacityLimiter(WRITERS_MAX),
            long_writers=CapacityLimiter(LONG_WRITERS_MAX),
            stopping=stopping,
        )
    finally:
        stopping.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(fleet.close)
        await database.close()
