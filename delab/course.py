"""A lab's stack: its services and the data that its prepare.py loads."""

import hashlib
import importlib.util
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import Thread
from types import ModuleType

from delab.lab import Lab
from delab.local import LocalStack
from delab.templates import Plan

LIVE_SEED = 1  # the learner's own stack has the same data on every machine


def plan(lab: Lab) -> Plan:
    """What the lab's stack is made of."""
    script = lab.folder / "prepare.py"
    if not script.exists():
        return Plan(lab.slug, lab.services())
    key = hashlib.sha256(script.read_bytes()).hexdigest()
    return Plan(lab.slug, lab.services(), load(script), key, LIVE_SEED)


def load(script: Path) -> Callable[[LocalStack, int], None]:
    """The function `prepare(stack, seed)` of a lab's prepare.py, imported when it is first called."""

    def prepare(stack: LocalStack, seed: int) -> None:
        module(script).prepare(stack, seed)

    return prepare


@cache
def module(script: Path) -> ModuleType:
    """A lab's prepare.py."""
    spec = importlib.util.spec_from_file_location(f"prepare_{script.parent.name}", script)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def import_ahead(lab: Lab) -> None:
    """Begin to import what the lab's prepare.py needs; an error is seen when it is called."""

    def load_quietly() -> None:
        with suppress(Exception):
            module(lab.folder / "prepare.py")

    Thread(target=load_quietly, daemon=True).start()
