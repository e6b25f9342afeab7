"""`rollcall verify`: derive what the log records once more, and name what does not follow."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator

from domain.audit import Finding, Sweep
from domain.handshake import product_of
from domain.log.fleet import Fleet
from domain.log.history import device_history, product_history, recorded_at
from domain.log.mapper import UnknownEvent, UnreadableEvent
from domain.recorded import Recorded
from domain.session import DeviceHandshook
from domain.why import derive, fold_device
from rollcall.database import conninfo_in_use

HELP = "Check the log: decide every handshake on record again from the events before it."
EXAMPLES = """\
examples:
  rollcall verify decisions           every handshake, decided again
  rollcall verify decisions --json
  rollcall verify streams             every stream whole, without a gap
exit code: 0 all is right, 1 something is not (it is named)
"""

PAGE_EVENTS = 5_000
FINDINGS_MAX = 100  # named one by one; the rest is counted
PROGRESS_S = 2.0

STREAMS_WITH_GAPS = """
    SELECT originator_id, count(*), max(originator_version) FROM log.fleet_events
    GROUP BY originator_id HAVING count(*) <> max(originator_version)
    ORDER BY originator_id LIMIT 100
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["decisions", "streams"], help="what to check")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    fleet = Fleet(conninfo_in_use(os.environ), pool_connections=1)
    try:
        verify = verify_decisions if arguments.what == "decisions" else verify_streams
        result = verify(fleet)
    finally:
        fleet.close()
    if arguments.json:
        print(json.dumps(result))
    else:
        print_result(result)
    return 0 if not result["wrong"] else 1


def verify_decisions(fleet: Fleet) -> dict[str, object]:
    """Sweep the whole log; the result counts, and names what is wrong."""
    sweep = Sweep()
    wrong: list[dict[str, object]] = []
    count = 0
    for problem in problems(fleet, sweep):
        count += 1
        if len(wrong) < FINDINGS_MAX:
            wrong.append(problem)
    return {
        "checked": "decisions",
        "events": sweep.events,
        "decisions": sweep.decisions,
        "wrong": wrong,
        "wrong_in_all": count,
    }


def problems(fleet: Fleet, sweep: Sweep) -> Iterator[dict[str, object]]:
    after, said_at = 0, time.monotonic()
    while rows := fleet.recorder.select_rows(after, PAGE_EVENTS):
        for row in rows:
            try:
                recorded = fleet.mapper.read(*row)
            except (UnknownEvent, UnreadableEvent) as error:
                yield {"position": row[4], "problem": f"position {row[4]}: {error}", "rests_on": []}
                continue
            for finding in sweep.feed(recorded):
                rests_on = [name(one) for one in events_behind(fleet, finding)]
                problem = {"position": finding.position, "problem": str(finding)}
                yield {**problem, "rests_on": rests_on}
        after = rows[-1][4]
        if time.monotonic() - said_at > PROGRESS_S:
            said_at = time.monotonic()
            print(f"… position {after}, {sweep.decisions} decisions", file=sys.stderr)


def events_behind(fleet: Fleet, finding: Finding) -> tuple[Recorded, ...]:
    """The events a wrong decision should follow from: one of them, or the decision, was changed."""
    handshake = recorded_at(fleet, finding.position)
    assert handshake is not None
    event = handshake.event
    assert isinstance(event, DeviceHandshook)
    device = device_history(fleet, finding.device_id, finding.based_on)
    product_id = product_of(event.said, fold_device(device))
    product = [] if product_id is None else product_history(fleet, product_id, finding.based_on)
    return derive(handshake, device, product).used


def name(recorded: Recorded) -> str:
    kind = type(recorded.event).__name__
    return f"position {recorded.position}: {kind} in {recorded.stream}"


def verify_streams(fleet: Fleet) -> dict[str, object]:
    """Every stream counts from 1 without a gap."""
    with fleet.recorder.datastore.get_connection() as connection:
        rows = connection.execute(STREAMS_WITH_GAPS).fetchall()
        counted = connection.execute("SELECT count(*) AS events FROM log.fleet_events").fetchone()
    wrong = [
        {
            "stream": row["originator_id"],
            "problem": f"stream {row['originator_id']} has {row['count']} events,"
            f" but its last is number {row['max']}",
            "rests_on": [],
        }
        for row in rows
    ]
    return {
        "checked": "streams",
        "events": counted["events"] if counted else 0,
        "wrong": wrong,
        "wrong_in_all": len(wrong),
    }


def print_result(result: dict[str, object]) -> None:
    wrong = result["wrong"]
    assert isinstance(wrong, list)
    for problem in wrong:
        print(problem["problem"])
        for event in problem["rests_on"]:
            print(f"    rests on {event}")
    decisions = f", {result['decisions']} decisions" if "decisions" in result else ""
    verdict = f"{result['wrong_in_all']} wrong" if wrong else "all right"
    print(f"Checked {result['events']} events{decisions}: {verdict}.")
