"""Carries out reactions a page at a time: streams are loaded, decided for and recorded in bulk.

A million devices that come online again must not mean a million loads of what is already so: what
is known to be so is remembered, within bounds.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import random
from time import sleep
from typing import Any, NamedTuple

from eventsourcing.persistence import IntegrityError
from psycopg import Cursor

from domain.claim_code import ClaimCodeShown
from domain.deciders import DECIDERS, category, decider_for
from domain.device_commands import StartBilling
from domain.device_events import Standing
from domain.firmware import FirmwareDeleted, FirmwareUploaded, ProveFirmware
from domain.log.fleet import Contended, Fleet, Loaded, projector
from domain.log.mapper import RecordedMapper
from domain.model import Command, Refused
from domain.recorded import Provenance, Recorded
from domain.session import DeviceHandshook, FirmwareSeenRunning
from projections.following import Page, read_events
from projections.reactions.reactions import REACTIONS, Reaction
from projections.trouble import CannotApply

PAGE_EVENTS_MAX = 5_000
REMEMBERED_MAX = 100_000
ATTEMPTS_MAX = 8
BACKOFF_S = 0.01  # doubled with every attempt, times a random number below one
TOPICS = tuple(
    kind.TOPIC
    for kind in (
        DeviceHandshook,
        FirmwareSeenRunning,
        FirmwareUploaded,
        FirmwareDeleted,
        ClaimCodeShown,
    )
)

HISTORIES = """
    SELECT originator_id, originator_version, topic, state FROM log.fleet_events
    WHERE originator_id = ANY(%s) ORDER BY originator_id, originator_version
"""
# Billing never starts twice, so however old this is, what it says is so.
BILLED = """
    SELECT device_id FROM unnest(%b::text[], %b::int4[]) AS asked (device_id, product_id)
    JOIN fleet.device USING (device_id) WHERE billed_in = asked.product_id
