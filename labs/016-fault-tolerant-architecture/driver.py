"""Runs in the learner's place: imports service.py once, then makes a process for each call that can be killed by itself.

A line of JSON on standard input, [call, function, arguments…], is answered by lines on standard output: {"call", "pid"} when it has
begun, {"call", "gave"} or {"call", "raised"}, and {"call", "ended": exit code} when its process is gone.
"""

import fcntl
import json
import os
import select
import time
from pathlib import Path
from zlib import crc32

OUT = os.dup(1)
GATE = Path(os.environ.get("GATE", "."))


def fee(request_id):
    """What a posting costs: 1 to 9, by its number."""
    return 1 + crc32(request_id.encode()) % 9


def price(request_id, account, amount):
    """The price service: notes who asks; the first that asks for a posting with a gate waits until the gate is opened."""
    with (GATE / "asked").open("a") as file:
        file.write(f"{request_id} {os.getpid()}\n")
    held = GATE / f"{request_id}.held"
    try:
        (GATE / f"{request_id}.hold").rename(held)
    except FileNotFoundError:
        return amount - fee(request_id)
    while held.exists():
        time.sleep(0.01)
    return amount - fee(request_id)


def say(what):
    """A line for the verifier, whole, though several processes speak."""
    line = (json.dumps(what) + "\n").encode()
    with (GATE / "speaking").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        while line:
            line = line[os.write(OUT, line) :]


def answer(service, name, arguments):
    """What a call gave, or what it raised."""
    try:
        if name == "work":
            shards, lease = arguments
            return {"gave": service.work(shards, price, lease)}
        if name == "each":  # one function for many arguments
            return {"gave": [answer(service, arguments[0], more) for more in arguments[1]]}
        value = getattr(service, name)(*arguments)
        json.dumps(value)
    except BaseException as error:
        return {"raised": f"{type(error).__name__}: {str(error).strip()[:600]}"}
    return {"gave": value}


def begin(service, call, name, *arguments):
    """Fork a process for a call."""
    child = os.fork()
    if child:
        say({"call": call, "pid": child})
        return child
    say({"call": call, **answer(service, name, arguments)})
    os._exit(0)


def main():
    """Hear calls, and tell which have ended."""
    os.dup2(2, 1)  # what the learner prints is not for us
    import service

    calls, heard = {}, b""
    while True:
        if select.select([0], [], [], 0.02)[0]:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, heard = (heard + data).split(b"\n")
            for line in lines:
                call, *words = json.loads(line)
                calls[begin(service, call, *words)] = call
        while calls:
            child, status = os.waitpid(-1, os.WNOHANG)
            if not child:
                break
            if child in calls:
                say({"call": calls.pop(child), "ended": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    main()
