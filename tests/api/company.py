"""A product whose team is made through the API, as a person with a program of theirs does it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.api.teams import Around, Somebody

EFFECTIVE_S = 1.0  # what is decided on one process holds on all of them by then


class Company(Around):
    """A product with its owner, seen through the API."""

    ada: Somebody
    path: str

    def found(self) -> None:
        self.ada = self.user("ada")
        wanted = {"product": {"name": "Lamp", "platform_id": 6}}
        answer = self.call(self.ada).post("/v1/user/products", json=wanted)
        assert answer.status_code == 201, answer.text
        self.team = str(answer.json()["product"]["id"])
        self.path = f"/v1/products/{self.team}"

    @property
    def owner(self) -> httpx.Client:
        return self.call(self.ada)

    def invite(self, who: Somebody, **more: Any) -> dict[str, Any]:
        answer = self.owner.post(self.path + "/team", json={"username": who.email, **more})
        assert answer.status_code == 200, answer.text
        invited: dict[str, Any] = answer.json()["invited"]
        return invited

    def answer(self, who: Somebody, word: str, status: int = 200) -> dict[str, Any]:
        answer = self.call(who).post(f"/v1/user/invitations/{self.team}/{word}")
        assert answer.status_code == status, answer.text
        said: dict[str, Any] = answer.json()
        return said

    def listed(self) -> list[dict[str, Any]]:
        answer = self.owner.get(self.path + "/team")
        assert answer.status_code == 200, answer.text
        team: list[dict[str, Any]] = answer.json()["team"]
        return team

    def roles(self) -> dict[str, str]:
        return {one["username"]: one["role"]["name"] for one in self.listed()}

    def refused(self, method: str, below: str, status: int, **sent: Any) -> dict[str, Any]:
        answer = self.owner.request(method, self.path + below, **sent)
        assert answer.status_code == status, answer.text
        error: dict[str, Any] = answer.json()
        assert error["error_description"]
        assert "access token" not in error["error_description"]
        return error


def until(holds: Any) -> None:
    """Within the time that a decision may take to hold everywhere."""
    deadline = datetime.now(UTC) + timedelta(seconds=EFFECTIVE_S)
    while not holds():
        assert datetime.now(UTC) < deadline, "still not so"
