"""What is not there is refused in words that both clients show, and nobody is logged out by it."""

import json
import re
import shutil
from pathlib import Path

import httpx
import pytest
from starlette.routing import Match

from api.app import ROUTES
from api.outside import OUTSIDE, Refusals
from rollcall.state import CHECKOUT
from tests.clients.field import new_id
from tests.clients.particle_js import ParticleJs
from tests.clients.refusals import (
    BOARDS,
    CALLS,
    COMMANDS,
    COMPILER,
    DEVICE,
    FILES,
    KEYS,
    LOCAL,
    NEED_A_CABLE,
    PRODUCT,
    SIMS,
)
from tests.clients.terminal import Terminal
from tests.cloud import Cloud

PAGE = CHECKOUT / "docs" / "particle-compatibility.md"


@pytest.mark.parametrize("method", CALLS)
def test_a_method_is_refused_in_a_sentence(method: str, administrator: ParticleJs) -> None:
    sentence, options = CALLS[method]
    refused = administrator.refused(method, **options)
    assert refused.status == 501
    assert sentence in refused.sentence
    assert refused.body["error"] == "not_supported"


def test_to_ask_for_a_sim_is_refused_without_words(administrator: ParticleJs) -> None:
    """`checkSIM` sends HEAD, whose answer has no body."""
    assert administrator.refused("checkSIM", iccid="8934076500002589174").status == 501


def test_large_sources_are_refused_as_well(administrator: ParticleJs) -> None:
    sources = {"a.ino": b"/" * 4_000_000}
    refused = administrator.refused("compileCode", files=sources, platformId=6)
    assert COMPILER in refused.sentence


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for path, text in FILES.items():
        (home / path).parent.mkdir(exist_ok=True)
        (home / path).write_text(text)
    return home


@pytest.fixture
def logged_in(rollcall: Cloud, home: Path) -> Terminal:
    terminal = Terminal(home, {"PARTICLE_LIBRARY_DELETE_TOKEN": "one of the vendor's"})
    terminal.knows(apiUrl=rollcall.status["http"], access_token=rollcall.status["admin_token"])
    return terminal


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_prints_the_sentence_and_nobody_is_logged_out(
    command: str, logged_in: Terminal
) -> None:
    sentence, words = COMMANDS[command]
    assert sentence in logged_in.fails(command, *words)
    assert logged_in.profile["access_token"]


def test_containers_are_refused(logged_in: Terminal, administrator: ParticleJs) -> None:
    product = administrator.call("post", uri="/v1/user/products", data=PRODUCT)["product"]["id"]
    device_id = new_id()
    administrator.call("addDeviceToProduct", product=product, deviceId=device_id)
    assert BOARDS in logged_in.fails("container list", "--device", device_id)


@pytest.mark.parametrize("command", NEED_A_CABLE)
def test_what_needs_a_cable_is_refused_as_well(command: str, administrator: ParticleJs) -> None:
    sentence, verb, uri = NEED_A_CABLE[command]
    assert sentence in administrator.refused("request", method=verb, uri=uri).sentence


@pytest.mark.parametrize("command", LOCAL)
def test_what_is_local_needs_no_cloud(command: str, home: Path) -> None:
    words, printed = LOCAL[command]
    nowhere = Terminal(home)
    nowhere.knows(apiUrl="http://127.0.0.1:9")
    assert printed in nowhere.shows(command, *words)


@pytest.mark.skipif(not shutil.which("openssl"), reason="particle-cli reads keys with openssl")
def test_a_public_key_is_not_taken(logged_in: Terminal) -> None:
    assert KEYS in logged_in.fails("keys send", DEVICE, "public.pem")


def test_no_token_is_needed_to_be_refused(rollcall: Cloud) -> None:
    answer = httpx.get(f"{rollcall.status['http']}/v1/products/1/sims", trust_env=False)
    assert answer.status_code == 501
    assert answer.json()["error"] == "not_supported"
    assert SIMS in answer.json()["error_description"]
    assert answer.headers["X-Request-Id"]


def test_the_page_shows_such_an_answer(rollcall: Cloud) -> None:
    answer = httpx.post(f"{rollcall.status['http']}/v1/binaries", trust_env=False)
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    assert answer.json() == json.loads(example)


def test_no_sentence_sounds_like_a_dead_token() -> None:
    """particle-cli forgets its token where an error speaks of one."""
    assert [one.sentence for one in OUTSIDE if re.search("token", one.sentence)] == []


def test_nothing_that_is_there_is_refused() -> None:
    """The refusals come first in the table: none may stand before a route."""
    refusals = Refusals()
    for route in ROUTES:
        path = re.sub(r"{\w+}", "x", route.path)
        scope = {"type": "http", "method": route.method, "path": path}
        assert refusals.matches(scope)[0] is Match.NONE, path


def test_every_refusal_is_asked_for_here() -> None:
    asked = {sentence for sentence, _ in [*CALLS.values(), *COMMANDS.values()]}
    asked.add(KEYS)
    assert len(asked) == len(OUTSIDE)
    for one in OUTSIDE:
        assert [sentence for sentence in asked if one.sentence.startswith(sentence)] != []
