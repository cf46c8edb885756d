"""Checks of lab 1: deliver() under failures by script, ingest under failing system calls, signals, kills and power cuts."""

import json
from typing import Any

import judge_deliver as judge
import judge_ingest as ingest
import pytest
from faults.flaky_service import Scenario
from scenarios import Maker

from delab.checks import expect, fail, main, show

RECORDS = 100  # of the check of delays: enough that chance cannot fail it (less than once in 10^11)


@pytest.fixture
def maker(seed, request) -> Maker:
    """Records and faults from this verification's seed, others for each check."""
    return Maker(f"{seed} {request.node.name}")


# deliver()


def test_transient_is_retried(work, maker):
    """deliver() sends a record again after a transient failure, `attempts` times at most; each record is stored once, in order."""
    scenario = maker.interruption()
    judge.play(work, scenario)
    slept = [event for event in scenario.events if event.what == "sleep"]
    if len(scenario.sends()) > len(scenario.lines) and not slept:
        fail(expected="a call of sleep() before each retry", seen="records were sent again at once, or after a pause of your own")
    judge.returned(scenario)
    expect(not scenario.dead(), expected="no dead letter: each record gets through in the end", seen=show(scenario.dead()[:1]))
    judge.stored_once(scenario)


def test_gives_up(work, maker):
    """A record that fails `attempts` times with transient failures is dead-lettered with its reason; the others are delivered."""
    scenario = maker.outage()
    judge.play(work, scenario)
    judge.returned(scenario)
    judge.stored_once(scenario, without=list(scenario.script))
    attempts = int(scenario.policy["attempts"])
    for name, faults in scenario.script.items():
        sent = len(scenario.sends(name))
        expect(sent == attempts, expected=f"attempts={attempts} sends of record {name}", seen=f"{sent}")
        judge.set_aside(
            scenario, judge.line_of(scenario, name), kind="transient", attempts=attempts, words=faults[attempts - 1].says
        )
    no_more_dead(scenario, len(scenario.script))
    idle = scenario.idle()
    expect(
        not idle,
        expected="a sleep before each retry, and at no other time",
        seen=f"{idle:.3f} s slept for nothing: no retry followed",
    )


def test_poison_is_set_aside(work, maker):
    """A refused record, or a line that is no record, is dead-lettered at once with its reason; the others are delivered."""
    scenario = maker.bad_data()
    judge.play(work, scenario)
    for name, faults in scenario.script.items():
        sent = len(scenario.sends(name))
        expect(sent <= 1, expected=f"one send of record {name}", seen=f"{sent}: {faults[0]} was retried, and will never succeed")
    judge.returned(scenario)
    broken = [line for line in scenario.lines if not isinstance(judge.read(line), dict) or "id" not in judge.read(line)]
    strange = [event.entry for event in scenario.sends() if event.id not in "".join(scenario.lines) or event.entry in broken]
    expect(not strange, expected="only JSON objects with an id are sent", seen=f"send got {show(strange[:1])}")
    judge.stored_once(scenario, without=list(scenario.script))
    for name, faults in scenario.script.items():
        judge.set_aside(scenario, judge.line_of(scenario, name), kind="poison", attempts=1, words=faults[0].says)
    for line in broken:
        judge.set_aside(scenario, line, kind="poison", attempts=0, words="")
    no_more_dead(scenario, len(scenario.script) + len(broken))


def no_more_dead(scenario: Scenario, count: int) -> None:
    """Nothing was set aside that could have been delivered."""
    dead = len(scenario.dead())
    expect(dead == count, expected=f"{count} dead letters", seen=f"{dead}")


def test_permanent_stops(work, maker):
    """A failure that no record would get past stops the run at once: no retry, no dead letter, the error goes to the caller."""
    scenarios = maker.stopping(maker.permanent())
    judge.play(work, *scenarios)
    for scenario in scenarios:
        judge.stopped_at(scenario)


def test_nothing_is_swallowed(work, maker):
    """Errors of unknown type, errors of dead_letter(), KeyboardInterrupt and SystemExit come out of deliver() as they are."""
    unknown, failing, interrupted = maker.stopping(maker.unknown()), maker.store_fails(), maker.interrupted()
    judge.play(work, *unknown, *failing, *interrupted)
    for scenario in unknown:
        judge.stopped_at(scenario)
    for scenario in failing:
        expected = f"the error of dead_letter() ({scenario.store_fails.says}) reaches the caller, at once"
        expect(len(scenario.dead()) == 1, expected=expected, seen=f"{len(scenario.dead())} calls of dead_letter()")
        judge.raised_to_caller(scenario, expected)
    for scenario in interrupted:
        what = scenario.sleep_fails or next(event.fault for event in scenario.sends() if event.fault)
        where = "sleep()" if scenario.sleep_fails else "send()"
        expected = f"{what.name} in {where} ends the run at once: somebody wants it to end"
        raised = scenario.outcome.get("raised")
        after = scenario.sends()[4:]
        expect(not scenario.dead(), expected=expected, seen=f"a dead letter: {show(scenario.dead()[:1])}")
        expect(raised and not after, expected=expected, seen=f"it was caught as if it were a failure; {len(after)} more sends")
        judge.raised_to_caller(scenario, expected)


