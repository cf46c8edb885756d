"""The kit for streaming jobs: a job's life, waiting for its results, and tables made of topics."""

import json
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import psutil
import pytest

from delab import lab, wait
from delab.checks import CheckFailed, Work, streaming
from delab.checks.kafka import Record
from delab.checks.results import instant, latest, money, rows, whole
from delab.checks.streaming import Job, batches, committed, committed_to, message, own_files, uncommit, without_frames

FOREVER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid)
time.sleep(600)
"""
COLUMNS = {"window_start": instant, "page": whole, "views": whole}


def job(tmp_path: Path, program: str) -> Job:
    """A job whose program is this."""
    for name in ("907-job/start", "mine", "run"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "mine" / "spark_job.py").write_text(program)
    about = msgspec.structs.replace(lab.get(901).about, files=(streaming.FILES,))
    return Job(None, Work(lab.Lab(tmp_path / "907-job", about), tmp_path / "mine", tmp_path / "run"))  # type: ignore[arg-type]


def test_a_killed_job_is_gone_with_all_that_it_started_and_starts_again(tmp_path: Path) -> None:
    with job(tmp_path, FOREVER) as made:
        assert not made.running()
        for _ in range(2):
            made.start()
            assert made.program
            child = int(wait.until(made.program.out.text, seconds=20, what="a child"))
            assert made.running()
            assert made.trouble() == ""
            made.kill()
            assert not made.running()
            assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
        assert "is not running: it was ended by SIGKILL" in made.trouble()


def test_a_paused_job_lives(tmp_path: Path) -> None:
    with job(tmp_path, FOREVER) as made:
        made.start()
        made.pause()
        assert made.running()
        made.resume()
        assert made.running()


def test_a_job_that_ends_is_told_by_its_last_words(tmp_path: Path) -> None:
    with job(tmp_path, "raise ValueError('no such topic\\n\\tat org.apache.Some(Some.java:1)')") as made:
        made.start()
        assert not made.shows(lambda: False, seconds=60)
        with pytest.raises(CheckFailed, match=r"(?s)spark_job.py is not running.*ValueError: no such topic$"):
            made.until(lambda: False, seconds=60, expected="an effect")


def test_waiting_ends_with_the_truth_or_with_the_last_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "GRACE", 0)
    sent: list[int] = []
    with job(tmp_path, FOREVER) as made:
        made.start()
        assert made.shows(lambda: True, seconds=60, rounds=[(lambda: sent.append(0), lambda: True)], patience=0)
        assert not made.helped
        steps = [(lambda: sent.append(1), lambda: sent.count(1)), (lambda: sent.append(2), lambda: sent.count(2))]
        assert not made.shows(lambda: False, seconds=600, rounds=steps, patience=0)
        assert made.helped
        assert sent == [1, 2]


def test_events_are_sent_without_their_partition() -> None:
    at = datetime(2026, 3, 5, 12, 0, 0, 250_000, tzinfo=UTC)
    made = message({"event_time": at, "arrival_time": at, "amount": Decimal("1.50"), "partition": 2})
    assert (made.partition, made.at) == (2, 0)  # sent now: retention goes by the timestamp
    assert abs(message({}, ago=timedelta(hours=1)).at / 1000 + 3600 - time.time()) < 60
    assert json.loads(made.value or b"") == {
        "event_time": "2026-03-05T12:00:00.250Z",
        "arrival_time": "2026-03-05T12:00:00.250Z",
        "amount": 1.5,
    }


def result(key: bytes, **columns: object) -> Record:
    return Record(json.dumps(columns).encode(), key)


def test_the_last_row_of_a_key_counts_and_a_tombstone_removes_it() -> None:
    noon = datetime(2026, 3, 5, 12, tzinfo=UTC)
    written = [
        result(b"a", window_start="2026-03-05T12:00:00.000Z", page=1, views=1, more="x"),
        result(b"a", window_start="2026-03-05 12:00:00", page=1, views=2.0),
        result(b"b", window_start="2026-03-05T13:00:00+01:00", page=2, views="3"),
        Record(None, b"a"),
        Record(None, b"c"),
    ]
    assert latest(written[:3], COLUMNS, ["window_start", "page"], "t") == {(noon, 1): (2,), (noon, 2): (3,)}
    assert latest(written, COLUMNS, ["window_start", "page"], "t") == {(noon, 2): (3,)}


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (b"1,2", "a message that is none: 1,2"),
        (b"[]", "a message that is none"),
        (b"\xff", "a message that is none"),
        (b'{"page": 1}', "no window_start, views in"),
        (b'{"window_start": 5, "page": 1, "views": 2}', "window_start in t is a time in ISO 8601"),
        (b'{"window_start": "noon", "page": 1, "views": 2}', "window_start in t is a time in ISO 8601"),
        (b'{"window_start": "2026-03-05", "page": 1, "views": 2.5}', "views in t is a whole number"),
        (b'{"window_start": "2026-03-05", "page": null, "views": 2}', "page in t is a whole number"),
    ],
)
def test_what_cannot_be_read_is_the_learners_failure(value: bytes, says: str) -> None:
    with pytest.raises(CheckFailed) as failed:
        rows([Record(value)], COLUMNS, "t")
    assert says in str(failed.value)


def test_money_is_compared_in_cents() -> None:
    assert money(12.340000000000002) == money("12.34") == Decimal("12.34")
    assert money(0) == 0
    for wrong in (None, True, "much", float("nan")):
        with pytest.raises((ValueError, ArithmeticError)):
            money(wrong)


def test_batches_that_were_planned_and_not_committed_are_seen(tmp_path: Path) -> None:
    views = ("views/metadata", "views/offsets/0", "views/offsets/1", "views/offsets/.1.crc", "views/commits/0")
    for name in (*views, "b/metadata", "b/offsets/0", "my/offsets/0"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert batches(tmp_path) == {"b": (0, -1), "views": (1, 0)}


def test_files_of_the_learners_own_are_told_from_sparks(tmp_path: Path) -> None:
    sparks = ("views/metadata", "views/offsets/1", "views/commits/.0.crc", "views/state/0/1.delta")
    own = {"views/mine.json", "last", "state/totals.json", "my/offsets/0", "offsets"}
    for name in (*sparks, *own):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert {str(path.relative_to(tmp_path)) for path in own_files(tmp_path)} == own


def query(place: Path, *, planned: int, committed: int, offsets: str) -> None:
    """The checkpoint of a Spark query, whose last batches end at these offsets."""
    for log, last in (("offsets", planned), ("commits", committed)):
        (place / log).mkdir(parents=True)
        (place / "metadata").touch()
        for number in range(last + 1):
            (place / log / str(number)).write_text(offsets if log == "offsets" else "v1\n{}")
            (place / log / f".{number}.crc").touch()


def test_how_far_spark_has_committed_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log as Spark 4.2 writes it: a version, the batch's settings, and a line for each source."""
    log = 'v1\n{"batchWatermarkMs":0,"conf":{"clicks":"x"}}\n%s'
    monkeypatch.setattr(Job, "folder", tmp_path)
    with job(tmp_path, FOREVER) as made:
        assert made.has_committed("clicks", {0: 9})  # no checkpoint there
        query(tmp_path / "final", planned=1, committed=1, offsets=log % '{"clicks":{"1":7,"0":5}}')
        query(tmp_path / "other", planned=0, committed=0, offsets=log % '{"orders":{"0":1}}')
        query(tmp_path / "strange", planned=0, committed=0, offsets="no JSON")
        assert committed_to(tmp_path / "final", 1, "clicks") == {"0": 5, "1": 7}
        assert made.has_committed("clicks", {0: 5, 1: 6})
        assert not made.has_committed("clicks", {0: 5, 1: 8})
        query(tmp_path / "late", planned=0, committed=-1, offsets=log % '{"clicks":{"1":7,"0":5}}')
        assert not made.has_committed("clicks", {0: 5, 1: 6})


