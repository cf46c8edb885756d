"""What a streaming job notes of its progress without Flink: Spark's checkpoints, files of its own, positions of consumer groups.

A kill finds it with its last results written and the last note of them not made yet: `Notes.undo` leaves things so.
"""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from delab import wait
from delab.checks.kafka import Kafka
from delab.checks.streaming import CHECKPOINT, batches, committed, own_files, uncommit
from delab.errors import Timeout

BESIDE = ("-wal", "-shm", "-journal")  # of a database of SQLite's: files that belong to it


class Notes:
    """What a job notes below `folder`, which is its $CHECKPOINTS, of the messages of `topic` that it has dealt with."""

    def __init__(self, folder: Path, topic: str) -> None:
        self.folder, self.topic = folder, topic
        self.kept: dict[Path, bytes] = {}

    def files(self) -> dict[Path, bytes]:
        """What files of the job's own hold; Spark's are not among them."""
        return {path: path.read_bytes() for path in own_files(self.folder)}

    def keep(self) -> None:
        """Remember what they hold now."""
        with suppress(FileNotFoundError):  # the job is at work
            self.kept = self.files()

    def wait_for(self, ends: Mapping[int, int]) -> None:
        """Wait until each query has committed the messages up to these offsets, if that is in good time; as long without Spark."""

        def complete() -> bool:
            found = committed(self.folder, self.topic).values()
            return bool(found) and all(read.get(place, 0) >= end for read in found for place, end in ends.items())

        with suppress(Timeout):
            wait.until(complete, seconds=CHECKPOINT, what="the batches to be committed")

    def undo(self, kafka: Kafka) -> None:
        """Undo the last note; one, not two: they might fit together again. The job is dead.

        Spark: the last batch is not noted as committed; if it wrote several files of the job's own, the last one holds what it
        held. (One alone stays: that it was written and the batch not noted is what a kill may leave, too.) Without Spark: the file
        that was written last. No file if a group's positions are kept in Kafka, which has refused them meanwhile (`POSITIONS`).
        """
        uncommit(self.folder)
        if not in_groups(kafka, self.topic):
            queries = [planned for planned, _ in batches(self.folder).values() if planned >= 0]
            self.undo_last(least=2 if queries else 1)

    def undo_last(self, least: int) -> None:
        """The file that was written last, of at least so many, holds what it held; what was removed is there again."""
        now = self.files()
        lost = {path: held for path, held in self.kept.items() if path not in now}
        changed = sorted((path for path in now if self.kept.get(path) != now[path]), key=lambda path: path.stat().st_mtime_ns)
        if len({*map(database, changed)}) < least:
            return
        for path in [path for path in now if changed and database(path) == database(changed[-1])]:
            path.unlink()
        lost |= {path: held for path, held in self.kept.items() if not path.exists()}
        for path, held in lost.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(held)


def database(path: Path) -> Path:
    """The file of a database that another one belongs to; any other file itself."""
    name = next((path.name.removesuffix(one) for one in BESIDE if path.name.endswith(one)), path.name)
    return path.with_name(name)


def in_groups(kafka: Kafka, topic: str) -> bool:
    """Whether a consumer group knows a position in the topic."""
    with kafka.admin() as admin:
        groups = [str(told["group_id"]) for told in admin.list_groups()]
    return any(kafka.committed(group, topic) for group in groups)
