"""Runs in the learner's process: calls deliver() with a service that is a connection to the verifier. See flaky_service.py."""

import errno
import inspect
import io
import json
import os
import socket
import ssl
import sys
import traceback
from collections.abc import Callable
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

URL = "https://orders.example/v1/records"
CLASSES: dict[str, Callable[..., BaseException]] = {
    **{
        kind.__name__: kind
        for kind in (ConnectionError, ConnectionResetError, ConnectionRefusedError, ConnectionAbortedError, BrokenPipeError)
    },
    **{kind.__name__: kind for kind in (RemoteDisconnected, TimeoutError, socket.gaierror)},
    **{kind.__name__: kind for kind in (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError)},
    **{kind.__name__: kind for kind in (KeyboardInterrupt, SystemExit)},
    "SSLCertVerificationError": ssl.SSLCertVerificationError,
}


def make(name: str, says: str, code: int, reason: str) -> BaseException:
    """The error that a script asks for."""
    if name == "HTTPError":
        return HTTPError(URL, code, says, {}, io.BytesIO(b""))  # type: ignore[arg-type]
    if name == "URLError":
        return URLError(make(reason, says, code, "") if reason else says)  # type: ignore[arg-type]
    return CLASSES[name](code, says) if code else CLASSES[name](says)


class Connection:
    """The verifier's end of every call."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rwb")
        self.raised: list[BaseException] = []
        self.slept: list[float] = []  # not reported yet
        self.sleep_fails = False

    def ask(self, **asked: Any) -> dict[str, Any]:
        """One question and its answer."""
        self.stream.write(json.dumps({"slept": self.slept, **asked}).encode() + b"\n")
        self.slept = []
        self.stream.flush()
        return dict(json.loads(self.stream.readline()))

    def act(self, **asked: Any) -> None:
        """One call of the learner's; raises what the script says."""
        answer = self.ask(**asked)
        if "enough" in answer:
            finish({"enough": True})
        if "raise" in answer:
            self.raised.append(make(*answer["raise"]))
            raise self.raised[-1]

    def send(self, record: Any) -> None:
        """What deliver() gets as `send`."""
        self.act(do="send", record=record)

    def dead_letter(self, entry: Any) -> None:
        """What it gets as `dead_letter`."""
        self.act(do="dead_letter", entry=entry)

    def sleep(self, seconds: float) -> None:
        """What it gets as `sleep`: no time passes."""
        self.slept.append(float(seconds))
        if self.sleep_fails:
            self.act(do="slept")


def finish(answer: dict[str, Any]) -> None:
    """Leave the answer and end, whatever the learner's code still holds."""
    target = Path(sys.argv[1])
    target.with_suffix(".new").write_text(json.dumps(answer))
    target.with_suffix(".new").replace(target)
    sys.stderr.flush()
    os._exit(0)


def play(deliver: Callable[..., Any], connection: Connection, scenario: dict[str, Any]) -> dict[str, Any]:
    """One call of deliver(); how it ended."""
    connection.raised.clear()
    connection.sleep_fails = scenario["sleep_fails"]
    try:
        result = deliver(
            iter(scenario["lines"]),
            send=connection.send,
            dead_letter=connection.dead_letter,
            sleep=connection.sleep,
            **scenario["policy"],
        )
    except BaseException as error:  # whatever it raises is what the verifier asks for
        return {"raised": type(error).__name__, "ours": is_ours(error, connection.raised), "text": text_of(error)}
    return {"lazy": type(result).__name__} if inspect.isawaitable(result) or inspect.isgenerator(result) else {}


def is_ours(error: BaseException | None, raised: list[BaseException]) -> bool:
    """Whether an error is the last one that we raised, or was raised `from` it."""
    while error is not None:
        if raised and error is raised[-1]:
            return True
        error = error.__cause__
    return False


def text_of(error: BaseException) -> str:
    """The end of its traceback."""
    return "".join(traceback.format_exception(error, limit=-3))[-1500:]


def main() -> None:
    """Play all scenarios."""
    connection = Connection(int(sys.argv[2]))
    import deliver as module

    if not callable(getattr(module, "deliver", None)):
        print("deliver.py has no function deliver()", file=sys.stderr)
        sys.exit(errno.EINVAL)
    outcome: dict[str, Any] = {}
    while scenario := connection.ask(do="next", outcome=outcome):
        outcome = play(module.deliver, connection, scenario)
    finish({"enough": False})


main()