def test_a_batch_that_is_done_can_be_left_without_its_commit(tmp_path: Path) -> None:
    query(tmp_path / "done", planned=2, committed=2, offsets="v1")
    query(tmp_path / "at work", planned=2, committed=1, offsets="v1")
    uncommit(tmp_path)
    assert batches(tmp_path) == {"done": (2, 1), "at work": (2, 1)}
    assert not (tmp_path / "done/commits/.2.crc").exists()


def test_what_committed_batches_have_read_is_seen(tmp_path: Path) -> None:
    for query, batch, end in (("a", 0, 7), ("a", 1, 9), ("b", 0, 4)):
        for log in ("offsets", "commits"):
            (tmp_path / query / log).mkdir(parents=True, exist_ok=True)
            (tmp_path / query / "metadata").touch()
        told = f'v1\n{{"batchWatermarkMs":0}}\n{{"payments":{{"0":{end},"1":3}}}}'
        (tmp_path / query / "offsets" / str(batch)).write_text(told)
    for done in ("a/commits/0", "b/commits/0"):
        (tmp_path / done).touch()
    assert committed(tmp_path, "payments") == {"a": {0: 7, 1: 3}, "b": {0: 4, 1: 3}}
    assert committed(tmp_path, "clicks") == {}
    for strange in ("v1\nhalf", '{"payments":{"first":4}}', '{"payments":{"0":"4"}}', '{"payments":4}'):
        (tmp_path / "b/offsets/0").write_text(strange)
        assert committed(tmp_path, "payments") == {"a": {0: 7, 1: 3}}
    (tmp_path / "b/offsets/0").write_bytes(b"\xff")
    assert committed(tmp_path, "payments") == {"a": {0: 7, 1: 3}}


def test_frames_of_java_are_left_out() -> None:
    assert without_frames("Caused by: x\n\tat a.b(C.java:1)\n\t... 14 more\nend") == "Caused by: x\nend"
