"""A lab's stack: its services and the data that its prepare.py loads."""

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

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
        spec = importlib.util.spec_from_file_location(f"prepare_{script.parent.name}", script)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        module.prepare(stack, seed)

    return prepare
