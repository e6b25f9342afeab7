"""What schemathesis loads beside our description: who calls, from where, and a check of our own.

Runs in its process. `seeds.json`, in the folder that it runs in, says who there is.
"""

import json
import re
import secrets
from pathlib import Path
from typing import Any

import requests
import schemathesis

from api.idempotency import KEY_CHARACTERS_MAX

SEEDS: dict[str, Any] = json.loads(Path("seeds.json").read_text())
TOKEN: str = SEEDS["token"]
# Each is of a user of its own, whose password is known.
SPARE: list[str] = SEEDS["spare"]
KEY = "Idempotency-Key"
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
CAN_BE_KEY = re.compile("[ -~]+")
TIMEOUT_S = 30
WRONG_TOKEN = "f" * 40


def loses(case: Any) -> bool:
    """Whether a caller may lose their token by it: it is then somebody with one to lose."""
    path = case.operation.path
    return bool(path == "/v1/user" or path.startswith(("/v1/access_tokens", "/v1/user/mfa")))


@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case: Any, ctx: Any) -> str:
        return SPARE[0] if loses(case) else TOKEN

    def set(self, case: Any, data: str, ctx: Any) -> None:
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Nobody calls from one address all the time: who guesses passwords there is shut out. And no
    two calls are one, sent twice."""
    address = f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"
    headers = {**(case.headers or {}), "X-Forwarded-For": address}
    key = headers.get(KEY, "")
    if len(key) <= KEY_CHARACTERS_MAX and CAN_BE_KEY.fullmatch(key):
        # One that no other call had, and of no length that it may not have.
        headers[KEY] = key[: KEY_CHARACTERS_MAX - len(address)] + address
    case.headers = headers


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    if loses(case) and case.method != "GET" and response.status_code < 300 and len(SPARE) > 1:
        SPARE.pop(0)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Some prove who they are."""
    if isinstance(body, dict) and isinstance(body.get("current_password"), str):
        return {**body, "current_password": SEEDS["password"]}
    if context.operation.label == "DELETE /v1/user" and isinstance(body, dict):
        return {**body, "password": SEEDS["password"]} if "password" in body else body
    return body


@schemathesis.hook
def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Not what is promised, each time for a reason that no description can tell."""
    sent, said = response.request, response.content or b""
    match type(failure).__name__:
        case "ServerError" | "UnsupportedMethodResponse" if response.status_code == 501:
            # At some addresses other methods are what the Particle API has, and Rollcall has not.
            return b'"not_supported"' not in said
        case "UnsupportedMethodResponse" if response.status_code == 404:
            # What is spelled out in one address is a name in another: GET …/firmware/release.
            return False
        case "RejectedPositiveData" if response.status_code == 400:
            # It is left out, too, where all else is right.
            return b"The access token was not found" not in said
        case "AcceptedNegativeData" if sent.headers.get("Content-Type", "").startswith(FORMS):
            # In a form all is text: 0 is no boolean, and spells one.
            return "Incorrect type" not in str(failure)
        case "AcceptedNegativeData" if "in query - violates `anyOf`" in str(failure):
            return False  # nothing, where there may be nothing
    return True


TRIED: set[str] = set()


@schemathesis.check
def nobody_without_a_token(ctx: Any, response: Any, case: Any) -> None:
    """What somebody is let do, nobody is: without a token the answer is a 400, as the Particle API
    has it, and with a wrong one a 401. Each operation is tried once that ever succeeded."""
    operation = case.operation
    guarded = operation.definition.raw.get("security") != []
    sent = response.request
    let = sent.method == operation.method.upper() and response.status_code < 300
    if not guarded or not let or operation.label in TRIED:
        return
    TRIED.add(operation.label)
    headers = {name: text for name, text in sent.headers.items() if name != "Authorization"}
    for status, more in ((400, {}), (401, {"Authorization": f"Bearer {WRONG_TOKEN}"})):
        answer = requests.request(
            sent.method, sent.url, data=sent.body, headers={**headers, **more}, timeout=TIMEOUT_S
        )
        if answer.status_code != status:
            raise AssertionError(f"{operation.label}: {status} expected, not {answer.status_code}")
