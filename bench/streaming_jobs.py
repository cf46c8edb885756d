"""The streaming jobs of spark_jobs/ under load: rows a second, latency, and state, at rates that grow until a job can't follow.

Run by `make bench`. `RATES="500 2000" SECONDS=30 bench/streaming_jobs.py windows` measures one job at these rates. Latency is
the time from a message's timestamp in Kafka to the commit of the batch that holds it; the first third of a run does not count.
The last figure of a job is its limit: a full topic, worked off in batches of 100,000.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from delab import templates
from delab.checks.kafka import Kafka
from delab.services import make

JOBS_FOLDER = Path(__file__).parent.parent / "spark_jobs"
RATES = [int(rate) for rate in os.environ.get("RATES", "500 2000 8000").split()]
SECONDS = int(os.environ.get("SECONDS", "30"))
BACKLOG = 300_000
PARTITIONS = 2
TICK = 0.05  # seconds between two portions
LATE = ("--late", "5 seconds")
JOBS = {
    "kafka_to_delta": (),
    "stream_static_join": ("--pages-format", "parquet", "--pages", "{place}/pages"),
    "deduplication": LATE,
    "windows": (*LATE, "--size", "5 seconds", "--by", "country"),
    "sessionisation": (*LATE, "--gap", "5"),
    "stream_stream_join": (*LATE, "--within", "5 seconds"),
}
PAGES = ("id AS page_id", "concat('/', id) AS path", "'product' AS kind", "'shoes' AS category")
DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.sql.shuffle.partitions": "2",
}
PLAN = templates.Plan(
    "bench-streams",
    (make("kafka", {}), make("spark", {"kind": "spark_local", "jars": ["kafka", "delta"], "settings": DELTA})),
)


@dataclass(frozen=True)
class Batch:
    """One batch of a query, as Spark reports it: when it was committed (s since 1970), up to which offsets, the state it left."""

    rows: int
    begun: float
    committed: float
    ends: dict[str, int]
    state_rows: int
    state_bytes: int


def main() -> None:
    """Measure each job, print the table."""
    chosen = sys.argv[1:] or list(JOBS)
    cores = os.cpu_count()
    table = Table("job", "sent /s", "done /s", "p50, s", "p99, s", "state rows", "state, MB", title=f"spark_jobs ({cores} cores)")
    for name in chosen:
        stack = templates.Scratch(PLAN)
        stack.start()
        try:
            for row in measured(name, stack):
                table.add_row(name, *row)
        finally:
            stack.destroy()
    Console(width=110).print(table)


def measured(name: str, stack: templates.Scratch) -> Iterator[list[str]]:
    """A row for each rate, and one for the limit."""
    kafka = Kafka(stack, seconds=60)
    with tempfile.TemporaryDirectory() as place, job(name, stack) as ask:
        ask({"pages": f"{place}/pages"})
        for rate in [0, *RATES]:  # at first a run that warms up and is not counted
            topic = f"clicks-{rate}"
            kafka.create(topic, partitions=PARTITIONS)
            ask({"start": told(name, kafka.servers, topic, Path(place) / topic)})
            send(kafka.servers, topic, rate or 500, SECONDS if rate else 5)
            batches = [batch(one) for one in ask({"stop": 3})]
            if rate:
                yield under(rate, batches, sent_at(kafka, topic))
        kafka.create("backlog", partitions=PARTITIONS)
        send(kafka.servers, "backlog", 0, BACKLOG)
        ask({"start": [*told(name, kafka.servers, "backlog", Path(place) / "backlog"), "--once"]})
        _, *full = [one for one in map(batch, ask({"wait": 300})) if one.rows]
        rows, seconds = sum(one.rows for one in full), sum(one.committed - one.begun for one in full)
        yield ["limit", f"{rows / seconds:,.0f}", "", "", state([one.state_rows for one in full]), ""]


def told(name: str, servers: str, topic: str, place: Path) -> list[str]:
    """A job's arguments."""
    to = ["--table", f"{place}/table"] if name == "kafka_to_delta" else ["--to", f"{topic}-out"]
    more = [part.format(place=place.parent) for part in JOBS[name]]
    every = [] if topic == "backlog" else ["--every", "1 second"]
    return ["--servers", servers, "--topic", topic, "--checkpoint", f"{place}/checkpoint", *to, *every, *more]


