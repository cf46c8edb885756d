"""Try deliver() by hand: a service with moods, time that does not pass. `python try_deliver.py [SEED]`."""

import json
import random
import sys
from urllib.error import HTTPError, URLError

from deliver import deliver

dice = random.Random(sys.argv[1] if len(sys.argv) > 1 else 1)
MOODS = [
    lambda: ConnectionResetError(104, "Connection reset by peer"),
    lambda: TimeoutError("timed out"),
    lambda: URLError(ConnectionRefusedError(111, "Connection refused")),
    lambda: HTTPError("https://orders.example", 503, "Service Unavailable", {}, None),
    lambda: HTTPError("https://orders.example", 422, "Unprocessable Content: amount is negative", {}, None),
    # add your own: HTTP 401, a KeyError, KeyboardInterrupt …
]


def send(record):
    """Fails in half of the calls."""
    if dice.random() < 0.5:
        error = dice.choice(MOODS)()
        print(f"send         {record['id']}  ✘ {error!r}")
        raise error
    print(f"send         {record['id']}  ✔")


lines = [json.dumps({"id": f"r{number}", "amount": number}) for number in range(1, 9)]
lines.insert(3, '{"id": "r99", "amou')
deliver(
    lines,
    send,
    lambda entry: print("dead_letter ", entry),
    lambda seconds: print(f"sleep        {seconds:.3f} s"),
)
