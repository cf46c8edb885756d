"""The verifier's side of driver.py: calls of the learner's functions, each in a process that can be frozen or killed."""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from delab import wait
from delab.checks import expect, fail, show
from delab.errors import Timeout

DRIVER = Path(__file__).parent / "driver.py"
SECONDS = 20  # that one call may take


class Call:
    """One call of a function of the learner's, in a process of its own."""

    def __init__(self, service: "Service", number: int, name: str) -> None:
        self.service, self.number, self.name = service, number, name

    def told(self, key: str) -> Any:
        """What the driver has said of it so far, or None."""
        return self.service.heard().get(self.number, {}).get(key)

    def ended(self) -> bool:
        """Whether its process is gone."""
        return self.told("ended") is not None

    def signal(self, number: signal.Signals) -> None:
        """Freeze, wake or kill its process."""
        self.service.until(lambda: self.told("pid"), 10, f"{self.name} begins")
        if not self.ended():
            with suppress(ProcessLookupError):
                os.kill(int(self.told("pid")), number)

    def kill(self) -> None:
        """Kill it, and see it gone."""
        self.signal(signal.SIGKILL)
        self.service.until(self.ended, 10, f"{self.name} ends")

    def outcome(self, expected: str = "", seconds: float = SECONDS) -> dict[str, Any]:
        """How it ended: `gave`, or `raised`, in a dictionary. Fails the check if it does not end in time."""
        try:
            self.service.until(self.ended, seconds, expected or f"{self.name} comes to an end")
        finally:
            self.signal(signal.SIGKILL)
        told = self.service.heard()[self.number]
        return told if {"gave", "raised"} & told.keys() else {"raised": f"nothing, its process ended with code {told['ended']}"}

    def gave(self, when: str, seconds: float = SECONDS) -> Any:
        """The value of a call that may not raise."""
        told = self.outcome(seconds=seconds)
        expect("gave" in told, expected=f"{self.name} {when} comes to its end", seen=f"it raised {show(told.get('raised'))}")
        return told["gave"]


class Service:
    """The learner's module, in a program that forks for each call."""

    def __init__(self, work: Any) -> None:
        self.gate = work.run_folder / "gate"
        self.gate.mkdir(exist_ok=True)
        env = {"PYTHONPATH": str(work.folder), "PYTHONSAFEPATH": "1", "GATE": str(self.gate)}
        self.program = work.start_command([sys.executable, str(DRIVER)], env=env, interactive=True, seconds=600, output=16)
        self.calls = 0

    def heard(self) -> dict[int, dict[str, Any]]:
        """All that the driver has said, by call."""
        found: dict[int, dict[str, Any]] = {}
        for line in self.program.out.text().splitlines(keepends=True):
            if line.endswith("\n"):
                told = json.loads(line)
                found.setdefault(told["call"], {}).update(told)
        return found

    def until(self, condition: Any, seconds: float, expected: str) -> None:
        """Wait for what the learner's code has to bring about; fails the check."""
        if self.program.running() and not until_or(lambda: condition() or not self.program.running(), seconds):
            limit = seconds * wait.scale()
            fail(
                expected=expected,
                seen=f"not within {limit:.0f} s: an endless loop, or waiting for a lock or for a standby that is not there",
            )
        if not condition():
            self.program.wait_for(condition, seconds=1, expected=expected)  # says how the program has ended

    def start(self, name: str, *arguments: Any) -> Call:
        """Begin a call."""
        self.calls += 1
        self.program.say(json.dumps([self.calls, name, *arguments]) + "\n")
        return Call(self, self.calls, name)

    def each(self, name: str, arguments: list[list[Any]]) -> list[dict[str, Any]]:
        """Many calls of one function, one after the other in one process: what each gave or raised."""
        call = self.start("each", name, arguments)
        call.name = name
        return list(call.gave("for each of several arguments", SECONDS + min(len(arguments), 30)))

    def values(self, name: str, arguments: list[list[Any]]) -> list[Any]:
        """The values of many calls that may not raise."""
        told = self.each(name, arguments)
        for one, given in zip(told, arguments, strict=True):
            expect("gave" in one, expected=f"{name}(…, {given[1]!r}) gives a value", seen=f"it raised {show(one.get('raised'))}")
        return [one["gave"] for one in told]

    def worker(self, shards: dict[str, str], lease: float) -> Call:
        """A worker."""
        return self.start("work", shards, lease)

    # The price service, which the verifier can hold up

    def hold(self, request: str) -> None:
        """The next worker that asks for the price of this posting waits."""
        (self.gate / f"{request}.hold").touch()

    def holds(self, request: str) -> bool:
        """Whether a worker waits for this price."""
        return (self.gate / f"{request}.held").exists()

    def release(self, request: str) -> None:
        """Give the price."""
        for name in ("hold", "held"):
            (self.gate / f"{request}.{name}").unlink(missing_ok=True)

    def release_all(self) -> None:
        """Give all prices that are held up."""
        for path in [*self.gate.glob("*.hold"), *self.gate.glob("*.held")]:
            path.unlink(missing_ok=True)

    def asked(self, request: str) -> list[int]:
        """The processes that have asked for a price, in order."""
        with suppress(FileNotFoundError):
            lines = [line.split() for line in (self.gate / "asked").read_text().splitlines()]
            return [int(pid) for name, pid in lines if name == request]
        return []


def alive(worker: Call, when: str) -> None:
    """A worker never ends by itself."""
    if worker.ended():
        told = worker.outcome()
        how = f"it raised {show(told['raised'])}" if "raised" in told else "it returned"
        fail(expected=f"a worker goes on for ever, also {when}", seen=f"the worker has ended: {how}")


def until_or(condition: Any, seconds: float) -> bool:
    """Whether something comes true in time."""
    try:
        wait.until(condition, seconds=seconds, what="it")
    except Timeout:
        return False
    return True
