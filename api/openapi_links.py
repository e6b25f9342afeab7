"""The links of the OpenAPI description: from the reply that names something to calls about it."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from api.fleet import claims, devices, firmware, groups, imports, products, sandbox
from api.people import clients, organizations, teams
from api.routing import Handler, Route

# What a reply names, by the part of a path that it then stands for, and where it stands there.
NAMES: Mapping[Handler, tuple[str, str]] = {
    products.create_product: ("product", "/product/id"),
    products.list_products: ("product", "/products/0/id"),
    organizations.create_organization: ("org", "/organization/id"),
    organizations.create_organization_product: ("product", "/product/id"),
    organizations.list_organizations: ("org", "/organizations/0/id"),
    imports.import_devices: ("device", "/updatedDeviceIds/0"),
    devices.list_devices: ("device", "/devices/0/id"),
    claims.claim_device: ("device", "/id"),
    sandbox.list_own_devices: ("device", "/0/id"),
    groups.create_group: ("group", "/group/name"),
    groups.list_groups: ("group", "/groups/0/name"),
    firmware.upload_firmware: ("version", "/version"),
    clients.register_client: ("client", "/client/id"),
    teams.add_member: ("username", "/created/username"),
}


def links_of(
    route: Route, routes: Sequence[Route], operation_ids: Mapping[Route, str]
) -> dict[str, Any]:
    """What may be called next, by the operation it is: about what the reply names itself, or what
    can be read of that. What else the next call's path names is what this one's did."""
    if route.handler not in NAMES:
        return {}
    part, pointer = NAMES[route.handler]
    return {
        operation_ids[other]: {
            "operationId": operation_ids[other],
            "parameters": {
                f"path.{name}": f"$response.body#{pointer}"
                if name == part
                else f"$request.path.{name}"
                for name in parts_of(other.path)
            },
        }
        for other in routes
        if leads_on(part, parts_of(route.path), other)
    }


def leads_on(part: str, known: Sequence[str], to: Route) -> bool:
    needed = parts_of(to.path)
    about = to.path.endswith(f"{{{part}}}") or (to.method == "GET" and part in needed)
    return about and set(needed) <= {*known, part}


def parts_of(path: str) -> list[str]:
    return re.findall(r"{(\w+)}", path)
