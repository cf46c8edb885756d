"""Rules on what a pipeline has made: each is a query that gives the rows that should not be."""

from collections.abc import Mapping
from typing import Any

MOST = 5  # offending rows that are shown


class GateClosed(Exception):
    """At least one rule is broken; the message has each with its first rows."""


def check(cursor: Any, rules: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, int]:
    """Run each rule (`%(day)s` and the like are filled from `values`); returns 0 for each. Raises GateClosed."""
    found = {}
    for name, query in rules.items():
        cursor.execute(query, dict(values))
        if rows := cursor.fetchall():
            found[name] = f"{name}: {len(rows)} rows, such as {rows[:MOST]}"
    if found:
        raise GateClosed("; ".join(found.values()))
    return dict.fromkeys(rules, 0)
