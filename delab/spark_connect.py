"""A query to a Spark Connect server without pyspark's client, which takes seconds to import: the protocol itself, with gRPC alone.

It imports nothing of delab: the health check of docker-compose.yml uses it too.
"""

import uuid
from typing import Any

import grpc

CALLS = "/spark.connect.SparkConnectService"
USER = "delab"


def select(address: str, token: str, query: str, *, operation: str = "", seconds: float = 5) -> bool:
    """Run a query on the server at `address`, its rows unread; whether it went well. The event log names `operation`, a UUID."""
    session = str(uuid.uuid4())
    user = field(1, USER)
    asked = field(1, session) + field(2, user) + field(3, field(1, field(10, field(1, query))))
    asked += field(6, operation) if operation else b""
    how: dict[str, Any] = {"timeout": seconds, "metadata": [("authorization", f"Bearer {token}")]}
    options = [("grpc.enable_http_proxy", 0)]
    try:
        with grpc.insecure_channel(address, options=options) as channel:
            for _ in channel.unary_stream(f"{CALLS}/ExecutePlan")(asked, **how):
                pass
            channel.unary_unary(f"{CALLS}/ReleaseSession")(field(1, session) + field(2, user), **how)
    except grpc.RpcError:
        return False
    return True


def field(number: int, value: str | bytes) -> bytes:
    """A field of a Protocol Buffers message that has a length: a text, or a message."""
    content = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2]) + length(len(content)) + content


def length(number: int) -> bytes:
    """A number in groups of seven bits, the lowest first."""
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + length(high) if high else bytes([low])
