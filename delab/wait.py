"""Waiting for an observable condition: never a bare sleep, one multiplier for slow machines."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

from delab.errors import Timeout

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.005, 0.1  # seconds between two looks


def scale() -> float:
    """The factor on every timeout, from LAB_TIMEOUT_SCALE (default 1)."""
    return float(os.environ.get("LAB_TIMEOUT_SCALE", "1"))


def until(
    condition: Callable[[], T],
    *,
    seconds: float,
    what: str,
    alive: Callable[[], None] | None = None,
    longest: float = LONGEST_PAUSE,
) -> T:
    """Return the first truthy value of `condition`, looking at least every `longest` seconds.

    `alive` is called on each look and raises if waiting has become pointless (the process died).
    Raises Timeout, naming `what` was waited for, after `seconds` times the timeout multiplier.
    """
    limit = seconds * scale()
    deadline = time.monotonic() + limit
    pause = FIRST_PAUSE
    while not (value := condition()):
        if alive is not None:
            alive()
        if time.monotonic() > deadline:
            raise Timeout(f"waited {limit:.0f} s for {what}", "on a slow machine set LAB_TIMEOUT_SCALE=3")
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
    return value
