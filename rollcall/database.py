"""The database: which one a subcommand is about, and whether it is as this version needs it."""

from collections.abc import Mapping

import psycopg

from migrations import MigrationChanged, migrate
from rollcall.settings import read_settings
from rollcall.state import State
from rollcall.trouble import Trouble

POSTGRES_VERSION_MIN = 15
POSTGRES_VERSION_MAX = 18
CONNECT_TIMEOUT_S = 10


def conninfo_in_use(environment: Mapping[str, str]) -> str:
    """The one given, or the one that runs here. Raises Trouble where there is none."""
    settings = read_settings(environment)
    if settings.database_url:
        return settings.database_url
    state = State(settings.state)
    runtime = state.runtime() if state.is_owned() else None
    if runtime is None or runtime.database is None:
        raise Trouble("No database runs here: start it by `rollcall up`, or set DATABASE_URL.")
    return runtime.database


def bring_up_to_date(conninfo: str) -> list[str]:
    """Apply the migrations that are missing, and return their names. Raises Trouble."""
    try:
        with psycopg.connect(conninfo, connect_timeout=CONNECT_TIMEOUT_S) as connection:
            version = connection.info.server_version // 10_000
        if not POSTGRES_VERSION_MIN <= version <= POSTGRES_VERSION_MAX:
            raise Trouble(
                f"DATABASE_URL leads to a PostgreSQL {version}; Rollcall runs on "
                f"{POSTGRES_VERSION_MIN} to {POSTGRES_VERSION_MAX}."
            )
        return migrate(conninfo)
    except MigrationChanged as changed:
        raise Trouble(f"The database was made by another version: {changed}.") from None
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        raise Trouble(f"The database cannot be used: {error}") from error
