"""The application: an HTTP service on port 8000 that does its work in a process for each request.

GET /work?id=ID&cpu=S&serial=S&mb=M   keeps M MiB, takes `serial` seconds of processor time under a lock that all replicas with
                                      the same /state share, then `cpu` seconds without it, and notes in /state that ID is done
GET /count                            how many different IDs /state knows
GET /health                           204
"""

import contextlib
import fcntl
import json
import signal
import socket
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import ForkingMixIn
from urllib.parse import parse_qs, urlsplit

STATE = Path("/state")


def burn(seconds: float) -> float:
    """Use so much processor time; how much it was."""
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass
    return time.process_time() - began


def serially(seconds: float, done: str) -> float:
    """What only one request may do at a time: some processor time, and the note."""
    with (STATE / "done").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        took = burn(seconds)
        file.write(f"{done}\n")
    return took


def count() -> int:
    """How many different requests are done."""
    path = STATE / "done"
    return len(set(path.read_text().split())) if path.exists() else 0


class Handler(BaseHTTPRequestHandler):
    """One request, in a process of its own."""

    def do_GET(self) -> None:
        """Answer."""
        url = urlsplit(self.path)
        if url.path == "/work":
            self.answer(self.work({key: values[0] for key, values in parse_qs(url.query).items()}))
        elif url.path == "/count":
            self.answer({"count": count(), "replica": socket.gethostname()})
        else:
            self.send_response(204 if url.path == "/health" else 404)
            self.end_headers()

    def work(self, asked: dict[str, str]) -> dict[str, object]:
        """Do what is asked for."""
        kept = bytearray(int(asked.get("mb", "0")) << 20)
        parallel = burn(float(asked.get("cpu", "0.05")))
        serial = serially(float(asked.get("serial", "0")), asked["id"])
        told = {"id": asked["id"], "replica": socket.gethostname(), "parallel": parallel, "serial": serial}
        return {**told, "mb": len(kept) >> 20}

    def answer(self, told: dict[str, object]) -> None:
        """Send JSON."""
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


class Server(ForkingMixIn, HTTPServer):
    """A process for each request; what is being done is finished before the end."""

    request_queue_size = 256
    max_children = 64


def stop(*_: object) -> None:
    """SIGTERM: take no more."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    with Server(("", 8000), Handler) as server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
