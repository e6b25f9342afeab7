"""What mails are made of, looked up when one is written: events, names, addresses under seal."""

from typing import Any

from psycopg import Cursor

from domain import activation_code
from domain.activation_code import ActivationCodeIssued
from domain.log.mapper import RecordedMapper
from domain.log.seals import KeyMissing, Seals
from domain.recorded import Recorded
from domain.user_events import EMAIL, EmailChanged, UserSignedUp

AT_POSITION = """
    SELECT originator_id, originator_version, topic, state, notification_id, recorded_at
    FROM log.fleet_events WHERE notification_id = %s
"""
NAMED_LAST = """
    SELECT originator_id, originator_version, topic, state FROM log.fleet_events
    WHERE originator_id = %s AND topic = ANY (%s) ORDER BY originator_version DESC LIMIT 1
"""
NAMING = [UserSignedUp.TOPIC, EmailChanged.TOPIC]
ISSUED = [ActivationCodeIssued.TOPIC]
PRODUCT = "SELECT name FROM fleet.product WHERE product_id = %s"
ORGANIZATION = "SELECT name FROM access.organization WHERE organization_id = %s"
DEVICE = "SELECT name FROM fleet.device WHERE device_id = %s"


class Known:
    """Looks things up by a cursor. What the read models do not say yet goes by its id."""

    def __init__(
        self, cursor: Cursor[tuple[Any, ...]], seals: Seals, mapper: RecordedMapper
    ) -> None:
        self.cursor = cursor
        self._seals = seals
        self._mapper = mapper

    def event_at(self, position: int) -> Recorded:
        row = self.cursor.execute(AT_POSITION, [position]).fetchone()
        assert row is not None
        return self._mapper.read(*row)

    def unsealed(self, user_id: str, field: str, sealed: str) -> str | None:
        """None where there is no key any more. Raises SealBroken, or MasterKeyWrong."""
        try:
            return self._seals.unseal(user_id, field, sealed)
        except KeyMissing:
            return None

    def email_of(self, user_id: str) -> str | None:
        """The e-mail that an account has now, None if there is none or nobody can read it."""
        row = self.cursor.execute(NAMED_LAST, [f"user-{user_id}", NAMING]).fetchone()
        if row is None:
            return None
        event: Any = self._mapper.read(*row).event
        return self.unsealed(user_id, EMAIL, event.email)

    def activation_code(self, activation_id: str) -> tuple[str, str] | None:
        """The e-mail that an activation code goes to, and the code; None once it was removed."""
        stream = f"activation_code-{activation_id}"
        row = self.cursor.execute(NAMED_LAST, [stream, ISSUED]).fetchone()
        assert row is not None
        issued: Any = self._mapper.read(*row).event
        email = self.unsealed(activation_id, activation_code.EMAIL, issued.email)
        code = self.unsealed(activation_id, activation_code.CODE, issued.code)
        return None if email is None or code is None else (email, code)

    def product(self, product_id: int) -> str:
        return self._name(PRODUCT, product_id) or f"product {product_id}"

    def organization(self, organization_id: str) -> str:
        return self._name(ORGANIZATION, organization_id) or f"organization {organization_id}"

    def device(self, device_id: str) -> str:
        name = self._name(DEVICE, device_id)
        return f"{name} ({device_id})" if name else device_id

    def _name(self, query: str, key: object) -> str | None:
        row = self.cursor.execute(query.encode(), [key]).fetchone()
        return row[0] if row else None
