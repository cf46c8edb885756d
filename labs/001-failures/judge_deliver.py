"""Judging what deliver() did in a scenario: from what the service saw, never from what the code says of itself."""

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faults.flaky_service import TOO_OFTEN, Scenario, Service

from delab.checks import expect, fail, show
from delab.checks.program import shorten

DRIVER = Path(__file__).parent / "faults" / "drive_deliver.py"
FILE = "deliver.py"


def play(work, *scenarios: Scenario) -> str:
    """Call the learner's deliver() with each scenario in one process; what it printed on standard error."""
    answer = work.run_folder / "answer.json"
    answer.unlink(missing_ok=True)
    env = {"PYTHONPATH": f"{work.folder}", "PYTHONSAFEPATH": "1"}
    with Service(scenarios) as service:
        run = work.run_command([sys.executable, str(DRIVER), str(answer), str(service.port)], env=env, seconds=8, memory=512)
    for scenario in scenarios:
        not_too_often(scenario)
        if "text" in scenario.outcome:
            scenario.outcome["text"] = shorten(scenario.outcome["text"], work.folder)
    if not answer.exists():
        last = next((scenario for scenario in reversed(scenarios) if scenario.events), None)
        did = f" after {len(last.sends())} calls of send" if last else ""
        words = f"; its last words:\n{run.last_words}" if run.last_words else " without a word"
        fail(expected="deliver() returns, or raises the error that stopped it", seen=f"{run.ended}{did}{words}")
    return run.err if run.err.strip() else run.out


def not_too_often(scenario: Scenario) -> None:
    """No record is sent more often than `attempts`."""
    attempts = int(scenario.policy["attempts"])
    for name, times in scenario.made.items():
        first = next(event.fault for event in scenario.sends(name))
        more = "without end" if times >= TOO_OFTEN else f"{times} times"
        expect(
            times <= attempts,
            expected=f"at most attempts={attempts} sends of a record",
            seen=f"record {name} was sent {more} (each attempt failed, with {first} first)",
        )


def returned(scenario: Scenario) -> None:
    """deliver() came to its end by itself."""
    lazy = scenario.outcome.get("lazy")
    expect(not lazy, expected="deliver() delivers when it is called", seen=f"it only returns a {lazy}: a call does nothing")
    if raised := scenario.outcome.get("raised"):
        last = next((event for event in reversed(scenario.sends()) if event.fault), None)
        after = f" after {last.fault} of record {last.id}, attempt {last.attempt}" if last else ""
        seen = f"it raised {raised}{after}:\n{scenario.outcome['text']}"
        fail(expected="deliver() handles this failure and goes on", seen=seen)


def stored_once(scenario: Scenario, without: Sequence[str] = ()) -> None:
    """All records but these are stored, once, as they are and in order."""
    records = [record for line in scenario.lines if isinstance(record := read(line), dict) and "id" in record]
    wanted = [record["id"] for record in records if record["id"] not in without]
    stored = scenario.stored()
    twice = [name for name, times in Counter(stored).items() if times > 1]
    expect(
        not twice, expected="each record is stored once", seen=f"record {show(twice[:1])} was sent again after it had been stored"
    )
    missing = [name for name in wanted if name not in stored]
    expect(not missing, expected=f"{len(wanted)} records stored", seen=f"{len(missing)} are not, the first is {missing[:1]}")
    expect(stored == wanted, expected="records in the order of the lines", seen=f"the service got {show(stored)}")
    by_id = {record["id"]: record for record in records}
    changed = [event.entry for event in scenario.sends() if event.fault is None and event.entry != by_id[event.id]]
    expect(not changed, expected="the record as it is in its line", seen=f"{show(changed[:1])}")


def read(line: str) -> Any:
    """The JSON of a line, or nothing."""
    try:
        return json.loads(line)
    except ValueError:
        return None


