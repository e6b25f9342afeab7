"""The API as one application: its routes, and what every call passes before it finds one."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route as StarletteRoute

from api import status
from api.addresses import Addresses
from api.app import ROUTES
from api.cloud import Settings, cloud_of
from api.failure import answer_http_exception
from api.idempotency import REPLAYED_HEADER
from api.outside import Refusals
from api.passage import starlette_routes
from api.routing import BEHIND_HEADER, POSITION_HEADER, REQUEST_HEADER
from api.turnstile import Turnstile

# What needs no token: that the process lives, and that it serves. Nothing else, ever.
OPEN = [
    StarletteRoute("/health", status.health),
    StarletteRoute("/ready", status.ready),
]


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
        routes=[*OPEN, Refusals(), Addresses(starlette_routes(ROUTES))],
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
                    *("ETag", "Content-Range", "Link", "Retry-After"),
                ],
            ),
            Middleware(Turnstile, proxies=settings.proxies),
        ],
        exception_handlers={
            HTTPException: answer_http_exception,
            Exception: answer_http_exception,
        },
    )
    app.router.redirect_slashes = False  # a redirect loses the token, or the body
    return app
