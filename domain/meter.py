"""A meter: what one product, or one user's sandbox, sent outside in one billing period.

Each outbound message is counted once, in the batch that the log has it in; see product.md's rules
of metering: warnings come before the limit, an alert comes at it, each once a period and limit.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple, TypeAlias, assert_never

from msgspec import Meta

from domain.meter_names import MeterName, product_of
from domain.model import Command, Decider, Event, Refused
from domain.names import ID_PATTERN

DAY_PATTERN = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$(?!\n)"
MESSAGES_MAX = 1_000_000  # of one batch
REACHED = 100  # percent
NEVER_WARNED = 0

Day = Annotated[str, Meta(pattern=DAY_PATTERN)]
Count = Annotated[int, Meta(ge=1, le=MESSAGES_MAX)]
Whole = Annotated[int, Meta(ge=0)]
Percent = Annotated[int, Meta(ge=1, lt=REACHED)]
IntegrationId = Annotated[str, Meta(pattern=rf"{ID_PATTERN}|^$(?!\n)")]


class OutboundMessagesMetered(Event):
    """So many outbound messages of one day, sent by one integration, or by streams (empty).

    `devices` says how many each device said; the device events lie from one place to another.
    """

    meter: str
    period_start: str
    period_end: str
    day: str
    messages: int
    devices: Mapping[str, int]
    first_place: int
    last_place: int
    batch_id: str
    integration_id: str = ""
    product_id: int | None = None


class UsageWarned(Event):
    """So many percent of the period's limit are used up. `payer` is the user who is told."""

    meter: str
    period_start: str
    period_end: str
    percent: int
    limit: int
    messages: int
    payer: str
    product_id: int | None = None


class UsageLimitReached(Event):
    """What would go out from here on in this period does not, unless the limit is raised."""

    meter: str
    period_start: str
    period_end: str
    limit: int
    messages: int
    payer: str
    product_id: int | None = None


class DataMetered(Event):
    """What so many devices of the meter sent in one day."""

    meter: str
    period_start: str
    period_end: str
    day: str
    messages: int
    bytes: int
    devices: int
    product_id: int | None = None


MeterEvent: TypeAlias = OutboundMessagesMetered | UsageWarned | UsageLimitReached | DataMetered


class OnMeter(Command):
    """`period_end` is the first day that is not in the period."""

    meter: MeterName
    period_start: Day
    period_end: Day
    day: Day

    @property
    def stream(self) -> str:
        return f"meter-{self.meter}-{self.period_start}"

    @property
    def product_id(self) -> int | None:
        return product_of(self.meter)


class RecordOutbound(OnMeter):
    """Count a batch. `limit`, `warn_at` and `payer` are what the plan and the owner are now."""

    messages: Count
    devices: Mapping[str, int]
    first_place: Whole
    last_place: Whole
    batch_id: str
    integration_id: IntegrationId = ""
    limit: Whole | None = None
    warn_at: tuple[Percent, ...] = ()
    payer: str = ""


class RecordData(OnMeter):
    """Count what devices sent, once the day is over."""

    messages: Whole
    bytes: Whole
    devices: Whole


MeterCommand: TypeAlias = RecordOutbound | RecordData


class BatchMiscounted(Refused):
    """A batch of {messages} messages cannot be made of {parts}."""


class DayOutside(Refused):
    """{day} is not in the period from {period_start} to before {period_end}."""


class Meter(NamedTuple):
    """`warned` is the highest percentage of `limit` that somebody was told of."""

    messages: int = 0
    limit: int | None = None
    warned: int = NEVER_WARNED
    days_of_data: frozenset[str] = frozenset()


def decide(meter: Meter, command: MeterCommand) -> list[MeterEvent]:
    if not command.period_start <= command.day < command.period_end:
        raise DayOutside(
            day=command.day, period_start=command.period_start, period_end=command.period_end
        )
    match command:
        case RecordOutbound():
            return record_outbound(meter, command)
        case RecordData(day=day):
            return [] if day in meter.days_of_data else [data_metered(command)]
    assert_never(command)


def record_outbound(meter: Meter, command: RecordOutbound) -> list[MeterEvent]:
    parts = sum(command.devices.values())
    if parts != command.messages:
        raise BatchMiscounted(messages=command.messages, parts=parts)
    metered = OutboundMessagesMetered(
        meter=command.meter,
        product_id=command.product_id,
        period_start=command.period_start,
        period_end=command.period_end,
        day=command.day,
        integration_id=command.integration_id,
        messages=command.messages,
        devices=command.devices,
        first_place=command.first_place,
        last_place=command.last_place,
        batch_id=command.batch_id,
    )
    return [metered, *warnings(meter, command, meter.messages + command.messages)]


def warnings(meter: Meter, command: RecordOutbound, messages: int) -> list[MeterEvent]:
    """The highest threshold that was passed, unless it was said: of several one is enough."""
    limit = command.limit
    if limit is None:
        return []
    passed = [percent for percent in (*command.warn_at, REACHED) if is_at(messages, percent, limit)]
    percent = max(passed, default=NEVER_WARNED)
    if percent <= (meter.warned if meter.limit == limit else NEVER_WARNED):
        return []
    if percent == REACHED:
        return [
            UsageLimitReached(
                meter=command.meter,
                product_id=command.product_id,
                period_start=command.period_start,
                period_end=command.period_end,
                limit=limit,
                messages=messages,
                payer=command.payer,
            )
        ]
    return [
        UsageWarned(
            meter=command.meter,
            product_id=command.product_id,
            period_start=command.period_start,
            period_end=command.period_end,
            percent=percent,
            limit=limit,
            messages=messages,
            payer=command.payer,
        )
    ]


def is_at(messages: int, percent: int, limit: int) -> bool:
    return messages * 100 >= percent * limit


def data_metered(command: RecordData) -> DataMetered:
    return DataMetered(
        meter=command.meter,
        product_id=command.product_id,
        period_start=command.period_start,
        period_end=command.period_end,
        day=command.day,
        messages=command.messages,
        bytes=command.bytes,
        devices=command.devices,
    )


def evolve(meter: Meter, event: MeterEvent) -> Meter:
    match event:
        case OutboundMessagesMetered(messages=messages):
            return meter._replace(messages=meter.messages + messages)
        case UsageWarned(limit=limit, percent=percent):
            return meter._replace(limit=limit, warned=percent)
        case UsageLimitReached(limit=limit):
            return meter._replace(limit=limit, warned=REACHED)
        case DataMetered(day=day):
            return meter._replace(days_of_data=meter.days_of_data | {day})
    assert_never(event)


METER: Decider[Meter, MeterCommand, MeterEvent] = Decider(Meter(), decide, evolve)
