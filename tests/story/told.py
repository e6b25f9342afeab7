"""What a story claims, and ways to look it up without the story's own code."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psycopg

from rollcall.state import CHECKOUT, State
from rollcall.status import status

DEMO = (sys.executable, "-m", "rollcall.cli", "demo")


class Told:
    """What the demo printed, and the cloud that it left running."""

    def __init__(self, result: dict[str, Any], text: str) -> None:
        self.result = result
        self.text = text
        self.steps: dict[str, dict[str, Any]] = {one["step"]: one for one in result["steps"]}
        self.state = State(Path(result["state"]))
        found = status(self.state)
        token = {"Authorization": f"Bearer {found['admin_token']}"}
        self.http = httpx.Client(base_url=found["http"], headers=token, trust_env=False, timeout=30)
        self.database = psycopg.connect(found["database"], autocommit=True)
        self.product_id = self.steps["create_product"]["product_id"]

    def close(self) -> None:
        self.http.close()
        self.database.close()

    def sql(self, query: str, *params: object) -> list[tuple[Any, ...]]:
        return self.database.execute(query.encode(), params).fetchall()

    def get(self, path: str, **query: Any) -> Any:
        reply = self.http.get(f"/v1/products/{self.product_id}{path}", params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()


def rollcall(told: Told, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rollcall.cli", *words],
        env={**os.environ, "ROLLCALL_STATE": str(told.state.path)},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
    )
