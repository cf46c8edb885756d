"""A balancer on port 8080: takes the replicas in turn, and the next one if one does not answer.

It asks the name service for BACKENDS (`app:8000`) on each request, so a replica belongs to it as soon as the name leads there.
502 if no replica answers.
"""

import http.client
import itertools
import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME, _, LAST = os.environ.get("BACKENDS", "app:8000").partition(":")
PORT = int(LAST or 8000)
turn = itertools.count()


def replicas() -> list[str]:
    """The addresses behind the name, beginning with another one each time."""
    try:
        found = sorted({entry[4][0] for entry in socket.getaddrinfo(NAME, PORT, socket.AF_INET, socket.SOCK_STREAM)})
    except OSError:
        return []
    first = next(turn) % len(found)
    return found[first:] + found[:first]


def ask(address: str, path: str) -> tuple[int, bytes]:
    """One replica's answer. Raises OSError or HTTPException if it gives none."""
    connection = http.client.HTTPConnection(address, PORT, timeout=1)
    try:
        connection.connect()
        connection.sock.settimeout(60)
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Handler(BaseHTTPRequestHandler):
    """One request, in a thread of its own."""

    def do_GET(self) -> None:
        """Pass it on."""
        status, body = 502, b"no replica answers\n"
        for address in replicas():
            try:
                status, body = ask(address, self.path)
                break
            except (OSError, http.client.HTTPException):
                continue
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


class Server(ThreadingHTTPServer):
    """A thread for each request."""

    request_queue_size = 256
    daemon_threads = True


if __name__ == "__main__":
    Server(("", 8080), Handler).serve_forever()
