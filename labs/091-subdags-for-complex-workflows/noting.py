"""The verification's steps.py: it does what the given one does, and more."""

import re
from pathlib import Path

STEPS = Path(__file__).parent / "start" / "steps.py"
# It notes which task has called what. At its first attempt a task can lose its connection; a day's publish can be held up (HOLD).
NOTED = "CREATE TABLE calls (dag text, task text, step text, given text[]); CREATE TABLE held (day text)"
HOLD, LET_GO = "INSERT INTO held VALUES (%s); SELECT pg_advisory_lock(91)", "SELECT pg_advisory_unlock(91)"
NOTING = """

def noted(step):
    @functools.wraps(step)
    def called(*given, **named):
        instance = get_current_context()["ti"]
        given = inspect.signature(step).bind(*given, **named).args
        if instance.task_id in os.environ.get("LOST", "").split() and instance.try_number == 1:
            raise psycopg2.OperationalError("server closed the connection unexpectedly")
        if step.__name__ == "publish":
            run("SELECT pg_advisory_xact_lock_shared(91) FROM held WHERE day = %(day)s", day=str(given[0]))
        who = {"dag": instance.dag_id, "task": instance.task_id, "step": step.__name__, "given": [str(one) for one in given]}
        run("INSERT INTO calls VALUES (%(dag)s, %(task)s, %(step)s, %(given)s)", **who)
        return step(*given)

    return called


import functools, inspect, os
import psycopg2
from airflow.sdk import get_current_context
for step in (open_day, extract, check_amounts, check_lines, load, publish, report):
    globals()[step.__name__] = noted(step)
"""


def steps_for(sources):
    """steps.py as it came, but for other channels, and it notes who calls what; a run can have fewer channels (CHANNELS)."""
    chosen = f'SOURCES = tuple(__import__("os").environ.get("CHANNELS", "{" ".join(sources)}").split())'
    text = re.sub(r"^SOURCES = .*$", chosen, STEPS.read_text(), flags=re.MULTILINE)
    return re.sub(r"^OWNERS = .*$", f"OWNERS = {owners(sources)!r}", text, flags=re.MULTILINE) + NOTING


def owners(sources):
    """Who owns which channel."""
    return {source: f"team-{source}" for source in sources}
