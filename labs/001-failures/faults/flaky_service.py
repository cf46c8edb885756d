"""The service that a learner's deliver() sends to, on the verifier's side: it fails by a script, and remembers every call.

The learner's process has nothing but a connection: what a record's next attempt will meet is known here alone.
"""

import json
import socket
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

TOO_OFTEN = 40  # sends of one record after which a run is stopped


@dataclass(frozen=True)
class Fault:
    """One failure: the kind that the task says it is, and how drive_deliver.py makes it."""

    kind: str  # transient, poison, permanent, interrupt
    name: str  # the class of the error
    says: str  # its message
    code: int = 0  # HTTP status or errno
    reason: str = ""  # of a URLError: the class of what is behind it; without one a text is

    def __str__(self) -> str:
        extra = f" {self.code}" if self.name == "HTTPError" else f"({self.reason})" if self.reason else ""
        return f"{self.name}{extra}"


@dataclass(frozen=True)
class Event:
    """One call of the learner's code: `send` (entry is the record), `sleep` (seconds) or `dead_letter` (entry)."""

    what: str
    id: str = ""
    attempt: int = 0
    fault: Fault | None = None
    seconds: float = 0.0
    entry: Any = None


@dataclass
class Scenario:
    """What one call of deliver() meets. `script` gives, by record id, the faults of its first sends; then it is stored."""

    lines: list[str]
    script: dict[str, list[Fault]]
    policy: dict[str, float]
    store_fails: Fault | None = None  # what dead_letter raises
    sleep_fails: Fault | None = None  # what sleep raises
    events: list[Event] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)  # sends of each record so far

    def sends(self, record: str = "") -> list[Event]:
        """The calls of send, of one record or of all."""
        return [event for event in self.events if event.what == "send" and record in ("", event.id)]

    def stored(self) -> list[str]:
        """The ids that the service has taken, in order."""
        return [event.id for event in self.sends() if event.fault is None]

    def dead(self) -> list[Any]:
        """What was set aside."""
        return [event.entry for event in self.events if event.what == "dead_letter"]

    def sleeps(self) -> list[tuple[int, float]]:
        """Attempt and seconds slept before it, for every send."""
        found, slept = [], 0.0
        for event in self.events:
            slept += event.seconds
            if event.what == "send":
                found.append((event.attempt, slept))
                slept = 0.0
        return found

    def pauses(self) -> list[tuple[int, float]]:
        """Number of the retry (1, 2, …) and seconds slept before it."""
        return [(attempt - 1, slept) for attempt, slept in self.sleeps() if attempt > 1]

    def idle(self) -> float:
        """Seconds slept with no retry to follow."""
        return sum(slept for attempt, slept in self.sleeps() if attempt == 1)

    def beginning(self) -> dict[str, Any]:
        """What the learner's side is told; it reports sleeps with its next call, unless a sleep shall fail."""
        return {"lines": self.lines, "policy": self.policy, "sleep_fails": self.sleep_fails is not None}

    def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        """React to one call, and remember it."""
        self.events += [Event("sleep", seconds=seconds) for seconds in asked["slept"]]
        if asked["do"] == "send":
            return self.take(asked["record"])
        if asked["do"] == "slept":
            return raising(self.sleep_fails)
        self.events.append(Event("dead_letter", entry=asked["entry"]))
        return raising(self.store_fails)

    def take(self, record: Any) -> dict[str, Any]:
        """A send: fails as the script says, else the record is stored."""
        name = record.get("id") if isinstance(record, dict) else None
        name = name if isinstance(name, str) else json.dumps(record)
        self.made[name] += 1
        attempt = self.made[name]
        faults = self.script.get(name, [])
        fault = faults[attempt - 1] if attempt <= len(faults) else None
        self.events.append(Event("send", name, attempt, fault, entry=record))
        return {"enough": True} if attempt >= TOO_OFTEN else raising(fault)


def raising(fault: Fault | None) -> dict[str, Any]:
    """The answer that makes the learner's side raise."""
    return {"raise": [fault.name, fault.says, fault.code, fault.reason]} if fault else {}


class Service:
    """Plays scenarios, one after the other, to the one process that connects. Use it as a context manager."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self.scenarios = scenarios
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self) -> "Service":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)

    def serve(self) -> None:
        """Answer until the other side has ended."""
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            connection, _ = self.listener.accept()
            with connection, connection.makefile("rwb") as stream:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.talk(stream)

    def talk(self, stream: Any) -> None:
        """One JSON object a line, each way."""
        coming = iter(self.scenarios)
        now: Scenario | None = None
        for line in stream:
            asked = json.loads(line)
            if asked["do"] == "next":
                if now is not None:
                    now.outcome = asked["outcome"]
                now = next(coming, None)
                answer = now.beginning() if now else {}
            else:
                answer = now.answer(asked) if now else {}
            stream.write(json.dumps(answer).encode() + b"\n")
            stream.flush()
