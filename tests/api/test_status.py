"""What the administrators of the installation see of it."""

import httpx
import psycopg

from tests.api.serving import Served

LIST = """
    INSERT INTO follow.mail ("position", recipient, user_id, kind, state, due_at)
    SELECT number, 'user', '', 'welcome', (ARRAY['due', 'due', 'parked', 'sent'])[number], now()
    FROM generate_series(1, 4) AS number
"""


def test_mails_that_wait_and_mails_that_were_given_up_are_counted(
    served: Served, api: httpx.Client
) -> None:
    with psycopg.connect(served.database, autocommit=True) as connection:
        connection.execute(LIST)
        assert api.get("/v1/status").json()["mails"] == {"waiting": 2, "parked": 1}
        connection.execute("DELETE FROM follow.mail")
    assert api.get("/v1/status").json()["mails"] == {"waiting": 0, "parked": 0}
