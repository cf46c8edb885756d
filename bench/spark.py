"""Spark against its bounds: a job on the warm server, with the reading of its event log, and the same job by a cold spark-submit.

Run by `make bench`. The job is spark_jobs/batch_etl.py on the retail set, for the sales of a month; warm and cold take turns.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq
from table import Row, report

from delab import java, process, spark, templates
from delab.checks.spark import events
from delab.data import dataset
from delab.services import make

ROUNDS = 3
JOB = Path(__file__).parent.parent / "spark_jobs" / "batch_etl.py"
PLAN = templates.Plan("bench-spark", (make("spark", {}),))


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """How long a command takes, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def warm(stack: templates.Scratch, told: list[str]) -> float:
    """The job through Spark Connect, and what a verifier reads of it."""
    began = time.perf_counter()
    seconds([sys.executable, str(JOB), *told], {**os.environ, **stack.environment()})
    assert any(job.succeeded for job in events(stack).jobs())
    return time.perf_counter() - began


def cold(told: list[str]) -> float:
    """The job by spark-submit, without our archive of classes and settings."""
    submit = str(spark.home() / "bin" / "spark-submit")
    own = {"JAVA_HOME": str(java.home()), "SPARK_HOME": str(spark.home()), "PYSPARK_PYTHON": sys.executable}
    environment = {**os.environ, **own, "SPARK_LOCAL_IP": "127.0.0.1"}
    return seconds([submit, "--master", "local[2]", str(JOB), *told], environment)


def main() -> int:
    """Measure all, print the table, return 1 if a bound is broken."""
    PLAN.services[0].archive()
    templates.Scratch(PLAN).destroy()  # makes the template
    began = time.perf_counter()
    stack = templates.Scratch(PLAN)
    stack.start()
    ready = time.perf_counter() - began
    data = dataset("retail")
    with tempfile.TemporaryDirectory() as made:
        for table in ("orders", "order_lines"):
            pq.write_table(data.rows(table, data.recipe(1, 1)), f"{made}/{table}.parquet")
        told = ["--orders", f"{made}/orders.parquet", "--lines", f"{made}/order_lines.parquet", "--output", f"{made}/out"]
        told += ["--first", "2025-06-01", "--last", "2025-06-30"]
        first = warm(stack, told)
        runs = [(warm(stack, told), cold(told)) for _ in range(ROUNDS)]
    memory = sum(member.memory_info().rss for member in process.tree(stack["spark"].running())) / 1e6
    stack.destroy()
    rows = [
        Row("start of the server from its template, s", ready, 12),
        Row("the job on the warm server, and its log read, s", statistics.median(run[0] for run in runs), 5),
        Row("the same by a cold spark-submit, s", statistics.median(run[1] for run in runs), 10, least=True),
        Row("memory of the server after it, MB resident", memory, 1500),
    ]
    return report(f"Spark (median of {ROUNDS}, {os.cpu_count()} cores; the server's first job: {first:.1f} s)", rows)


if __name__ == "__main__":
    sys.exit(main())
