"""The documents say the truth: their links lead somewhere, their commands exist, their SQL runs."""

import re
from pathlib import Path

import psycopg
import pytest

from rollcall.cli import SUBCOMMANDS

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
SQL_PAGES = [page for page in PAGES if "```sql" in page.read_text()]
VARIABLE = re.compile(r"\b(?:ROLLCALL_[A-Z_]+|DATABASE_URL|NATS_URL|NATS_AUTH_URL)\b")
CODE = ("api", "device_edge", "projections", "rollcall")


def named(page: Path) -> str:
    return page.name


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_to_a_file_leads_to_one(page: Path):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_named_exists(page: Path):
    words = set(re.findall(r"(?:\./run|`rollcall) ([a-z][a-z-]*)", page.read_text()))
    assert words - set(SUBCOMMANDS) == set()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_variable_named_is_read_by_the_code(page: Path):
    code = "".join(path.read_text() for name in CODE for path in (ROOT / name).rglob("*.py"))
    assert {name for name in VARIABLE.findall(page.read_text()) if name not in code} == set()


@pytest.mark.parametrize("page", SQL_PAGES, ids=named)
def test_every_example_in_sql_runs(page: Path, database: str):
    blocks = re.findall(r"```sql\n(.*?)```", page.read_text(), flags=re.DOTALL)
    assert blocks
    with psycopg.connect(database, autocommit=True) as connection:
        for block in blocks:
            connection.execute(block)


def test_every_page_is_named_in_the_readme():
    readme = (ROOT / "README.md").read_text()
    pages = [page.name for page in PAGES if page.name != "README.md"]
    assert [page for page in pages if f"docs/{page}" not in readme] == []


def test_every_subcommand_is_named_somewhere():
    said = "".join(page.read_text() for page in PAGES)
    assert [name for name in SUBCOMMANDS if not re.search(rf"(run|rollcall) {name}\b", said)] == []
