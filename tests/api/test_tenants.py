"""Two companies on one installation: to each, what is the other's does not exist."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from api.routing import ANONYMOUS, REQUEST_HEADER
from domain.log.fleet import Fleet
from tests.api.bodies import body_for
from tests.api.companies import Company, company
from tests.api.routes import BY_LINE, NOTHING, UNKNOWN, address, ask, parts_of
from tests.api.serving import Served
from tests.api.teams import Around
from tests.people import people

NO_IDENTIFIERS = {"name", "prefix"}  # which functions, variables and events of all may have
LINES = [
    (line, part)
    for line, route in BY_LINE.items()
    for part in parts_of(route.path)
    if part not in NO_IDENTIFIERS
]


@pytest.fixture(scope="module")
def companies(served: Served, fleet: Fleet) -> Iterator[tuple[Company, Company]]:
    with people(served.database) as those, ExitStack() as clients:
        mine, theirs = (company(Around(served, those, clients=clients), fleet) for _ in range(2))
        yield mine, theirs


@pytest.mark.parametrize(("line", "part"), LINES)
def test_what_is_another_s_is_answered_like_what_is_not_there(
    companies: tuple[Company, Company], line: str, part: str
) -> None:
    mine, theirs = companies
    assert part in mine.known, f"what is another's {part}?"
    before = theirs.everything()
    for named in theirs.known[part]:
        like_theirs = said(mine, line, part, named)
        assert like_theirs == said(mine, line, part, unheard_of(part, named)), named
        assert like_theirs[0] >= 400 or line in HARMLESS
    assert theirs.everything() == before


# Of what never was there is an empty history, and of another's too.
HARMLESS = {"GET /v1/products/{product}/firmware/{version}/history"}


def said(mine: Company, line: str, part: str, named: str) -> tuple[int, Any]:
    """What a call comes to in which all is one's own but for one part."""
    route = BY_LINE[line]
    own = {name: known[0] for name, known in mine.known.items()}
    path = address(route.path, **{**own, part: named})
    headers = {REQUEST_HEADER: "the-same"}
    answer = ask(mine.http, route.method, path, json=body_for(line), headers=headers)
    text = answer.text.replace(named, "<it>").replace(named.lower(), "<it>")
    return answer.status_code, text


def unheard_of(part: str, named: str) -> str:
    """Something unknown that is spelled like the name, so that only its being there differs."""
    if re.fullmatch("[0-9A-Fa-f]{24}", named):
        return NOTHING
    if named.isdigit():
        return UNKNOWN["version" if part == "version" else "product"]
    return UNKNOWN["username"] if "@" in named else "unheard-of"


def test_nobody_s_token_ends_by_its_id_but_one_s_own(companies: tuple[Company, Company]) -> None:
    mine, theirs = companies
    answer = mine.http.delete(f"/v1/access_tokens/{theirs.owner.token_id}")
    assert answer.status_code == 404
    assert theirs.http.get("/v1/access_tokens/current").status_code == 200


def test_lists_show_what_is_one_s_own_alone(companies: tuple[Company, Company]) -> None:
    mine, theirs = companies
    for one, other in ((mine, theirs), (theirs, mine)):
        shown = "".join(
            one.http.get(path).text
            for path in ("/v1/products", "/v1/user/products", "/v1/devices", "/v1/orgs")
        ) + "".join(
            one.http.get(path).text
            for path in ("/v1/clients", "/v1/user/device_transfers", "/v1/user/invitations")
        )
        assert one.world.name in shown
        assert one.known["device"][0] in shown
        foreign = [other.world.name, other.known["device"][0], other.org, *other.known["client"]]
        assert [text for text in foreign if text in shown] == []


BODY_NAMES = [
    ("PUT /v1/products/{product}/devices", "device", lambda it: {
        "action": "groups", "devices": [it.lower()], "metadata": {"add": ["beta"]}}),
    ("PUT /v1/products/{product}/devices/{device}", "version", lambda it: {
        "desired_firmware_version": int(it)}),
    ("PUT /v1/products/{product}/firmware/release", "version", lambda it: {
        "version": int(it), "product_default": True}),
    ("POST /v1/products/{product}/events", "device", lambda it: {
        "name": "said", "as_device_id": it.lower()}),
    ("POST /v1/products/{product}/transfer", "org", lambda it: {"organization": it}),
    ("POST /v1/orgs/{org}/transfer", "username", lambda it: {"organization": it}),
]  # fmt: skip


@pytest.mark.parametrize(("line", "part", "body"), BODY_NAMES)
def test_what_a_body_names_is_no_more_there_than_what_a_path_names(
    companies: tuple[Company, Company], line: str, part: str, body: Callable[[str], dict[str, Any]]
) -> None:
    mine, theirs = companies
    before = theirs.everything()
    for named in theirs.known[part]:
        if part == "device" and len(named) != len(NOTHING):
            continue
        unknown = unheard_of(part, named)
        path = address(BY_LINE[line].path, **{name: one[0] for name, one in mine.known.items()})
        found = [
            mine.http.request(BY_LINE[line].method, path, json=body(it)) for it in (named, unknown)
        ]
        texts = [
            answer.text.replace(it.lower(), "<it>")
            for answer, it in zip(found, (named, unknown), strict=True)
        ]
        assert found[0].status_code == found[1].status_code >= 400
        assert texts[0] == texts[1]
    assert theirs.everything() == before


def test_no_answer_to_a_stranger_names_what_is_inside(companies: tuple[Company, Company]) -> None:
    """Whatever a stranger asks for in another's product, no word of it comes back."""
    mine, theirs = companies
    inside = [theirs.world.name, theirs.known["group"][0], theirs.owner.email]
    named = {part: known[0] for part, known in theirs.known.items()}
    for line, route in BY_LINE.items():
        if route.scope == ANONYMOUS or not {"product", "org", "device"} & {*parts_of(route.path)}:
            continue
        path = address(route.path, **named)
        answer = ask(mine.http, route.method, path, json=body_for(line))
        asked = [text for text in inside if text in path]
        assert [text for text in inside if text in answer.text and text not in asked] == [], line
        assert answer.status_code == 403, line