def entries(scenario: Scenario) -> dict[str, dict[str, Any]]:
    """The dead letters by their line. Fails if one has not the form that the task gives."""
    found: dict[str, dict[str, Any]] = {}
    for entry in scenario.dead():
        expected = 'a dict with "line", "kind", "reason" and "attempts" for dead_letter()'
        expect(isinstance(entry, dict), expected=expected, seen=show(entry))
        for key in ("line", "kind", "reason", "attempts"):
            expect(key in entry, expected=expected, seen=f"no {key} in {show(entry)}")
        line = entry["line"]
        expect(line in scenario.lines, expected="the line as it came", seen=f"line is {show(line)}")
        expect(line not in found, expected="one dead letter a line", seen=f"two for {show(line)}")
        found[line] = entry
    return found


def line_of(scenario: Scenario, name: str) -> str:
    """The line of a record."""
    return next(line for line in scenario.lines if f'"{name}"' in line)


def set_aside(scenario: Scenario, line: str, *, kind: str, attempts: int, words: str) -> None:
    """A line is among the dead letters, with its reason."""
    found = entries(scenario)
    expect(line in found, expected=f"a dead letter for {show(line)}", seen=f"there is none among {len(found)}")
    entry = found[line]
    expect(entry["kind"] == kind, expected=f"kind {kind}", seen=f"{show(entry)}")
    expect(entry["attempts"] == attempts, expected=f"attempts {attempts}", seen=f"{show(entry)}")
    reason = entry["reason"]
    ok = isinstance(reason, str) and reason.strip() and words in reason
    expected = f"a reason that holds the error's message, {words!r}" if words else "a reason in words"
    expect(ok, expected=expected, seen=f"reason {show(json.dumps(reason))}: nobody will know what to repair")


def stopped_at(scenario: Scenario) -> None:
    """The run stopped at the first fault, which was raised to the caller; nothing was set aside."""
    sends = scenario.sends()
    place = next((place for place, event in enumerate(sends) if event.fault), None)
    expect(place is not None, expected="deliver() sends the records in their order", seen=f"{len(sends)} calls of send")
    fault, name = sends[place].fault, sends[place].id
    after = sends[place + 1 :]
    what = f"the run stops at {fault} ({fault.says}), and the caller gets that error" if fault.says else f"{fault} ends the run"
    again = [event for event in after if event.id == name]
    expect(not again, expected=what, seen=f"record {name} was sent again: {fault} was retried")
    for entry in scenario.dead():
        fail(expected=what, seen=f"a dead letter: {show(entry)}; the record is not to blame")
    expect(not after, expected=what, seen=f"{fault} was swallowed: {len(after)} more sends after it")
    raised_to_caller(scenario, what)


def raised_to_caller(scenario: Scenario, expected: str) -> None:
    """The last error came out of deliver() as it was, or as the cause of another."""
    raised = scenario.outcome.get("raised")
    expect(raised, expected=expected, seen="it was swallowed: deliver() returned as if all were well")
    if not scenario.outcome["ours"]:
        fail(expected=expected, seen=f"deliver() raised another error, {raised}:\n{scenario.outcome['text']}")


def failures(scenario: Scenario) -> list[tuple[Any, ...]]:
    """What the log must say: (id, attempt, kind, action, class or classes of the error) of each failure, in order."""
    found: list[tuple[Any, ...]] = []
    sends = scenario.sends()
    attempts = int(scenario.policy["attempts"])
    for line in scenario.lines:
        record = read(line)
        if not isinstance(record, dict) or "id" not in record:
            found.append((None, 0, "poison", "dead_letter", ("",)))
            continue
        for event in (event for event in sends if event.id == record["id"] and event.fault):
            kind = event.fault.kind
            given_up = kind == "poison" or event.attempt == attempts
            last = event is sends[-1]  # where no attempt follows: the budget is used up
            action = "stop" if kind == "permanent" else "dead_letter" if given_up else "stop" if last else "retry"
            found.append((event.id, event.attempt, kind, action, tuple(filter(None, (event.fault.name, event.fault.reason)))))
    return found


def logged(text: str) -> list[dict[str, Any]]:
    """The lines of the log that speak of failures; what is no JSON is not looked at."""
    lines = [read(line) for line in text.splitlines()]
    return [line for line in lines if isinstance(line, dict) and line.get("event") == "failure"]
