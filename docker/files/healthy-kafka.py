"""Healthy: the cluster, asked through this broker, has a controller and counts the broker among its living members.

Asked at the listener for inside: the other one sends clients on to the port that is published on the host.
"""

import os
import socket
import sys

sys.path.insert(0, "/opt/kafka-python")
from kafka import KafkaAdminClient

client = KafkaAdminClient(bootstrap_servers=f"{socket.gethostname()}:19092", request_timeout_ms=4000, bootstrap_timeout_ms=4000)
told = client.describe_cluster()
alive = {broker["broker_id"] for broker in told["brokers"] if not broker.get("is_fenced")}
sys.exit(not (told["controller_id"] >= 0 and int(os.environ["NODE"]) in alive))
