"""Firmware over HTTP: whole, by range, resumed; for devices that show who they are."""

import contextlib
import socket
from collections.abc import Callable, Generator
from re import compile as pattern
from time import time

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from device_edge.content import Content, ContentUnavailable
from device_edge.credentials import CredentialRefused, TokenMalformed, verify
from device_edge.known import Known
from device_edge.messages import SHA256_PATTERN
from device_edge.permitted import may_fetch

SCHEME = "Device "
GRACE_S = 4  # what a download under way is given at the end
CONNECTIONS_MAX = 1_000
BACKLOG = 1_024
KEEP_ALIVE_S = 30
RETRY_AFTER_S = 10

is_sha256 = pattern(SHA256_PATTERN).fullmatch


class Downloads:
    """The one route."""

    def __init__(
        self,
        known: Known,
        content: Content,
        master_key: bytes,
        clock: Callable[[], float] = time,
    ) -> None:
        self._known = known
        self._content = content
        self._master_key = master_key
        self._clock = clock
        self.app = Starlette(routes=[Route("/firmware/{sha256}", self.firmware, methods=["GET"])])

    async def firmware(self, request: Request) -> Response:
        """The bytes, or a part of them."""
        try:
            device_id = self._device(request.headers.get("authorization", ""))
        except CredentialRefused as refused:
            challenge = {"WWW-Authenticate": SCHEME.strip()}
            return problem(401, type(refused).__doc__ or "", challenge)
        digest = request.path_params["sha256"]
        if not is_sha256(digest) or not may_fetch(self._known, device_id, digest):
            return problem(404, "There is no such firmware for this device.")
        try:
            path = await self._content.path_of(digest)
        except ContentUnavailable as unavailable:
            again = {"Retry-After": str(RETRY_AFTER_S)}
            return problem(503, type(unavailable).__doc__ or "", again)
        if path is None:
            return problem(404, "There is no such firmware for this device.")
        # The bytes under a SHA-256 never change, so a download may be taken up at any time.
        unchanging = {"ETag": f'"{digest}"', "Cache-Control": "private, immutable"}
        return FileResponse(path, headers=unchanging, media_type="application/octet-stream")

    def _device(self, authorization: str) -> str:
        """Who asks. Raises CredentialRefused."""
        device_id, _, token = authorization.removeprefix(SCHEME).partition(":")
        if not authorization.startswith(SCHEME):
            raise TokenMalformed
        verify(self._master_key, device_id, token, self._clock())
        return device_id


def problem(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": " ".join(reason.split())}, status, headers)


class Server(uvicorn.Server):
    """Runs beside the rest of the edge: signals are the edge's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Several edges on one machine may share a port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((host, port))
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener


def server_of(downloads: Downloads) -> Server:
    return Server(
        uvicorn.Config(
            downloads.app,
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=CONNECTIONS_MAX,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
