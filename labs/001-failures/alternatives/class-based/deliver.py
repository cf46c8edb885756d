"""Another answer: rules as a table, delays as an iterator, retries as a decorator, logging by the logging module."""

import functools
import json
import logging
import random
from dataclasses import asdict, dataclass
from urllib.error import HTTPError, URLError

LOG = logging.getLogger("deliver")


class JsonLines(logging.Formatter):
    """A record of the log as a line of JSON, with more than is asked for."""

    def format(self, record):
        return json.dumps({"time": record.created, "level": record.levelname, **record.args})


HANDLER = logging.StreamHandler()
HANDLER.setFormatter(JsonLines())
LOG.addHandler(HANDLER)
LOG.setLevel(logging.INFO)


class Undeliverable(Exception):
    """A record that cannot be delivered, with its kind and the attempts made."""

    def __init__(self, kind, reason, attempts):
        super().__init__(reason)
        self.letter = DeadLetter(kind, repr(reason), attempts)


class Stopped(RuntimeError):
    """The run ends here; the cause says why."""


@dataclass
class DeadLetter:
    kind: str
    reason: str
    attempts: int


def kind_of(error):
    match error:
        case HTTPError(code=408 | 429 | 500 | 502 | 503 | 504):
            return "transient"
        case HTTPError(code=400 | 413 | 422):
            return "poison"
        case HTTPError():
            return "permanent"
        case URLError(reason=ConnectionError() | TimeoutError()) | ConnectionError() | TimeoutError():
            return "transient"
        case _:
            return "permanent"


class Delivery:
    """One run with its budget."""

    def __init__(self, send, sleep, attempts, base, cap, budget):
        self.sleep, self.attempts, self.base, self.cap, self.left = sleep, attempts, base, cap, budget
        self.send = self.retrying(send)

    def delays(self):
        bound = self.base
        for _ in range(self.attempts - 1):
            yield random.random() * min(self.cap, bound)
            bound *= 2

    def retrying(self, function):
        @functools.wraps(function)
        def wrapped(record):
            delays = self.delays()
            attempt = 1
            while True:
                try:
                    return function(record)
                except Exception as error:
                    delay = self.judge(record, attempt, error, delays)
                # in two halves: somebody may want to look in between
                self.sleep(delay / 2)
                self.sleep(delay / 2)
                attempt += 1

        return wrapped

    def judge(self, record, attempt, error, delays):
        """The delay before the next attempt, or an exception."""
        kind = kind_of(error)
        delay = next(delays, None) if kind == "transient" else None
        stop = kind == "permanent" or (delay is not None and not self.left)
        action = "stop" if stop else "dead_letter" if delay is None else "retry"
        about = {"id": record["id"], "attempt": attempt, "kind": kind, "error": repr(error), "action": action, "delay": delay}
        if "HTTPError" in about["error"]:
            about["status"] = error.code
        LOG.warning("failure", {"event": "failure", **about})
        if stop:
            raise Stopped(f"at record {record['id']}") from error
        if delay is None:
            raise Undeliverable(kind, error, attempt)
        self.left -= 1
        return delay

    def one(self, line):
        try:
            record = json.loads(line)
            record["id"] + ""
        except (ValueError, TypeError, KeyError) as error:
            about = {"id": None, "attempt": 0, "kind": "poison", "error": repr(error), "action": "dead_letter"}
            LOG.warning("failure", {"event": "failure", **about})
            raise Undeliverable("poison", error, 0) from None
        self.send(record)
        LOG.info("stored", {"event": "stored", "id": record["id"]})


def deliver(lines, send, dead_letter, sleep, *, attempts=5, base=0.1, cap=5.0, budget=100):
    """Deliver every line, or set it aside."""
    delivery = Delivery(send, sleep, attempts, base, cap, budget)
    for line in lines:
        try:
            delivery.one(line)
        except Undeliverable as error:
            dead_letter({"line": line, **asdict(error.letter), "queue": "orders"})
