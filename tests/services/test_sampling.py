"""What `lab watch N` asks of a real broker and of a Spark checkpoint."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from delab import process, templates, wait
from delab.checks.kafka import Kafka, Record
from delab.sampling import Sampler
from delab.services import make

pytestmark = [  # of kafka-python: on Python 3.11, and sockets of attempts that failed
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PLAN = templates.Plan("sampling", (make("kafka", {}), make("spark", {"kind": "spark_local", "folders": ["checkpoints"]})))
ROW = b'{"window_start": "2025-03-01T10:%02d:00Z", "page_id": %d, "view_count": 3}'


@pytest.fixture
def stack() -> Iterator[templates.Scratch]:
    made = templates.Scratch(PLAN)
    made.start()
    yield made
    made.destroy()
    assert process.all_inside(made.folder) == []


def checkpoint(stack: templates.Scratch, batch: int, read: int, *, committed: bool) -> None:
    """What Spark writes of a batch."""
    folder = Path(stack.environment()["CHECKPOINTS"]) / "page_views"
    for name in ("offsets", "commits"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "metadata").touch()
    (folder / "offsets" / str(batch)).write_text(
        f'v1\n{{"batchWatermarkMs":{1740823200000 + batch},"batchTimestampMs":5,"conf":{{}}}}\n{{"clicks":{{"0":{read}}}}}'
    )
    if committed:
        (folder / "commits" / str(batch)).write_text("v1\n{}")


def test_topics_readers_windows_and_watermark_as_they_move(stack: templates.Scratch) -> None:
    kafka = Kafka(stack)
    for topic in ("clicks", "page_views"):
        kafka.create(topic)
    with Sampler(stack) as sampler:
        assert sampler.sample().ends == {"clicks": 0, "page_views": 0}
        kafka.send("clicks", [Record(b"%d" % n) for n in range(10)])
        with kafka.consumer("readers") as consumer:
            consumer.subscribe(["clicks"])
            wait.until(lambda: consumer.poll(timeout_ms=5000, max_records=4), seconds=60, what="messages")
            consumer.commit()
        checkpoint(stack, 0, 7, committed=False)
        begun = sampler.sample()
        assert begun.ends["clicks"] == 10
        assert begun.lags == {("readers", "clicks"): 6, ("spark page_views", "clicks"): 10}
        assert begun.watermarks == {("spark page_views", "clicks"): 1740823200000}
        checkpoint(stack, 0, 7, committed=True)
        assert sampler.sample().lags["spark page_views", "clicks"] == 3
        kafka.send("page_views", [Record(ROW % (n, page)) for n in range(3) for page in range(2)])
        wait.until(lambda: sampler.sample() and sampler.windows["page_views"].rows, seconds=30, what="windows")
        kafka.create("later")  # a topic more: what was read before is not read again
        kafka.send("later", [Record(ROW % (5, 1))])
        wait.until(lambda: sampler.sample() and "later" in sampler.windows, seconds=30, what="the windows of a new topic")
        assert [total for _, total in sampler.windows["page_views"].totals()] == [6.0, 6.0, 6.0]
        assert "clicks" in sampler.others
    assert kafka.lag("readers", "clicks") == 6
