"""A few rounds of killing; `make bench` does two hundred."""

import importlib.util
import sys
from pathlib import Path


def test_killed_commands_lose_nothing_and_leave_nothing(course: Path) -> None:
    spec = importlib.util.spec_from_file_location("crash", Path(__file__).with_name("crash.py"))
    assert spec
    assert spec.loader
    crash = importlib.util.module_from_spec(spec)
    sys.modules["crash"] = crash  # dataclasses look their module up
    spec.loader.exec_module(crash)
    tally = crash.rounds(10, seed=20)
    assert tally.clean(), tally
    assert sum(tally.killed.values()) > 3, tally
