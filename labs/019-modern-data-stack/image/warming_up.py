"""Take connections on PostgreSQL's port and close them, until a file is there."""

import contextlib
import pathlib
import socket
import sys

with socket.create_server(("", 5432)) as server:
    server.settimeout(0.1)
    while not pathlib.Path(sys.argv[1]).exists():
        with contextlib.suppress(TimeoutError):
            server.accept()[0].close()
