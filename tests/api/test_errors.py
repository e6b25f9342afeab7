"""Every error is JSON of one shape, whatever went wrong and wherever."""

import logging

import httpx
import pytest

from api import problem
from api.failure import answer_to, error_of, status_of
from api.problem import Problem
from domain import device, firmware, group, product
from domain.model import Refused
from tests.api.serving import Served
from tests.api.world import World


def test_an_address_that_is_not_there(api: httpx.Client) -> None:
    for path in ("/", "/v1", "/v1/nothing", "/v1/products/1/2/3/4", "/%00", "/v1/products/"):
        answer = api.get(path)
        assert answer.status_code == 404
        assert answer.json()["error"] == "not_found"
        assert answer.json()["ok"] is False


def test_a_method_that_an_address_does_not_take(api: httpx.Client) -> None:
    answer = api.patch("/v1/products")
    assert answer.status_code == 405
    assert answer.json()["error"] == "method_not_allowed"
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


def test_options_says_what_an_address_takes(served: Served) -> None:
    answer = httpx.options(f"{served.url}/v1/products/104/devices")
    assert answer.status_code == 204
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST, PUT"


def test_head_answers_as_get_does_without_a_body(world: World) -> None:
    answer = world.api.head(world.path)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == len(world.api.get(world.path).content)
    assert world.api.head("/v1/products/64999").status_code == 403


def test_pages_of_others_may_call_with_a_token(served: Served) -> None:
    asked = {
        "Origin": "https://console.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = httpx.options(f"{served.url}/v1/products", headers=asked)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    with served.client() as client:
        answer = client.get("/v1/products", headers={"Origin": "https://console.example"})
    assert "X-Rollcall-Position" in answer.headers["access-control-expose-headers"]


def test_a_request_keeps_the_name_that_its_caller_gave_it(api: httpx.Client) -> None:
    for given in ("mine-1", "a" * 64):
        answer = api.get("/v1/products", headers={"X-Request-Id": given})
        assert answer.headers["X-Request-Id"] == given
    for given in ("a" * 65, "with blank", "<b>"):
        answer = api.get("/v1/products", headers={"X-Request-Id": given})
        assert answer.headers["X-Request-Id"] != given


def test_what_nobody_foresaw_names_the_request_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    try:
        raise ZeroDivisionError("secret detail")
    except ZeroDivisionError as error:
        with caplog.at_level(logging.ERROR):
            answer = answer_to(error, "request-7")
    assert answer.status_code == 500
    assert b"request-7" in bytes(answer.body)
    assert b"secret" not in bytes(answer.body)
    assert len(caplog.records) == 1
    assert "ZeroDivisionError" in caplog.text


def test_only_a_bad_token_is_a_401_and_only_tokens_are_called_so() -> None:
    problems = [kind for kind in vars(problem).values() if is_problem(kind)]
    told_401 = [kind for kind in problems if kind.status == 401]
    assert told_401 == [problem.TokenInvalid, problem.TokenExpired]
    told = [kind for kind in problems if "access token" in (kind.__doc__ or "").lower()]
    assert told == [problem.TokenMissing, problem.TokenInvalid, problem.TokenExpired]
    codes = [kind.error for kind in problems]
    assert "expired_token" not in codes
    assert codes.count("invalid_token") == 2


def is_problem(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Problem) and kind is not Problem


@pytest.mark.parametrize(
    ("refused", "status", "error"),
    [
        (firmware.FirmwareUnproven, 400, "firmware_unproven"),
        (firmware.FirmwareUnknown, 404, "firmware_unknown"),
        (firmware.FirmwareWasReleased, 409, "firmware_was_released"),
        (group.GroupUnknown, 404, "group_unknown"),
        (group.GroupNameTaken, 409, "group_name_taken"),
        (device.DeviceUnknown, 404, "device_unknown"),
        (device.VersionUnknown, 400, "version_unknown"),
        (product.ProductUnknown, 403, "product_unknown"),
        (product.ProductIdTaken, 409, "product_id_taken"),
    ],
)
def test_a_refusal_has_a_status_and_a_code(refused: type[Refused], status: int, error: str) -> None:
    assert (status_of(refused), error_of(refused)) == (status, error)
