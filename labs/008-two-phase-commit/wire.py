"""A wiretap between the coordinator and a server: it sees each statement, and can strike at one of them."""

import re
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

STEPS = re.compile(rb"\b(PREPARE\s+TRANSACTION|COMMIT\s+PREPARED|ROLLBACK\s+PREPARED|COMMIT(?!\s+PREPARED)|END)\b", re.I)


class Trap:
    """What to do at the k-th step: `before` the server gets it, or `after` it has done it and nobody has heard of it."""

    def __init__(self, step: int, moment: str, strike: Callable[[], None]) -> None:
        self.step, self.moment, self.strike = step, moment, strike
        self.sprung = threading.Event()


class Wire:
    """All taps of one verification: the steps in the order in which they were sent."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []  # (server, step)
        self.trap: Trap | None = None
        self.lock = threading.Lock()
        self.taps: list[socket.socket] = []

    def tap(self, name: str, port: int) -> int:
        """Listen for a server; returns the port to connect to."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.taps.append(listener)
        threading.Thread(target=self.accept, args=(listener, name, port), daemon=True).start()
        return int(listener.getsockname()[1])

    def accept(self, listener: socket.socket, name: str, port: int) -> None:
        """Join each connection with the server."""
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", port), timeout=5)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                flow = Flow(self, name, near, far)
                threading.Thread(target=flow.up, daemon=True).start()
                threading.Thread(target=flow.down, daemon=True).start()

    def begin(self, trap: Trap | None = None) -> None:
        """Forget the steps seen so far, and set a trap."""
        with self.lock:
            self.steps, self.trap = [], trap

    def note(self, name: str, data: bytes) -> Trap | None:
        """Note the step in a message; returns the trap if it is this step's."""
        found = STEPS.search(data[5:]) if data[:1] in (b"Q", b"P") else None  # a type, four bytes of length, the text
        if not found:
            return None
        with self.lock:
            self.steps.append((name, b" ".join(found[1].upper().split()).decode()))
            trap = self.trap
            return trap if trap and trap.step == len(self.steps) - 1 and not trap.sprung.is_set() else None

    def close(self) -> None:
        """Stop listening."""
        for listener in self.taps:
            listener.close()


class Flow:
    """One connection."""

    def __init__(self, wire: Wire, name: str, near: socket.socket, far: socket.socket) -> None:
        self.wire, self.name, self.near, self.far = wire, name, near, far
        self.armed: Trap | None = None

    def up(self) -> None:
        """From the coordinator to the server."""
        with suppress(OSError):
            while data := self.near.recv(65536):
                trap = self.wire.note(self.name, data)
                if trap and trap.moment == "before":
                    self.spring(trap)
                    break
                self.armed = trap or self.armed
                self.far.sendall(data)
        self.end()

    def down(self) -> None:
        """From the server to the coordinator."""
        with suppress(OSError):
            while data := self.far.recv(65536):
                if self.armed:
                    self.spring(self.armed)
                    break
                self.near.sendall(data)
        self.end()

    def spring(self, trap: Trap) -> None:
        """Strike, once."""
        trap.strike()
        trap.sprung.set()

    def end(self) -> None:
        """Close both sides."""
        for side in (self.near, self.far):
            with suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
            side.close()
