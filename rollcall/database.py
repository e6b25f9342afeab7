"""Which database a subcommand is about: the one given, or the one that runs here."""

from collections.abc import Mapping

from rollcall.settings import read_settings
from rollcall.state import State
from rollcall.trouble import Trouble


def conninfo_in_use(environment: Mapping[str, str]) -> str:
    """Raises Trouble where there is none."""
    settings = read_settings(environment)
    if settings.database_url:
        return settings.database_url
    state = State(settings.state)
    runtime = state.runtime() if state.is_owned() else None
    if runtime is None or runtime.database is None:
        raise Trouble("No database runs here: start it by `rollcall up`, or set DATABASE_URL.")
    return runtime.database
