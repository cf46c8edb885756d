"""Kafka against its bounds: the start against the bare JVM, memory, and our producer against the client it is written with.

Run by `make bench`. Ours and the floor take turns, so that a machine whose speed drifts is fair to both. With confluent-kafka
installed beside delab (`pip install --target FOLDER confluent-kafka`, PYTHONPATH=FOLDER) it also tells what that client would give.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from table import Row, report

from delab import files, jars, java, paths, process, templates, wait
from delab.data import Recipe, dataset
from delab.data.sinks.kafka import Sender, messages, producer
from delab.layout import Layout
from delab.services import make
from delab.services.kafka import Service, archived, config, members

ROUNDS = 5
PLAN = templates.Plan("bench-kafka", (make("kafka", {}),))
CLICKS = dataset("clickstream")
WHAT = Recipe(10)  # some 38,000 deliveries


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def ours() -> tuple[float, float, float]:
    """A stack from its template to a broker that answers: seconds, CPU seconds of the broker, MB resident."""
    began = time.perf_counter()
    stack = templates.Scratch(PLAN)
    stack.start()
    seconds = time.perf_counter() - began
    main = stack["kafka"].running()
    cpu, memory = sum(main.cpu_times()[:2]), main.memory_info().rss / 1e6
    stack.destroy()
    return seconds, cpu, memory


def bare(*, archive: bool) -> tuple[float, float]:
    """The same command on the same formatted storage, by hand: seconds until it answers, and its CPU seconds."""
    with tempfile.TemporaryDirectory(dir=paths.runtime()) as made:
        place = Path(made)
        files.copy_tree(templates.template(PLAN, with_data=False), place)
        stack = templates.LocalStack("bare", place, PLAN.services)
        stack.layout = Layout.choose(PLAN.services)
        if user := paths.service_user():
            for path in (place, *place.rglob("*")):
                os.chown(path, *user)
        service, spot = stack["kafka"].service, stack["kafka"].place
        assert isinstance(service, Service)
        service.configure(spot)
        command = [part for part in service.command(spot) if archive or not part.startswith("-XX:SharedArchiveFile")]
        launch = process.launcher({"user": paths.service_user(), "cwd": str(place), "log": str(spot.log)})
        began = time.perf_counter()
        child = subprocess.Popen([*launch, *command])
        wait.until(lambda: members(spot.port), seconds=120, what=f"a broker by {config(spot)}")
        seconds = time.perf_counter() - began
        cpu = sum(psutil.Process(child.pid).cpu_times()[:2])
        child.kill()
        child.wait()
        return seconds, cpu


def rates() -> tuple[float, float, float]:
    """Messages a second: of our sender, which makes the clicks; of its client with the same made before; of librdkafka."""
    stack = templates.Scratch(PLAN)
    stack.start()
    servers = stack.environment()["KAFKA_BOOTSTRAP_SERVERS"]
    pages = [page.rows for page in CLICKS.pages("clicks", WHAT)]
    ready = [message for rows in pages for message in messages(CLICKS.table("clicks"), rows)]
    client = producer(servers)
    Sender(client, "warm").table(CLICKS, CLICKS.table("clicks"), Recipe(1), lambda *said: None)

    def alone() -> None:
        for message in ready:
            client.send("alone", key=message.key, value=message.value, timestamp_ms=message.at // 1000)
        client.flush()

    def other() -> None:
        for message in ready:
            while True:
                try:
                    fast.produce("other", key=message.key, value=message.value, timestamp=message.at // 1000)
                    break
                except BufferError:
                    fast.poll(0.01)
        fast.flush()

    fast, with_other = librdkafka(servers), []
    with_ours, without = [], []
    for _ in range(3):
        with_ours.append(timed(lambda: Sender(client, "ours").table(CLICKS, CLICKS.table("clicks"), WHAT, lambda *said: None)))
        without.append(timed(alone))
        if fast:
            with_other.append(timed(other))
    client.close()
    stack.destroy()
    best = len(ready) / statistics.median(with_other) if with_other else 0.0
    return len(ready) / statistics.median(with_ours), len(ready) / statistics.median(without), best


def librdkafka(servers: str) -> Any:
    """confluent-kafka's producer with the settings of ours; None where it is not installed."""
    try:
        from confluent_kafka import Producer
    except ImportError:
        return None
    return Producer(
        {"bootstrap.servers": servers, "acks": "all", "enable.idempotence": True, "linger.ms": 20, "batch.size": 1 << 17}
    )


def main() -> int:
    """Measure all, print the table, return 1 if a bound is broken."""
    print(f"{java.home()}, {jars.folder('kafka').name}")
    archived()
    ours()
    runs = [(ours(), bare(archive=True)) for _ in range(ROUNDS)]
    plain = statistics.median(bare(archive=False)[1] for _ in range(3))
    sender, client, best = rates()
    told = f"; confluent-kafka: {best:,.0f}" if best else ""
    rows = [
        Row("start of a broker from its template, s", statistics.median(run[0] for run, _ in runs), 2.5),
        Row("the same / the bare JVM with the same settings", statistics.median(run[0] / floor[0] for run, floor in runs), 1.2),
        Row("CPU of a start, s", statistics.median(run[1] for run, _ in runs), 4),
        Row("the same / without the archive of classes", statistics.median(run[1] for run, _ in runs) / plain, 0.8),
        Row("memory of a broker, MB resident", statistics.median(run[2] for run, _ in runs), 380),
        Row("clicks sent / client's rate with ready messages", sender / client, 0.8, least=True),
    ]
    shutil.rmtree(paths.runtime() / "templates" / PLAN.key(False))
    told = f"clicks a second: {sender:,.0f}; kafka-python alone: {client:,.0f}{told}"
    return report(f"Kafka (median of {ROUNDS}, {os.cpu_count()} cores; {told})", rows)


if __name__ == "__main__":
    sys.exit(main())
