"""Deliver records to a service that fails now and then. The rules are in the task: `lab start 1` shows it."""

import json


def deliver(lines, send, dead_letter, sleep, *, attempts=5, base=0.1, cap=5.0, budget=100):
    """Deliver every line, or set it aside."""
    for line in lines:
        record = json.loads(line)
        send(record)
