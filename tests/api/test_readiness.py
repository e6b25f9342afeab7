"""The API starts also where the read models are far behind, and says that it is not ready."""

from contextlib import closing

import pytest

from api import status
from domain.log.fleet import Fleet
from domain.log.seals import Seals
from domain.recorded import Provenance
from domain.token import IssueToken
from projections.access.model import AccessModel
from projections.fleet.model import FleetModel
from projections.following import Model
from tests.api.serving import serving
from tests.people import MASTER_KEY
from tests.projections.following import follow

BEHIND_EVENTS = 5


@pytest.mark.parametrize("late", ["access", "fleet"])
def test_it_is_ready_once_the_models_that_calls_are_answered_from_are(
    database: str, monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    monkeypatch.setattr(status, "BEHIND_EVENTS_MAX", BEHIND_EVENTS)
    with (
        closing(Seals(database, MASTER_KEY)) as seals,
        closing(Fleet(database, pool_connections=1)) as fleet,
    ):
        models: dict[str, Model] = {"access": AccessModel(seals), "fleet": FleetModel()}
        with serving(database) as served, served.client(token=None) as anybody:
            for number in range(BEHIND_EVENTS + 1):
                token_id = f"{number:024x}"
                fleet.execute(
                    IssueToken(token_id=token_id, token_hash=f"{number:064x}"), Provenance()
                )
            last = models.pop(late)
            follow(database, *models.values())
            answer = anybody.get("/ready")
            assert answer.status_code == 503
            assert answer.json() == {"ok": True, "ready": False, "behind": True}

            follow(database, last)

            assert anybody.get("/ready").json() == {"ok": True, "ready": True, "behind": False}
