"""The routes of what goes out, for the table of all: the same below each place that has any."""

from api.limits import INTEGRATION_TESTS
from api.outbound import by_hand, deliveries, integrations, trials
from api.routing import Route


# fmt: off
def outbound_routes(of: str) -> list[Route]:
    """Integrations of a product, of an organization, or of the caller's own devices. Webhooks are
    those of one kind, under a name of their own."""
    every, one = of + "/integrations", of + "/integrations/{integration}"
    sent = one + "/deliveries"
    hooks, hook = of + "/webhooks", of + "/webhooks/{webhook}"
    return [
        Route("GET",    every, integrations.list_integrations,   "integrations:list"),
        Route("POST",   every, integrations.create_integration,  "integrations:create", 201,
              secret=True, also=(501,)),
        Route("GET",    one,   integrations.get_integration,     "integrations:get", also=(404,)),
        Route("PUT",    one,   integrations.replace_integration, "integrations:update",
              secret=True, also=(404,)),
        Route("DELETE", one,   integrations.remove_integration,  "integrations:remove", 204,
              also=(404,), settles=True),
        Route("POST",   one + "/secret", integrations.rotate_secret, "integrations:update",
              secret=True, also=(404,)),
        Route("POST",   one + "/test",   trials.try_integration,     "integrations:test",
              limit=INTEGRATION_TESTS, also=(404,)),
        Route("GET",    one + "/attempts", deliveries.list_attempts, "integrations:get",
              also=(404,)),
        Route("GET",    sent,  deliveries.list_deliveries,       "integrations:get", also=(404,)),
        Route("GET",    sent + "/{delivery}", deliveries.get_delivery, "integrations:get",
              also=(404,)),
        Route("POST",   sent + "/{delivery}/retry", by_hand.retry_delivery,
              "integrations:update", also=(404,)),
        Route("POST",   sent + "/retry", by_hand.retry_parked, "integrations:update",
              also=(404,)),
        Route("POST",   one + "/replay", by_hand.replay,      "integrations:update",
              also=(404,)),
        Route("GET",    hooks, integrations.list_webhooks,       "integrations:list"),
        Route("POST",   hooks, integrations.create_webhook,      "integrations:create", 201,
              secret=True, also=(501,)),
        Route("GET",    hook,  integrations.get_integration,     "integrations:get", also=(404,)),
        Route("PUT",    hook,  integrations.replace_integration, "integrations:update",
              secret=True, also=(404,)),
        Route("DELETE", hook,  integrations.remove_integration,  "integrations:remove", 204,
              also=(404,), settles=True),
        Route("POST",   hook + "/test",  trials.try_integration,     "integrations:test",
              limit=INTEGRATION_TESTS, also=(404,)),
    ]
# fmt: on
