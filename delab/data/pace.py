"""When to send what: at a fixed rate, or as the events happened, faster or slower."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Clock:
    """The time to go by, in seconds; tests give another one."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass
class Pace:
    """Waits until a row is due. `rate` is rows a second; `speed` is how many seconds of events pass in one; 0 is no limit."""

    rate: float = 0.0
    speed: float = 0.0
    clock: Clock = field(default_factory=Clock)
    started: float = field(init=False, default=0.0)
    first: int | None = field(init=False, default=None)  # µs of the first event

    def wait(self, number: int, micros: int) -> None:
        """Return when the row of that number (from 0) and event time may be sent. Time lost is caught up with, not added."""
        if self.first is None:
            self.first, self.started = micros, self.clock.now()
        due = 0.0
        if self.rate:
            due = number / self.rate
        if self.speed:
            due = max(due, (micros - self.first) / 1e6 / self.speed)
        ahead = self.started + due - self.clock.now()
        if ahead > 0:
            self.clock.sleep(ahead)  # the passing of time is what is waited for
