"""What the story asks the API, as a program of a customer would."""

from collections.abc import Mapping
from typing import Any

import httpx

from rollcall.story.telling import NotAsTold

TIMEOUT_S = 60.0
PAGE_ROWS = 100
BEHIND_MAX = 30  # each such reply has waited for two seconds
TEXT_CHARACTERS_MAX = 1_000  # of an error


class Api:
    """The API with the administrator's token. Replies are the JSON they carry.

    `known` is a position of the log that the story has seen: nothing older is read from then on.
    """

    known = 0

    def __init__(self, address: str, token: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=address,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, **query: Any) -> Any:
        at_least = {"X-Rollcall-At-Least": str(self.known)}
        for _ in range(BEHIND_MAX):
            reply = await self._answered("GET", path, params=query, headers=at_least)
            if "X-Rollcall-Behind" not in reply.headers:
                return reply.json()
        raise NotAsTold(f"GET {path}", f"as of position {self.known}", "still behind")

    async def post(self, path: str, body: Any = None) -> Any:
        return await self._done("POST", path, json=body)

    async def put(self, path: str, body: Any) -> Any:
        return await self._done("PUT", path, json=body)

    async def upload(self, path: str, file: bytes, name: str, **fields: str) -> Any:
        return await self._done("POST", path, files={"file": (name, file)}, data=fields)

    async def download(self, firmware: str) -> bytes:
        """The bytes of the firmware at that path."""
        path = f"{firmware}/binary"
        return (await self._answered("GET", path)).content

    async def refused(self, method: str, path: str, **content: Any) -> Mapping[str, Any]:
        """The body of a refusal, and its status. Raises NotAsTold if the call succeeds."""
        reply = await self._http.request(method, path, **content)
        if reply.is_success:
            raise NotAsTold(f"{method} {path}", "a refusal", f"{reply.status_code} {reply.text}")
        return {"status": reply.status_code, **reply.json()}

    async def pages(self, path: str, key: str, **query: Any) -> list[Any]:
        """All of a list, whatever its length."""
        found: list[Any] = []
        page = total_pages = 1
        while page <= total_pages:
            reply = await self.get(path, page=page, per_page=PAGE_ROWS, **query)
            found += reply[key]
            total_pages = reply["meta"]["total_pages"]
            page += 1
        return found

    async def _done(self, method: str, path: str, **content: Any) -> Any:
        reply = await self._answered(method, path, **content)
        return reply.json() if reply.content else None

    async def _answered(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Raises NotAsTold if the call is refused."""
        reply = await self._http.request(method, path, **content)
        if not reply.is_success:
            found = f"{reply.status_code} {reply.text[:TEXT_CHARACTERS_MAX]}"
            raise NotAsTold(f"{method} {path}", "success", found)
        return reply
