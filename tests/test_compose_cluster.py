"""spark_jobs/ on a cluster: a master and two workers of docker-compose.yml, by spark-submit, with no change but configuration."""

import csv
import io
import os
import random
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet
import pytest

from delab import doctor, engine, ports
from delab.errors import Blocked

ROOT = Path(__file__).parent.parent
PARTS = ("spark-master", "spark-worker1", "spark-worker2")
SUBMIT = ("spark-submit", "--master", "spark://spark-master:7077", "/jobs/batch_etl.py", "--format", "csv")
PATHS = ("--orders", "/shared/orders.csv", "--lines", "/shared/lines.csv", "--output", "/shared/sales")


def lacking() -> str:
    """What is in the way; empty if nothing is."""
    try:
        return "" if engine.built("spark") else "the image of spark is not built: scripts/check-compose builds it"
    except Blocked as problem:
        return f"no containers here: {problem.message}"


pytestmark = [pytest.mark.timeout(600), pytest.mark.skipif(bool(lacking()), reason=lacking())]


@pytest.fixture(scope="module")
def compose() -> Iterator[Callable[..., str]]:
    """`docker compose` on a project of the test's own, with the cluster up."""
    subprocess.run([ROOT / "scripts" / "secrets"], check=True, capture_output=True)
    engine.image("spark")
    free = {name: str(ports.choose()) for name, _ in doctor.published()}
    project = f"delab-test-{os.getpid()}"

    def run(*words: str, given: str = "") -> str:
        command = ["docker", "compose", "--project-name", project, "--profile", "cluster", *words]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, **free}, input=given, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}: {done.stderr[-3000:]}"
        return done.stdout

    try:
        run("up", "--wait", *PARTS)
        yield run
    finally:
        run("down", "--volumes")


def table(columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """Rows as CSV."""
    text = io.StringIO()
    csv.writer(text).writerows([columns, *rows])
    return text.getvalue()


def test_a_job_runs_on_a_cluster_as_it_is(compose: Callable[..., str], tmp_path: Path) -> None:
    chance = random.Random(os.urandom(8))
    orders, lines, truth = [], [], defaultdict(lambda: [0, 0, 0, Decimal(0)])
    for order in range(400):
        day, currency = f"2025-03-{chance.randint(1, 9):02}", chance.choice(("EUR", "USD"))
        status = chance.choice(("completed", "completed", "cancelled"))
        orders.append((order, f"{day}T{chance.randint(0, 23):02}:30:00Z", currency, status))
        parts = [(order * 10 + n, order, chance.randint(1, 5), Decimal(chance.randint(1, 99999)) / 100) for n in range(1, 4)]
        lines += parts
        if status == "completed":
            seen = truth[day, currency]
            seen[0] += 1
            seen[1] += len(parts)
            seen[2] += sum(part[2] for part in parts)
            seen[3] += sum(part[3] for part in parts)
    for name, text in (
        ("orders", table(("order_id", "ordered_at", "currency", "status"), orders)),
        ("lines", table(("line_id", "order_id", "quantity", "amount"), lines)),
    ):
        compose("exec", "-T", "spark-master", "sh", "-c", f"cat > /shared/{name}.csv", given=text)
    compose("exec", "-T", "spark-master", *SUBMIT, *PATHS)
    for worker in PARTS[1:]:  # both have worked
        assert "app-" in compose("exec", "-T", worker, "ls", "/data/work")
    compose("cp", "spark-master:/shared/sales", str(tmp_path))
    rows = pyarrow.parquet.read_table(tmp_path / "sales").to_pylist()
    found = {(str(row["day"]), row["currency"]): [row[key] for key in ("orders", "lines", "quantity", "amount")] for row in rows}
    assert found == dict(truth)