def under(rate: int, batches: list[Batch], sent: dict[str, list[float]]) -> list[str]:
    """What a run at a rate shows: latencies in s and state, after its first third."""
    begin = min(times[0] for times in sent.values()) + SECONDS / 3
    done, waited = dict.fromkeys(sent, 0), list[float]()
    for one in batches:
        for place, end in one.ends.items():
            waited += [one.committed - at for at in sent[place][done[place] : end] if at >= begin]
            done[place] = max(end, done[place])
    late = [one for one in batches if one.rows and one.begun >= begin]
    passed = (late[-1].committed - late[0].begun) if late else SECONDS
    waited.sort()
    missing = sum(map(len, sent.values())) - sum(done.values())
    at = [f"{waited[int(len(waited) * part)]:.2f}" for part in (0.5, 0.99)] if waited else ["", ""]
    if missing > 3 * rate:
        at[1] += f" ({missing:,} not done)"
    told = [f"{rate:,}", f"{sum(one.rows for one in late) / passed:,.0f}", *at]
    return [*told, state([one.state_rows for one in late]), state([one.state_bytes // 1_000_000 for one in late])]


def state(sizes: list[int]) -> str:
    """State at the beginning, in the middle and at the end."""
    return " → ".join(f"{sizes[at]:,}" for at in (0, len(sizes) // 2, -1)) if sizes and max(sizes) else ""


def batch(told: dict[str, Any]) -> Batch:
    """A batch from Spark's report."""
    begun = datetime.fromisoformat(told["timestamp"]).timestamp()
    ends = next(iter(json_of(told["sources"][0]["endOffset"]).values()), {})
    operators = told.get("stateOperators", [])
    return Batch(
        rows=told["numInputRows"] // len(told["sources"]),  # a join reads the topic twice
        begun=begun,
        committed=begun + told["durationMs"]["triggerExecution"] / 1000,
        ends=ends,
        state_rows=sum(one["numRowsTotal"] for one in operators),
        state_bytes=sum(one["memoryUsedBytes"] for one in operators),
    )


def json_of(told: Any) -> dict[str, Any]:
    """An offset, which is JSON within JSON or none."""
    return dict(json.loads(told) if isinstance(told, str) else told or {})


def sent_at(kafka: Kafka, topic: str) -> dict[str, list[float]]:
    """When each message of a partition was sent, s since 1970, by offset."""
    found: dict[str, list[float]] = {str(place): [] for place in range(PARTITIONS)}
    for record in kafka.read(topic):
        found[str(record.partition)].append(record.at / 1000)
    return found


# The sender: a process of its own


def send(servers: str, topic: str, rate: int, much: int) -> None:
    """Send clicks, at a rate for so many seconds, or (rate 0) so many as fast as it goes."""
    subprocess.run([sys.executable, __file__, "--send", servers, topic, str(rate), str(much)], check=True)


def sender(servers: str, topic: str, rate: int, much: int) -> None:
    """Make clicks that happen now, and send them."""
    from kafka import KafkaProducer

    producer = KafkaProducer(bootstrap_servers=servers, linger_ms=5, batch_size=1 << 17)
    began, number = time.time(), 0
    while number < (rate * much if rate else much):
        due = int((time.time() - began) * rate) if rate else number + 5000
        for number in range(number, due):  # noqa: B020 - goes on where it was
            producer.send(topic, value=click(number, time.time()), partition=number % PARTITIONS)
        number = due
        time.sleep(TICK if rate else 0)
    producer.flush()


def click(number: int, at: float) -> bytes:
    """A click of one of 5000 visitors; each tenth is delivered twice, each twentieth is a cart or a purchase."""
    event, moment = number - (number % 10 == 9), datetime.fromtimestamp(at, UTC)
    happened = (moment - timedelta(milliseconds=number * 7919 % 1500)).isoformat(timespec="milliseconds")
    action = ("cart", "purchase")[event // 20 % 2] if event % 20 == 0 else "view"
    told = {
        "delivery_id": number,
        "event_id": event,
        "visitor_id": event // 40 % 5000,
        "event_time": happened,
        "arrival_time": moment.isoformat(timespec="milliseconds"),
        "action": action,
        "page_id": event % 500,
        "query": None,
        "amount": 19.99 if action == "purchase" else None,
        "load_ms": 100,
        "country": ("DE", "FR", "PL", "IT")[event % 4],
    }
    return json.dumps(told).encode()


# The job: a process of its own, with Spark in it


@contextlib.contextmanager
def job(name: str, stack: templates.Scratch) -> Iterator[Any]:
    """A process with a session; what is asked of it is a line of JSON, and so is the answer."""
    environment = {**os.environ, **stack.environment(), "PYTHONPATH": str(JOBS_FOLDER)}
    command = [sys.executable, __file__, "--job", name]
    child = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdin
    assert child.stdout
    asked, answers = child.stdin, child.stdout

    def ask(what: dict[str, Any]) -> Any:
        print(json.dumps(what), file=asked, flush=True)
        return json.loads(answers.readline())

    try:
        yield ask
    finally:
        asked.close()
        child.wait()


def serve(name: str) -> None:
    """Start the job and stop it as asked, and tell what Spark reported."""
    import importlib

    from pyspark.sql import SparkSession

    spark = SparkSession.builder.getOrCreate()
    module, thread, answers = importlib.import_module(name), threading.Thread(), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    seen: list[Any] = []
    for line in sys.stdin:
        asked, answer = json.loads(line), list[Any]()
        if "pages" in asked:
            spark.range(450).selectExpr(*PAGES).write.parquet(asked["pages"])
        if "start" in asked:
            thread = threading.Thread(target=ended, args=(module.main, asked["start"]))
            thread.start()
            while not (active := spark.streams.active):
                time.sleep(0.05)
            seen = active
        if "stop" in asked:
            time.sleep(asked["stop"])
            answer = reports(seen[0])
            seen[0].stop()
            thread.join()
        if "wait" in asked:
            thread.join(asked["wait"])
            answer = reports(seen[0])
        print(json.dumps(answer), file=answers, flush=True)
    spark.stop()


def ended(work: Any, arguments: list[str]) -> None:
    """Run a job until its query is stopped."""
    with contextlib.suppress(Exception):
        work(arguments)


def reports(query: Any) -> list[Any]:
    """Spark's reports of the last 100 batches."""
    return [json.loads(one.json) for one in query.recentProgress]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        sender(sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
    elif sys.argv[1:2] == ["--job"]:
        serve(sys.argv[2])
    else:
        main()