"""

Sql = Cursor[tuple[Any, ...]]


class Act(NamedTuple):
    """A command, the reaction that gave it, and the position of the event that it reacted to."""

    command: Command
    reaction: Reaction
    cause: int

    @property
    def provenance(self) -> Provenance:
        name = self.reaction.name
        return Provenance(
            actor=f"reaction:{name}", cause=self.cause, command=f"{name}:{self.cause}"
        )


Version = tuple[int, int]  # of a product


class ReactionModel:
    """Reactions as a model of the log: nothing is stored but how far they have come."""

    name = "reactions"
    schema = "follow"
    page_events_max = PAGE_EVENTS_MAX

    def __init__(self, open_fleet: Callable[[], Fleet]) -> None:
        self._open_fleet = open_fleet
        self._mapper = RecordedMapper()
        self._billed: dict[str, int] = {}  # devices known to be billed in a product
        self._settled: set[Version] = set()  # known to be proven, or not to exist

    def begin(self) -> None:
        self._billed.clear()
        self._settled.clear()

    def apply(self, cursor: Sql, page: Page) -> None:
        about_devices, proofs = self._gather(cursor, page)
        about_devices = self._without_billed(cursor, about_devices)
        witnesses = {device_stream(act.command) for acts in proofs.values() for act in acts}
        if about_devices or witnesses:
            states = self._act(cursor, about_devices, witnesses)
            for version, acts in proofs.items():
                self._prove(version, acts, states)

    def _gather(self, cursor: Sql, page: Page) -> tuple[list[Act], dict[Version, list[Act]]]:
        """The page's commands to devices, and, for each version that may be proven, the proofs."""
        about_devices: list[Act] = []
        proofs: dict[Version, list[Act]] = {}
        for event, position in read_events(cursor, page, TOPICS, self._mapper):
            if isinstance(event, FirmwareUploaded | FirmwareDeleted):
                # From here on it is another binary, or none: what was seen before proves nothing.
                self._settled.discard((event.product_id, event.version))
                proofs.pop((event.product_id, event.version), None)
                continue
            for reaction in REACTIONS:
                for command in reaction.react(event):
                    act = Act(command, reaction, position)
                    if not isinstance(command, ProveFirmware):
                        about_devices.append(act)
                    elif (command.product_id, command.version) not in self._settled:
                        proofs.setdefault((command.product_id, command.version), []).append(act)
        return about_devices, proofs

    def _without_billed(self, cursor: Sql, acts: list[Act]) -> list[Act]:
        """Leave out what would start a billing that has started."""
        asked = {
            act.command.device_id: act.command.product_id
            for act in acts
            if isinstance(act.command, StartBilling) and not self._is_billed(act.command)
        }
        if asked:
            cursor.execute(BILLED, [list(asked), list(asked.values())], prepare=True)
            self._remember_billed({device_id: asked[device_id] for (device_id,) in cursor})
        return [act for act in acts if not self._is_billed(act.command)]

    def _is_billed(self, command: Command) -> bool:
        if not isinstance(command, StartBilling):
            return False
        return self._billed.get(command.device_id) == command.product_id

    def _remember_billed(self, devices: Mapping[str, int]) -> None:
        if len(self._billed) + len(devices) > REMEMBERED_MAX:
            self._billed.clear()
        self._billed.update(devices)

    def _act(self, cursor: Sql, acts: Sequence[Act], witnesses: set[str]) -> dict[str, Any]:
        """Carry out commands to devices, in order; returns the states they and the others are in.

        Raises Contended if others kept writing to the same streams first.
        """
        streams = witnesses | {act.command.stream for act in acts}
        for attempt in range(ATTEMPTS_MAX):
            loaded = load_many(cursor, self._mapper, streams)
            states = {stream: one.state for stream, one in loaded.items()}
            try:
                recorded = list(decide_all(acts, loaded, states))
                if recorded:
                    self._open_fleet().record_many(recorded)
            except IntegrityError:
                # Somebody else wrote to one of the streams first: look again, decide again.
                sleep(random() * BACKOFF_S * 2**attempt)
            else:
                self._remember_billed(billed_by_now(acts, states))
                return states
        raise Contended

    def _prove(self, version: Version, acts: Sequence[Act], states: Mapping[str, Any]) -> None:
        for act in acts:
            state = states[device_stream(act.command)]
            if state.product_id != version[0] or state.standing != Standing.MEMBER:
                continue
            try:
                self._open_fleet().execute(act.command, act.provenance)
            except act.reaction.expected:
                pass  # no such version: nothing to prove until it is uploaded
            except Refused as refused:
                raise CannotApply(act.cause, f"{act.reaction.name}: {refused}") from refused
            if len(self._settled) >= REMEMBERED_MAX:
                self._settled.clear()
            self._settled.add(version)
            return


def device_stream(proof: Command) -> str:
    assert isinstance(proof, ProveFirmware)
    return f"device-{proof.device_id}"


def load_many(cursor: Sql, mapper: RecordedMapper, streams: set[str]) -> dict[str, Loaded]:
    """What each stream says now, also of those that no event stands in yet."""
    histories: dict[str, list[Recorded]] = {stream: [] for stream in streams}
    cursor.execute(HISTORIES, [list(streams)], prepare=True)
    for row in cursor.fetchall():
        histories[row[0]].append(mapper.read(*row))
    return {
        stream: projector(stream, DECIDERS[category(stream)])(None, history)
        for stream, history in histories.items()
    }


def decide_all(
    acts: Sequence[Act], loaded: Mapping[str, Loaded], states: dict[str, Any]
) -> Iterator[Recorded]:
    """The events that the commands lead to, each decided after the others; `states` follow them."""
    versions = {stream: one.version for stream, one in loaded.items()}
    for act in acts:
        stream, provenance = act.command.stream, act.provenance
        if provenance.command in loaded[stream].commands:
            continue  # carried out before, its position not
        decider = decider_for(act.command)
        try:
            events = decider.decide(states[stream], act.command)
        except act.reaction.expected:
            continue
        except Refused as refused:
            raise CannotApply(act.cause, f"{act.reaction.name}: {refused}") from refused
        for event in events:
            states[stream] = decider.evolve(states[stream], event)
            versions[stream] += 1
            yield Recorded(stream, versions[stream], event, provenance)


def billed_by_now(acts: Sequence[Act], states: Mapping[str, Any]) -> dict[str, int]:
    return {
        command.device_id: command.product_id
        for command in (act.command for act in acts)
        if isinstance(command, StartBilling)
        and command.product_id in states[command.stream].billed_by
    }
