"""Healthy: the Connect server answers `SELECT 1`; the master says that it leads; a worker is one that the master counts."""

import json
import os
import socket
import sys
import urllib.request
from pathlib import Path


def connect() -> bool:
    """The server answers a client that has the password."""
    sys.path.insert(0, "/usr/local/lib/delab")
    from spark_connect import select

    return select("127.0.0.1:15002", Path("/run/secrets/spark").read_text().strip(), "SELECT 1", seconds=8)


def told(host: str) -> dict:
    """What a master says of its cluster."""
    with urllib.request.urlopen(f"http://{host}:8080/json/", timeout=8) as answer:
        return json.load(answer)


def master() -> bool:
    """It leads."""
    return told(socket.gethostname())["status"] == "ALIVE"


def worker() -> bool:
    """The master knows it and has heard of it lately."""
    name = os.environ["MASTER"].removeprefix("spark://").split(":")[0]
    return any(one["host"] == socket.gethostname() and one["state"] == "ALIVE" for one in told(name)["workers"])


sys.exit(not {"connect": connect, "master": master, "worker": worker}[sys.argv[1]]())
