"""Scopes: everything that can be allowed, by whose business it is. Nothing else is anybody's."""

EVERY_SCOPE = "*"
EVERYTHING = frozenset({EVERY_SCOPE})
# OAuth clients spell it so.
EVERY_SCOPE_SPELLINGS = frozenset({EVERY_SCOPE, "*:*"})

# Seeing: all that a team has, nothing of it changed.
VIEWED = frozenset(
    {
        "clients:list",
        "configuration:get",
        "customers:list",
        "devices.diagnostics:get",
        "devices:get",
        "devices:list",
        "events:get",
        "firmware:get",
        "firmware:list",
        "groups.impact:get",
        "groups:get",
        "groups:list",
        "history:list",
        "integrations:get",
        "integrations:list",
        "ledger.definitions:get",
        "ledger.definitions:list",
        "ledger.instances.versions:get",
        "ledger.instances.versions:list",
        "ledger.instances:get",
        "ledger.instances:list",
        "locations:get",
        "logic.functions:get",
        "logic.functions:list",
        "logic.logs:list",
        "logic.runs:get",
        "logic.runs:list",
        "logic.stats:list",
        "metrics.events:get",
        "metrics.functions:get",
        "metrics.integrations:get",
        "metrics.online:get",
        "metrics.variables:get",
        "organization:get",
        "permissions:get",
        "products:get",
        "products:list",
        "secrets:list",
        "sims.status:get",
        "sims.usage:get",
        "sims:get",
        "sims:list",
        "teams.users:get",
        "teams.users:list",
    }
)

# Asking devices, and helping who has one.
SUPPORTED = frozenset(
    {
        "devices.diagnostics:update",
        "devices.function:call",
        "devices.variable:get",
        "devices:ping",
        "sims:update",
    }
)

# Changing what the devices are and what they run.
DEVELOPED = frozenset(
    {
        "clients:create",
        "clients:remove",
        "clients:update",
        "customers:create",
        "customers:remove",
        "customers:update",
        "devices:claim",
        "devices:import",
        "devices:release",
        "devices:remove",
        "devices:update",
        "events:send",
        "firmware.binary:get",
        "firmware:create",
        "firmware:release",
        "firmware:remove",
        "firmware:update",
        "groups:create",
        "groups:remove",
        "groups:update",
        "integrations:create",
        "integrations:remove",
        "integrations:test",
        "integrations:update",
        "ledger.definitions:archive",
        "ledger.definitions:create",
        "ledger.definitions:update",
        "ledger.instances:remove",
        "ledger.instances:set",
        "logic.functions:create",
        "logic.functions:execute",
        "logic.functions:remove",
        "logic.functions:update",
        "products:create",
        "secrets:create",
        "secrets:delete",
        "secrets:get",
        "secrets:update",
        "sims:import",
        "sims:remove",
    }
)

# People, settings, and what it costs.
ADMINISTERED = frozenset(
    {
        "configuration:update",
        "organization:update",
        "products:update",
        "service_agreements.notifications:list",
        "service_agreements.pricing_terms:get",
        "service_agreements.usage_reports:create",
        "service_agreements.usage_reports:get",
        "service_agreements.usage_summary:get",
        "service_agreements:list",
        "teams.users:invite",
        "teams.users:remove",
        "teams.users:update",
    }
)

# Giving it away, giving it up, and paying for it.
OWNED = frozenset(
    {
        "billing:update",
        "organization:remove",
        "organization:transfer",
        "products:remove",
        "products:transfer",
    }
)

# What a program that is a member of a team may be given.
API_USER_SCOPES = (VIEWED | SUPPORTED | DEVELOPED | ADMINISTERED) - {
    "customers:create",
    "devices:claim",
    "history:list",
    "organization:update",
    "permissions:get",
    "products:create",
    "products:update",
}

# What a program that shows the credentials of a product may do there: all but people and settings.
PRODUCT_TOKEN_SCOPES = (VIEWED | SUPPORTED | DEVELOPED) - {"products:create"}

# What the owner of a device may do with it, in a product or not.
DEVICE_OWNER_SCOPES = SUPPORTED | {
    "devices.diagnostics:get",
    "devices:get",
    "devices:release",
    "devices:transfer",
    "devices:update",
    "events:get",
    "events:send",
    "history:list",
}

# What a customer of a product may do with a device of theirs, and in the product.
DEVICE_CUSTOMER_SCOPES = frozenset(
    {
        "devices.function:call",
        "devices.variable:get",
        "devices:get",
        "devices:ping",
        "devices:release",
        "devices:update",
        "events:get",
        "events:send",
    }
)
CUSTOMER_SCOPES = frozenset({"devices:claim"})

# What everybody with an account may do among their own things.
OWN_SCOPES = frozenset(
    {
        "clients:create",
        "clients:list",
        "clients:remove",
        "clients:update",
        "devices:claim",
        "devices:get",
        "devices:list",
        "devices:transfer",
        "events:get",
        "events:send",
        "integrations:create",
        "integrations:get",
        "integrations:list",
        "integrations:remove",
        "integrations:test",
        "integrations:update",
        "invitations:answer",
        "invitations:list",
        "openapi:get",
        "organization:create",
        "organization:list",
        "products:create",
        "products:list",
        "serial_numbers:get",
        "tokens:get",
        "tokens:list",
        "tokens:remove",
        "transfers:answer",
        "transfers:list",
        "usage:get",
        "user:get",
        "user:remove",
        "user:update",
    }
)
# Programs own nothing: they see what they are a member of, and can throw their own token away.
OWN_SCOPES_OF_API_USERS = frozenset({"products:list"})
OWN_SCOPES_OF_PRODUCT_TOKENS = frozenset(
    {"openapi:get", "products:list", "tokens:get", "tokens:remove"}
)
# Customers have devices, and what lets them in.
OWN_SCOPES_OF_CUSTOMERS = frozenset(
    {
        "devices:claim",
        "devices:list",
        "events:get",
        "events:send",
        "tokens:get",
        "tokens:list",
        "tokens:remove",
    }
)

# What concerns the installation as a whole: its administrators alone.
INSTALLATION_SCOPES = frozenset({"meters:get", "meters:update", "status:get"})

SCOPES = (
    (VIEWED | SUPPORTED | DEVELOPED | ADMINISTERED | OWNED)
    | OWN_SCOPES
    | DEVICE_OWNER_SCOPES
    | INSTALLATION_SCOPES
)
