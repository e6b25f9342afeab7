"""Every decider, by the category of the streams it decides for; every event, by its stored name."""

from typing import Any

from domain import (
    activation_code,
    allowance,
    claim_code,
    client,
    customer,
    device,
    firmware,
    group,
    integration,
    meter,
    organization,
    product,
    session,
    team,
    token,
    user,
)
from domain.model import Command, Decider, Event

DECIDERS: dict[str, Decider[Any, Any, Any]] = {
    "product": product.PRODUCT,
    "group": group.GROUP,
    "firmware": firmware.FIRMWARE,
    "device": device.DEVICE,
    "claim_code": claim_code.CLAIM_CODE,
    "session": session.SESSION,
    "user": user.USER,
    "token": token.TOKEN,
    "client": client.CLIENT,
    "customer": customer.CUSTOMER,
    "activation_code": activation_code.ACTIVATION_CODE,
    "integration": integration.INTEGRATION,
    "meter": meter.METER,
    "allowance": allowance.ALLOWANCE,
    "organization": organization.ORGANIZATION,
    "team": team.TEAM,
}

EVENTS: dict[str, type[Event]] = {kind.TOPIC: kind for kind in Event.__subclasses__()}


def category(stream: str) -> str:
    """The kind of thing a stream is about: what stands before its first dash."""
    return stream.partition("-")[0]


def decider_for(command: Command) -> Decider[Any, Any, Any]:
    return DECIDERS[category(command.stream)]
