"""Runs in the learner's place: imports coordinator.py once, then makes a process for each call that can be killed by itself.

A line of JSON on standard input, [function, arguments…], gives two lines on standard output: {"pid": n}, and then {"gave": value},
{"raised": text} or {"died": signal}.
"""

import json
import os

OUT = os.dup(1)
os.dup2(2, 1)  # what the learner prints is not for us

import coordinator  # noqa: E402


def say(what):
    """A line for the verifier."""
    os.write(OUT, (json.dumps(what) + "\n").encode())


def call(words):
    """What a call gave."""
    name, *arguments = words
    try:
        value = getattr(coordinator, name)(*arguments)
        json.dumps(value)
    except Exception as error:
        return {"raised": f"{type(error).__name__}: {str(error).strip()[:600]}"}
    return {"gave": value}


def in_a_process_of_its_own(words):
    """Fork, let the child make the call, and tell how it went."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.read(0, 1)  # the verifier says when
        told = json.dumps(call(words)).encode()
        os.write(write, told)
        os._exit(0)
    os.close(write)
    say({"pid": child})
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read()
    status = os.waitpid(child, 0)[1]
    say(json.loads(told) if told else {"died": os.waitstatus_to_exitcode(status)})


if __name__ == "__main__":
    line = b""
    while byte := os.read(0, 1):
        line += byte
        if byte == b"\n":
            in_a_process_of_its_own(json.loads(line))
            line = b""
