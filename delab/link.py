"""The network between services, so that it can be cut: a forwarder on loopback, run as `python -I -S link.py FOLDER`.

`FOLDER/links.json` holds {"generation": n, "links": [{"name", "listen", "target", "cut"}]}; SIGHUP makes it read the file again and
answer with the generation in `FOLDER/ack`. A link with "outside" listens on the machine's own address instead of loopback. A cut
link behaves like a network that drops packets: connections stay open and silent, new ones get no answer. Healing lets what was
held back through. Standard library only (its memory is the lab's).
"""

import contextlib
import os
import selectors
import signal
import socket
import sys

CHUNK = 65536  # bytes a read


def read_plan(folder: str) -> dict:  # type: ignore[type-arg]
    """The wanted links."""
    import json

    with open(f"{folder}/links.json") as file:  # noqa: PTH123
        return json.load(file)  # type: ignore[no-any-return]


class Pipe:
    """One direction of a connection: what was read from `source` and not yet written to `sink`."""

    def __init__(self, source: socket.socket, sink: socket.socket, link: str) -> None:
        self.source, self.sink, self.link = source, sink, link
        self.held = b""
        self.ended = False


class Forwarder:
    """All links of one stack in one process."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.selector = selectors.DefaultSelector()
        self.listeners: dict[str, socket.socket] = {}
        self.targets: dict[str, int] = {}
        self.cut: set[str] = set()
        self.pipes: dict[socket.socket, Pipe] = {}
        self.waiting: list[tuple[str, socket.socket]] = []

    def load(self) -> None:
        """Make the links as the plan says, then acknowledge."""
        plan = read_plan(self.folder)
        for link in plan["links"]:
            self.targets[link["name"]] = link["target"]
            if link["name"] not in self.listeners:
                self.listen(link["name"], link["listen"], link.get("outside", False))
        self.cut = {link["name"] for link in plan["links"] if link["cut"]}
        self.heal()
        draft = f"{self.folder}/ack.new"
        with open(draft, "w") as file:  # noqa: PTH123
            file.write(str(plan["generation"]))
        os.replace(draft, f"{self.folder}/ack")  # noqa: PTH105

    def listen(self, name: str, port: int, outside: bool) -> None:
        """Open the near end of a link: on loopback, or, in a container, on the address by which it is seen from outside."""
        host = socket.gethostbyname(socket.gethostname()) if outside else "127.0.0.1"
        listener = socket.create_server((host, port), backlog=64)
        listener.setblocking(False)
        self.listeners[name] = listener
        self.selector.register(listener, selectors.EVENT_READ, ("accept", name))

    def heal(self) -> None:
        """Take up again whatever is no longer cut, and stop watching what is."""
        for pipe in self.pipes.values():
            self.watch(pipe)
        arrived, self.waiting = self.waiting, []
        for name, near in arrived:
            self.connect(name, near)

    def connect(self, name: str, near: socket.socket) -> None:
        """Join a new connection to the link's target, or keep it waiting while the link is cut."""
        if name in self.cut:
            self.waiting.append((name, near))
            return
        try:
            far = socket.create_connection(("127.0.0.1", self.targets[name]), timeout=1)
        except OSError:
            near.close()
            return
        for end in (near, far):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pipes[near], self.pipes[far] = Pipe(near, far, name), Pipe(far, near, name)
        for pipe in (self.pipes[near], self.pipes[far]):
            self.watch(pipe)

    def watch(self, pipe: Pipe) -> None:
        """Watch a pipe's source for what can be done now: read, write what its other half holds, or nothing."""
        other = self.pipes[pipe.sink]
        events = 0
        if pipe.link not in self.cut:
            events |= 0 if pipe.held or pipe.ended else selectors.EVENT_READ
            events |= selectors.EVENT_WRITE if other.held else 0
        with contextlib.suppress(KeyError):
            self.selector.unregister(pipe.source)
        if events:
            self.selector.register(pipe.source, events, ("pipe", pipe))

    def move(self, pipe: Pipe, ready: int) -> None:
        """Do the reads and writes that a socket is ready for."""
        other = self.pipes[pipe.sink]
        try:
            if ready & selectors.EVENT_READ and not pipe.held:
                pipe.held = pipe.source.recv(CHUNK)
                pipe.ended = not pipe.held
            for half in (pipe, other):
                if half.held:
                    with contextlib.suppress(BlockingIOError):
                        half.held = half.held[half.sink.send(half.held) :]
        except OSError:
            self.close(pipe)
            return
        if (pipe.ended and not pipe.held) or (other.ended and not other.held):
            self.close(pipe)
        else:
            self.watch(pipe)
            self.watch(other)

    def close(self, pipe: Pipe) -> None:
        """End a connection on both sides."""
        for end in (pipe.source, pipe.sink):
            with contextlib.suppress(KeyError):
                self.selector.unregister(end)
            self.pipes.pop(end, None)
            end.close()

    def run(self) -> None:
        """Forward until killed."""
        wake, waker = socket.socketpair()
        wake.setblocking(False)
        waker.setblocking(False)
        signal.set_wakeup_fd(waker.fileno())
        signal.signal(signal.SIGHUP, lambda *_: None)
        self.selector.register(wake, selectors.EVENT_READ, ("load", wake))
        self.load()
        while True:
            for key, ready in self.selector.select():
                kind, subject = key.data
                if kind == "load":
                    subject.recv(CHUNK)
                    self.load()
                elif kind == "accept":
                    with contextlib.suppress(BlockingIOError):
                        self.connect(subject, self.listeners[subject].accept()[0])
                elif key.fileobj in self.pipes and self.pipes[key.fileobj] is subject:  # type: ignore[index]
                    self.move(subject, ready)


if __name__ == "__main__":
    Forwarder(sys.argv[1]).run()
