"""Measure with SQLAlchemy, in whatever order."""

import json
import os
import sys

from sqlalchemy import create_engine, text

lines = open(sys.argv[1]).read().splitlines()  # noqa: SIM115, PTH123
name, wanted = "", {}
for line in lines:
    if line.startswith("-- name:"):
        name = line.partition(":")[2].strip()
    elif not line.startswith("--") and line.strip():
        wanted[name] = (wanted.get(name, "") + " " + line).rstrip(";")

with create_engine(os.environ["PRIMARY_URL"]).connect() as connection:
    for name, query in sorted(wanted.items(), reverse=True):
        (told,) = connection.execute(text("EXPLAIN (ANALYZE, BUFFERS, TIMING off, FORMAT json)" + query)).scalar_one()
        top = told["Plan"]
        print("measuring", name, file=sys.stderr)
        print(
            json.dumps({"rows": top["Actual Rows"], "buffers": top["Shared Read Blocks"] + top["Shared Hit Blocks"], "query": name})
        )
