"""How many outbound messages a meter may count in a billing period: what its plan allows."""

from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta

from domain.meter_names import MeterName, product_of
from domain.model import Command, Decider, Event

LIMIT_MAX = 10**12

Limit = Annotated[int, Meta(ge=0, le=LIMIT_MAX)]


class AllowanceSet(Event):
    """From here on so many a period; None: as many as there are."""

    meter: str
    limit: int | None
    product_id: int | None = None


AllowanceEvent: TypeAlias = AllowanceSet


class SetAllowance(Command):
    meter: MeterName
    limit: Limit | None

    @property
    def stream(self) -> str:
        return f"allowance-{self.meter}"


AllowanceCommand: TypeAlias = SetAllowance


class Allowance(NamedTuple):
    limit: int | None = None


def decide(allowance: Allowance, command: SetAllowance) -> list[AllowanceEvent]:
    if command.limit == allowance.limit:
        return []
    return [
        AllowanceSet(meter=command.meter, product_id=product_of(command.meter), limit=command.limit)
    ]


def evolve(_: Allowance, event: AllowanceSet) -> Allowance:
    return Allowance(event.limit)


ALLOWANCE: Decider[Allowance, AllowanceCommand, AllowanceEvent] = Decider(
    Allowance(), decide, evolve
)
