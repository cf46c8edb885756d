"""measure.py FILE: for each query of the file, a line of JSON with the pages it touched, its rows, and its scans."""

import json
import os
import re
import sys
from pathlib import Path

import psycopg2


def queries(text):
    """Name and statement of each query: a line `-- name: x` begins one."""
    for part in re.split(r"^-- name: *", text, flags=re.M)[1:]:
        name, statement = part.split("\n", 1)
        yield name.strip(), statement.strip().rstrip(";")


def scans(node):
    """The kinds of nodes that read tables or indexes."""
    own = [node["Node Type"]] if "Scan" in node["Node Type"] else []
    return own + [kind for child in node.get("Plans", []) for kind in scans(child)]


def total(node):
    """All pages of a plan."""
    return node["Shared Hit Blocks"] + node["Shared Read Blocks"] + sum(total(child) for child in node.get("Plans", []))


session = psycopg2.connect(os.environ["PRIMARY_DSN"])
session.set_session(readonly=True, autocommit=True)
for name, statement in queries(Path(sys.argv[1]).read_text()):
    with session.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
        plan = cursor.fetchone()[0][0]["Plan"]
    # The top node's counts hold those of all below it. A page found in memory is touched as much as one read from disk.
    buffers = total(plan)
    print(json.dumps({"query": name, "buffers": buffers, "rows": int(plan["Actual Rows"]), "scans": scans(plan)}))
