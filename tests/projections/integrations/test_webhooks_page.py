"""docs/webhooks.md says the truth: its code checks signatures, its numbers are the code's."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.integration import INTEGRATIONS_PER_OWNER_MAX
from projections.deliveries.by_hand import REPLAYED_MAX, RETRIED_MAX
from projections.deliveries.sending import RESPONSE_BYTES_MAX, TIMEOUT_S
from projections.deliveries.signing import signed
from projections.deliveries.tidying import ATTEMPTS_KEPT
from projections.integrations.event import known_of
from projections.integrations.request import Request, build
from projections.integrations.response import CHUNK_BYTES
from projections.integrations.settings import (
    HEADERS_MAX,
    PARAMETERS_MAX,
    SETTINGS_BYTES_MAX,
    WebhookSettings,
)
from rollcall.state import CHECKOUT
from tests.projections.integrations.events import IN_PRODUCT, device_event

PAGE = (CHECKOUT / "docs" / "webhooks.md").read_text()
SECRET, OTHER = "whsec_" + "c2VjcmV0" * 4, "whsec_" + "b3RoZXIh" * 4

IsGenuine = Callable[[str, dict[str, str], bytes], bool]


@pytest.fixture(scope="module")
def is_genuine() -> IsGenuine:
    """The page's own."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    checks: IsGenuine = names["is_genuine"]
    return checks


def sent(*secrets: str, ago: timedelta = timedelta()) -> tuple[dict[str, str], bytes]:
    request = build(WebhookSettings(url="https://r.example"), device_event("ü"), IN_PRODUCT)
    assert isinstance(request, Request)
    request = signed(request, secrets, "an-id", datetime.now(UTC) - ago)
    return {name.lower(): text for name, text in request.headers}, request.body


def test_what_we_sign_is_genuine(is_genuine: IsGenuine) -> None:
    assert is_genuine(SECRET, *sent(SECRET))


def test_also_while_the_secret_is_rotated(is_genuine: IsGenuine) -> None:
    for secret in (SECRET, OTHER):
        assert is_genuine(secret, *sent(SECRET, OTHER))


def test_nothing_else_is(is_genuine: IsGenuine) -> None:
    headers, body = sent(SECRET)
    assert not is_genuine(OTHER, headers, body)
    assert not is_genuine(SECRET, headers, body + b" ")
    assert not is_genuine(SECRET, {**headers, "webhook-id": "another"}, body)
    assert not is_genuine(SECRET, *sent(SECRET, ago=timedelta(minutes=6)))


def test_every_variable_is_there_and_every_one_there_is() -> None:
    named = set(re.findall(r"`((?:PARTICLE|SPARK|PRODUCT)_[A-Z0-9_]+)`", PAGE))
    assert named == known_of(device_event(), IN_PRODUCT).keys()


@pytest.mark.parametrize(
    "words",
    [
        f"at most {SETTINGS_BYTES_MAX:,} bytes, {HEADERS_MAX} headers and {PARAMETERS_MAX} fields",
        f"an owner has at most {INTEGRATIONS_PER_OWNER_MAX}",
        f"within {TIMEOUT_S:g} seconds",
        f"pieces of {CHUNK_BYTES} bytes, at most {RESPONSE_BYTES_MAX // 1024} KiB",
        f"{RETRIED_MAX:,} with each call",
        f"{REPLAYED_MAX:,} with each call",
        f"kept for {ATTEMPTS_KEPT.days} days",
    ],
)
def test_its_numbers_are_the_code_s(words: str) -> None:
    assert words in " ".join(PAGE.split())