@pytest.fixture(scope="module")
def delays(work, seed) -> Scenario:
    """A run with enough retries to know how the delays are spread."""
    scenario = Maker(f"{seed} delays").delays(RECORDS)
    judge.play(work, scenario)
    return scenario


def bound_of(scenario: Scenario, retry: int) -> float:
    """The longest delay before a retry, in seconds."""
    return min(scenario.policy["cap"], scenario.policy["base"] * 2 ** (retry - 1))


def test_delays_grow_to_a_cap(delays, evidence):
    """Before retry n deliver() sleeps at most min(cap, base·2ⁿ⁻¹) seconds, and that bound is made use of."""
    numbers = f"base={delays.policy['base']:.3f}, cap={delays.policy['cap']:.3f}"
    found = by_retry(delays)
    for retry, slept in found.items():
        bound, most = bound_of(delays, retry), max(slept)
        capped = bound == delays.policy["cap"]
        expected = f"between 0 and {bound:.3f} s{', the cap' if capped else ''} before retry {retry} ({numbers})"
        worst = min(slept) if min(slept) < 0 else most
        seen = f"{worst} s" + (": the delay is not capped" if capped and most > bound else "")
        expect(most <= bound * (1 + 1e-9) and min(slept) >= 0, expected=expected, seen=seen)
        expected = f"some of {len(slept)} delays before retry {retry} above {bound / 2:.3f} s ({numbers})"
        expect(most > bound / 2, expected=expected, seen=f"{most:.3f} s at most: the delays do not double")
    bounds = [(float(retry), bound_of(delays, retry)) for retry in found]
    one = [(float(retry), slept[0]) for retry, slept in found.items()]
    evidence.plot("Delays of one record", "retry", "seconds", {"bound": bounds, "your delay": one})


def by_retry(scenario: Scenario) -> dict[int, list[float]]:
    """The delays before the first, second, … retry. Fails if there is none."""
    found: dict[int, list[float]] = {}
    for retry, seconds in scenario.pauses():
        found.setdefault(retry, []).append(seconds)
    retries = int(scenario.policy["attempts"]) - 1
    whole = list(found) == list(range(1, retries + 1)) and all(len(delays) == RECORDS for delays in found.values())
    counts = {retry: len(delays) for retry, delays in found.items()}
    expect(whole, expected=f"{RECORDS} records with {retries} retries each", seen=f"retries by number: {counts}")
    return found


def test_delays_are_jittered(work, delays):
    """The delays are spread over the whole range from 0 to the bound, and differ from one process to the next."""
    for retry, slept in by_retry(delays).items():
        bound = bound_of(delays, retry)
        expected = f"{RECORDS} delays before retry {retry} spread over 0 to {bound:.3f} s"
        expect(len(set(slept)) > 1, expected=expected, seen=f"all are {slept[0]:.3f} s: no jitter")
        empty = [part for part in range(4) if not any(part <= 4 * delay / bound <= part + 1 for delay in slept)]
        seen = f"all between {min(slept):.3f} and {max(slept):.3f} s; none in part {[part + 1 for part in empty]} of four"
        expect(not empty, expected=expected, seen=seen)
    other = Scenario(delays.lines[:20], delays.script, delays.policy)
    judge.play(work, other)
    seen = "the same delays: the random numbers have a fixed seed, and all workers retry at the same moment"
    expect(other.pauses() != delays.pauses()[: len(other.pauses())], expected="other delays in another process", seen=seen)


def test_retry_budget(work, maker):
    """One call makes at most `budget` retries; a transient failure that would need one more stops it, and reaches the caller."""
    scenarios = [maker.dead_service(whole=True), maker.dead_service()]
    judge.play(work, *scenarios)
    within_budget(scenarios[0], "")
    within_budget(scenarios[1], " of the second call in one process")


def within_budget(scenario: Scenario, which: str) -> None:
    """It made just as many retries as it may."""
    attempts, budget = int(scenario.policy["attempts"]), int(scenario.policy["budget"])
    retries = sum(event.attempt > 1 for event in scenario.sends())
    expected = f"{budget} retries in the whole run{which} (budget={budget}, attempts={attempts}), then the end"
    seen = f"{retries} retries, {len(scenario.sends())} sends to a service that is down"
    expect(retries <= budget, expected=expected, seen=f"{seen}: no budget")
    expect(retries == budget, expected=expected, seen=seen)
    dead = len(scenario.dead())
    given_up = budget // (attempts - 1)
    expected_dead = f"{given_up} dead letters: records whose last attempt fails need no further retry"
    expect(dead == given_up, expected=expected_dead, seen=f"{dead}")
    judge.raised_to_caller(scenario, "the failure that would need one more retry reaches the caller")
    expect(scenario.made[scenario.sends()[-1].id] == 1 + budget % (attempts - 1), expected=expected, seen=f"{seen}; it went on")


