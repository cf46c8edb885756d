"""`lab watch N`: verify again on each save, and by hand where saves cannot be seen. With Kafka, its streams are shown meanwhile."""

import contextlib
import queue
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from delab import lab, verify_command
from delab.errors import LabError

SETTLE = 200  # milliseconds without a change before a save counts as complete
Wishes = queue.SimpleQueue[str]


def watch(console: Console, subject: lab.Lab) -> None:
    """Verify at once (or show the streams first), then at each save or press of Enter, until q or the end of input."""
    if not subject.work.is_dir():
        raise LabError(f"lab {subject.number} has not been started", f"make lab-{subject.number}")
    wishes: Wishes = queue.SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=hear_saves, args=(subject.work, wishes, stop), daemon=True).start()
    threading.Thread(target=hear_keys, args=(wishes,), daemon=True).start()
    with contextlib.ExitStack() as context:
        context.callback(stop.set)
        rest: Callable[[Wishes], str] = partial(prompt, console, subject)
        wish = "verify"
        if subject.streams:
            from delab import looking

            rest = context.enter_context(looking.at(console, subject)).until_wish
            wish = rest(wishes)
        while wish != "quit":
            verify_command.verify(lambda: console, subject, as_json=False, junit=None, seed=None, work=None)
            wish = rest(wishes)


def prompt(console: Console, subject: lab.Lab, wishes: Wishes) -> str:
    """Say what it waits for, and wait for a wish."""
    console.print(f"\nWatching {subject.work.name}: save a file, or press Enter, to verify again; q and Enter ends.")
    return next_wish(wishes)


def next_wish(wishes: Wishes, seconds: float | None = None) -> str:
    """Wait for a wish; several saves meanwhile are one. Empty if none comes in so many seconds."""
    try:
        wish = wishes.get(timeout=seconds)
        while wish != "quit" and not wishes.empty():
            wish = wishes.get()
    except queue.Empty:
        return ""
    return wish


def hear_saves(folder: Path, wishes: Wishes, stop: threading.Event) -> None:
    """Wish for a verification after each save."""
    import watchfiles

    for _ in watchfiles.watch(folder, debounce=SETTLE, stop_event=stop, raise_interrupt=False):
        wishes.put("verify")


def hear_keys(wishes: Wishes) -> None:
    """Wish for a verification at Enter, for the end at q or at the end of input."""
    for line in sys.stdin:
        wishes.put("quit" if line.strip().lower() in ("q", "quit", "exit") else "verify")
    wishes.put("quit")
