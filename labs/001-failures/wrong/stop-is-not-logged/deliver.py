"""Deliver records to a service that fails now and then: each is stored once, or set aside with its reason."""

import json
import random
import sys
from urllib.error import HTTPError, URLError

TRANSIENT = {408, 429, 500, 502, 503, 504}  # HTTP statuses that another attempt may cure
POISON = {400, 413, 422}  # HTTP statuses that speak of this record alone


class BadRecord(Exception):
    """A line that is no record."""


def classify(error):
    """What a failure means: `transient`, `poison` or `permanent`. The order matters: HTTPError is a URLError is an OSError."""
    if isinstance(error, BadRecord):
        return "poison"
    if isinstance(error, HTTPError):
        return "transient" if error.code in TRANSIENT else "poison" if error.code in POISON else "permanent"
    if isinstance(error, URLError):
        return "transient" if isinstance(error.reason, Exception) and classify(error.reason) == "transient" else "permanent"
    return "transient" if isinstance(error, ConnectionError | TimeoutError) else "permanent"


def log(record, attempt, error, action):
    """One failure as one line that a program can read."""
    line = {
        "event": "failure",
        "id": record and record["id"],
        "attempt": attempt,
        "kind": classify(error),
        "error": describe(error),
        "action": action,
    }
    print(json.dumps(line), file=sys.stderr, flush=True)


def describe(error):
    """An error in one line."""
    return f"{type(error).__name__}: {error}"


def parse(line):
    """The record in a line. Raises BadRecord."""
    try:
        record = json.loads(line)
    except ValueError as error:
        raise BadRecord(f"not JSON: {error}") from error
    if not isinstance(record, dict) or "id" not in record:
        raise BadRecord("no JSON object with an id")
    return record


def deliver(lines, send, dead_letter, sleep, *, attempts=5, base=0.1, cap=5.0, budget=100):
    """Deliver every line, or set it aside. Raises what is neither transient nor the record's own fault."""

    def set_aside(line, error, made):
        dead_letter({"line": line, "kind": classify(error), "reason": describe(error), "attempts": made})

    retries = 0
    for line in lines:
        try:
            record = parse(line)
        except BadRecord as error:
            log(None, 0, error, "dead_letter")
            set_aside(line, error, 0)
            continue
        for attempt in range(1, attempts + 1):
            try:
                send(record)
                break
            except Exception as error:  # not BaseException: Ctrl-C and sys.exit are no failures
                kind = classify(error)
                if kind == "poison" or (kind == "transient" and attempt == attempts):
                    log(record, attempt, error, "dead_letter")
                    set_aside(line, error, attempt)
                    break
                if kind == "permanent":
                    log(record, attempt, error, "stop")
                    raise
                if retries == budget:
                    raise
                log(record, attempt, error, "retry")
            retries += 1
            sleep(random.uniform(0, min(cap, base * 2 ** (attempt - 1))))