def test_failures_are_logged(work, maker):
    """Each failure is one line of JSON on standard error with event, id, attempt, kind, error and action."""
    everything, down = maker.everything(), maker.dead_service()
    text = judge.play(work, everything, down)
    lines, wanted = judge.logged(text), judge.failures(everything) + judge.failures(down)
    example = '{"event": "failure", "id": …, "attempt": …, "kind": …, "error": …, "action": …}'
    told = f"the last it printed:\n{show(text[-300:])}" if text.strip() else "it printed nothing"
    expect(lines, expected=f"lines such as {example} on standard error", seen=f"none; {told}")
    for line in lines:
        missing = [key for key in ("id", "attempt", "kind", "error", "action") if key not in line]
        expect(not missing, expected=f"a line such as {example}", seen=f"no {', '.join(missing)} in {show(json.dumps(line))}")
    compare_log([tuple(line[key] for key in ("id", "attempt", "kind", "action", "error")) for line in lines], wanted)


def compare_log(lines: list[tuple[Any, ...]], wanted: list[tuple[Any, ...]]) -> None:
    """Line by line."""
    for line, truth in zip(lines, wanted, strict=False):
        expected = "the line of id {}, attempt {}, kind {}, action {}, error {}…".format(*truth[:4], truth[4][0])
        expect(line[:4] == truth[:4], expected=expected, seen="id {}, attempt {}, kind {}, action {}".format(*line))
        named = isinstance(line[4], str) and line[4].strip() and any(name in line[4] for name in truth[4])
        expect(named, expected=f"an error that names its class, {truth[4][0]}", seen=f"error {show(json.dumps(line[4]))}")
    missing = ("none for id {}, attempt {}, kind {}, action {}".format(*truth[:4]) for truth in wanted[len(lines) :])
    seen = f"{len(lines)}: {next(missing, 'some are logged twice')}"
    expect(len(lines) == len(wanted), expected=f"{len(wanted)} lines, one for each failure", seen=seen)


# ingest


@pytest.fixture(scope="module")
def programs(work) -> ingest.Programs:
    """The learner's program, built."""
    return ingest.build(work)


@pytest.fixture(scope="module")
def kills(work, programs, seed) -> dict[str, Any]:
    """What became of it under kills: judged by two checks."""
    return ingest.campaign(work, programs, "killed", seed)


def run_campaign(work, programs, seed, evidence, what: str) -> None:
    """Run one kind of fault and judge it."""
    found = ingest.campaign(work, programs, what, seed)
    for note in found["notes"]:
        evidence.note(note)
    ingest.report(found["problem"], seed)


def test_ingest_copies(work, programs, seed, evidence):
    """ingest.c compiles and copies each record, numbered; a second run changes nothing; without INPUT it fails."""
    run_campaign(work, programs, seed, evidence, "copies")


def test_interrupted_calls(work, programs, seed, evidence):
    """read, write and fsync may fail with EINTR or transfer less than asked at any time: nothing is lost, and it goes on."""
    run_campaign(work, programs, seed, evidence, "interrupted")


def test_handler_is_signal_safe(work, programs, seed, evidence):
    """The signal handler calls nothing that is not async-signal-safe: no stdio, no malloc, no exit."""
    run_campaign(work, programs, seed, evidence, "handler")


def test_sigterm(work, programs, seed, evidence):
    """On SIGTERM ingest finishes the record, saves its state and ends with 0; the next run writes nothing a second time."""
    run_campaign(work, programs, seed, evidence, "sigterm")


def test_killed(kills, seed, evidence):
    """Killed before or in the middle of any system call and started again, also repeatedly: no record is lost or doubled."""
    for note in kills["notes"]:
        evidence.note(note)
    ingest.report(kills["problem"], seed)
    title = "Real SIGKILLs and SIGTERMs at random moments"
    evidence.plot(title, "signals", "whole records in OUTPUT", {"ingest": [(x, y) for x, y in kills["points"]]})


def test_goes_on(kills, seed):
    """After a kill ingest goes on where it was: at most 50 records are written a second time."""
    ingest.report(kills["redo"], seed)


def test_disk_errors(work, programs, seed, evidence):
    """Any other error (disk full, input/output error) ends ingest with a message and an exit code other than 0."""
    run_campaign(work, programs, seed, evidence, "errors")


def test_power_cut(work, programs, seed, evidence):
    """A power cut takes what was not synced: still no record is lost or doubled, and exit code 0 means that all are on disk."""
    run_campaign(work, programs, seed, evidence, "power_cut")


if __name__ == "__main__":
    main(__file__)
