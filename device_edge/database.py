"""Connections to PostgreSQL with the application's rights."""

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from domain.log.fleet import as_app_role

CONNECT_TIMEOUT_S = 5


def as_application(conninfo: str) -> str:
    """The same database, with no more rights than the application needs."""
    options = as_app_role(conninfo_to_dict(conninfo).get("options"))
    return make_conninfo(conninfo, options=options, connect_timeout=CONNECT_TIMEOUT_S)
