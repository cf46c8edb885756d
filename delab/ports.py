"""Free ports on loopback, below the range from which the system takes the near ends of connections."""

import random
import socket
from collections.abc import Iterable

FIRST, LAST = 15_000, 31_999


def free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose(avoid: Iterable[int] = ()) -> int:
    """A free port at random, so that two commands at once hardly ever meet."""
    taken = set(avoid)
    while True:
        port = random.randint(FIRST, LAST)
        if port not in taken and free(port):
            return port
