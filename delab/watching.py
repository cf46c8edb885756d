"""`lab watch N`: verify again on each save, and by hand where saves cannot be seen."""

import queue
import sys
import threading
from pathlib import Path

from rich.console import Console

from delab import lab, verify_command
from delab.errors import LabError

SETTLE = 200  # milliseconds without a change before a save counts as complete


def watch(console: Console, subject: lab.Lab) -> None:
    """Verify at once, then at each save or press of Enter, until q or the end of input."""
    if not subject.work.is_dir():
        raise LabError(f"lab {subject.number} has not been started", f"make lab-{subject.number}")
    wishes: queue.SimpleQueue[str] = queue.SimpleQueue()
    stop = threading.Event()
    threading.Thread(target=hear_saves, args=(subject.work, wishes, stop), daemon=True).start()
    threading.Thread(target=hear_keys, args=(wishes,), daemon=True).start()
    wish = "verify"
    while wish != "quit":
        verify_command.verify(lambda: console, subject, as_json=False, junit=None, seed=None, work=None)
        console.print(f"\nWatching {subject.work.name}: save a file, or press Enter, to verify again; q and Enter ends.")
        wish = next_wish(wishes)
    stop.set()


def next_wish(wishes: "queue.SimpleQueue[str]") -> str:
    """Wait for a wish; several saves meanwhile are one."""
    wish = wishes.get()
    while wish != "quit" and not wishes.empty():
        wish = wishes.get()
    return wish


def hear_saves(folder: Path, wishes: "queue.SimpleQueue[str]", stop: threading.Event) -> None:
    """Wish for a verification after each save."""
    import watchfiles

    for _ in watchfiles.watch(folder, debounce=SETTLE, stop_event=stop, raise_interrupt=False):
        wishes.put("verify")


def hear_keys(wishes: "queue.SimpleQueue[str]") -> None:
    """Wish for a verification at Enter, for the end at q or at the end of input."""
    for line in sys.stdin:
        wishes.put("quit" if line.strip().lower() in ("q", "quit", "exit") else "verify")
    wishes.put("quit")
