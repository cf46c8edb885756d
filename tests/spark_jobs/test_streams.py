"""The streaming jobs on a real broker: exactly once through a death, and windows, sessions and joins as on a batch."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from delab import jars, spark, templates, wait
from delab.checks.kafka import Kafka, Record
from delab.data import Recipe, answer_key, dataset
from delab.data.sinks.kafka import messages
from delab.services import make

pytestmark = [
    pytest.mark.skipif(not importlib.util.find_spec("kafka"), reason="the pack kafka is needed"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # kafka-python's
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
JOBS = Path(__file__).parent.parent.parent / "spark_jobs"
PLAN = templates.Plan("spark-jobs", (make("kafka", {}),))
SCALE, SEED = 0.5, 11
LATE = "1 days"  # nothing of the clicks is late
Load = Callable[[str], ModuleType]


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    stack = templates.Scratch(PLAN)
    stack.start()
    yield Kafka(stack)
    stack.destroy()


@pytest.fixture(scope="module")
def clicks(kafka: Kafka) -> list[Record]:
    """Clicks, in the topic `clicks` in the order of their arrival; then one that is years later: it closes all windows."""
    data = dataset("clickstream")
    table = data.table("clicks")
    pages = data.pages("clicks", data.recipe(SCALE, SEED))
    sent = [Record(one.value, one.key) for page in pages for one in messages(table, page.rows)]
    last = json.loads(sent[-1].value or b"")
    closing = {**last, "event_id": -1, "delivery_id": -1, "event_time": "2031-01-01T00:00:00Z", "visitor_id": -1, "action": "view"}
    kafka.create("clicks", partitions=1)
    kafka.send("clicks", [*sent, Record(json.dumps(closing).encode(), b"-1")])
    return sent


def told(kafka: Kafka, topic: str, folder: Path, *more: str) -> list[str]:
    """What a job is told: take what is there, into a table of this folder."""
    places = ["--checkpoint", str(folder / "checkpoint"), "--table", str(folder / "table")]
    return ["--servers", kafka.servers, "--topic", topic, *places, *more]


def table(session: Any, folder: Path, *names: str) -> list[tuple[Any, ...]]:
    """Rows of the table, sorted as text; times in UTC."""
    found = session.read.format("delta").load(str(folder / "table")).select(*names).toArrow().to_pylist()
    return sorted((tuple(row.values()) for row in found), key=str)


def test_each_message_is_a_row_also_when_a_batch_is_repeated(job: Load, session: Any, kafka: Kafka, tmp_path: Path) -> None:
    kafka.create("raw", partitions=2)
    kafka.send("raw", [Record(json.dumps({"event_id": n, "event_time": "2025-03-03T08:00:00Z"}).encode()) for n in range(50)])
    kafka.send(
        "raw", [Record(b"no JSON"), Record(b'{"event_id": "seven", "event_time": "2025-03-03T08:00:00Z"}'), Record(None, b"k")]
    )
    run, places = job("kafka_to_delta").main, told(kafka, "raw", tmp_path, "--once")
    run(places)
    assert sorted(n for n, unread in table(session, tmp_path, "event_id", "unread") if unread is None) == list(range(50))
    unread = [unread for n, unread in table(session, tmp_path, "event_id", "unread") if unread is not None]
    assert sorted(unread) == ["", "no JSON", '{"event_id": "seven", "event_time": "2025-03-03T08:00:00Z"}']
    # death after the table's commit, before the checkpoint's: the batch is done again
    newest = max((tmp_path / "checkpoint" / "commits").glob("[0-9]*"), key=lambda path: int(path.name))
    newest.unlink()
    for crc in newest.parent.glob(f".{newest.name}.crc"):
        crc.unlink()
    kafka.send("raw", [Record(json.dumps({"event_id": 50, "event_time": "2025-03-03T08:00:00Z"}).encode())])
    run(places)
    places_of = table(session, tmp_path, "partition", "offset")
    assert len(places_of) == len(set(places_of)) == 54


def test_killed_at_any_moment(session: Any, kafka: Kafka, tmp_path: Path) -> None:
    """The job as spark-submit runs it, killed while it writes, started again."""
    kafka.create("busy", partitions=2)
    needed = [str(jar) for name in ("spark-kafka", "spark-delta") for jar in sorted(jars.folder(name).glob("*.jar"))]
    delta = "spark.sql.extensions=io.delta.sql.DeltaSparkSessionExtension"
    catalog = "spark.sql.catalog.spark_catalog=org.apache.spark.sql.delta.catalog.DeltaCatalog"
    options = ["--master", "local[2]", "--jars", ",".join(needed), "--conf", delta, "--conf", catalog]
    loopback = [
        "--conf",
        "spark.driver.host=127.0.0.1",
        "--conf",
        "spark.driver.bindAddress=127.0.0.1",
        "--conf",
        "spark.ui.enabled=false",
    ]
    submit = [str(spark.home() / "bin" / "spark-submit")]
    command = [*submit, *options, *loopback, str(JOBS / "kafka_to_delta.py"), *told(kafka, "busy", tmp_path)]
    environment = {
        **os.environ,
        "JAVA_HOME": str(spark.java_home()),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_HOME": str(spark.home()),
    }

    def sent(first: int, count: int) -> None:
        rows = ({"event_id": n, "event_time": "2025-03-03T08:00:00Z"} for n in range(first, first + count))
        kafka.send("busy", [Record(json.dumps(row).encode()) for row in rows])

    def written() -> int:
        log = tmp_path / "table" / "_delta_log"
        return len(table(session, tmp_path, "offset")) if list(log.glob("*.json")) else 0

    sent(0, 500)
    with (tmp_path / "log").open("w") as log:
        first = subprocess.Popen(
            [*command, "--every", "100 milliseconds"], env=environment, stdout=log, stderr=log, start_new_session=True
        )
        wait.until(lambda: written() or first.poll() is not None, seconds=120, what="the first rows")
        assert first.poll() is None, (tmp_path / "log").read_text()[-2000:]
        sent(500, 500)
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
        sent(1000, 10)
        subprocess.run([*command, "--once"], env=environment, stdout=log, stderr=log, timeout=240, check=True)
    assert sorted(n for (n,) in table(session, tmp_path, "event_id")) == list(range(1010))


def test_windows_once_each_in_a_table(job: Load, session: Any, kafka: Kafka, clicks: list[Record], tmp_path: Path) -> None:
    job("windows").main(told(kafka, "clicks", tmp_path, "--once", "--late", LATE))
    names = ("window_start", "window_end", "clicks", "amount")
    key = answer_key("clickstream", "complete_windows", scale=SCALE, seed=SEED, size=300, slide=300)
    assert table(session, tmp_path, *names) == sorted((tuple(row[name] for name in names) for row in key.to_pylist()), key=str)
    job("windows").main(told(kafka, "clicks", tmp_path, "--once", "--late", LATE))
    assert len(table(session, tmp_path, *names)) == key.num_rows, "a second run finds nothing new"


def test_windows_as_messages(job: Load, session: Any, kafka: Kafka, clicks: list[Record], tmp_path: Path) -> None:
    kafka.create("windows")
    places = ["--servers", kafka.servers, "--topic", "clicks", "--checkpoint", str(tmp_path), "--to", "windows"]
    job("windows").main([*places, "--once", "--late", LATE, "--size", "10 minutes"])
    found = [json.loads(record.value or b"") for record in kafka.read("windows")]
    key = answer_key("clickstream", "complete_windows", scale=SCALE, seed=SEED, size=600, slide=600)
    assert sorted(row["clicks"] for row in found) == sorted(key.column("clicks").to_pylist())
    assert {json.loads(record.key or b"").keys() == {"window_start", "window_end"} for record in kafka.read("windows")} == {True}


def test_sessions(job: Load, session: Any, kafka: Kafka, clicks: list[Record], tmp_path: Path) -> None:
    job("sessionisation").main(told(kafka, "clicks", tmp_path, "--once", "--late", LATE))
    names = ("visitor_id", "started_at", "ended_at", "clicks", "amount")
    key = answer_key("clickstream", "sessions", scale=SCALE, seed=SEED, gap=1800)
    assert table(session, tmp_path, *names) == sorted((tuple(row[name] for name in names) for row in key.to_pylist()), key=str)


def test_carts_with_and_without_a_purchase(job: Load, session: Any, kafka: Kafka, clicks: list[Record], tmp_path: Path) -> None:
    job("stream_stream_join").main(told(kafka, "clicks", tmp_path, "--once", "--late", LATE))
    data = dataset("clickstream").rows("clicks", Recipe(SCALE, SEED))
    batch = job("stream_stream_join").transform(session.createDataFrame(data)).toArrow().to_pylist()
    found = table(session, tmp_path, "cart_id", "buy_id")
    assert found == sorted(((row["cart_id"], row["buy_id"]) for row in batch), key=str)


def test_deduplication(job: Load, session: Any, kafka: Kafka, clicks: list[Record], tmp_path: Path) -> None:
    job("deduplication").main(told(kafka, "clicks", tmp_path, "--once", "--late", LATE))
    found = [n for (n,) in table(session, tmp_path, "event_id") if n >= 0]
    assert sorted(found) == sorted({json.loads(record.value or b"")["event_id"] for record in clicks})
    assert len(found) < len(clicks)


def test_a_changed_page_is_seen_by_the_next_batch(job: Load, session: Any, kafka: Kafka, tmp_path: Path) -> None:
    kafka.create("viewed")
    pages = str(tmp_path / "pages")
    session.sql("SELECT 1L page_id, '/old' path, 'list' kind, 'x' category").write.format("delta").save(pages)

    def view(number: int, page: int) -> None:
        click = {"event_id": number, "delivery_id": number, "event_time": "2025-03-03T08:00:00Z", "page_id": page}
        kafka.send("viewed", [Record(json.dumps(click).encode())])
        job("stream_static_join").main(told(kafka, "viewed", tmp_path, "--once", "--pages", pages))

    view(1, 1)
    view(2, 2)
    session.sql(f"UPDATE delta.`{pages}` SET path = '/new'")
    view(3, 1)
    names = ("event_id", "path", "is_known")
    assert table(session, tmp_path, *names) == [(1, "/old", True), (2, None, False), (3, "/new", True)]
