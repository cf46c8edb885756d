"""How a kill leaves what the job has noted: its last results are written, and the last note of them is not made yet."""

from contextlib import suppress

from prepare import CLICKS

from delab import wait
from delab.checks.streaming import CHECKPOINT, batches, committed, own_files, uncommit
from delab.errors import Timeout

BESIDE = ("-wal", "-shm", "-journal")  # of a database of SQLite's: files that belong to it


class Notes:
    """What a Spark program notes in $CHECKPOINTS of the clicks that it has dealt with, by Spark's means or in files of its own."""

    def __init__(self, folder):
        self.folder, self.kept = folder, {}

    def files(self):
        """What files of the job's own hold; Spark's are not among them."""
        return {path: path.read_bytes() for path in own_files(self.folder)}

    def keep(self):
        """Remember what they hold now."""
        with suppress(FileNotFoundError):  # the job is at work
            self.kept = self.files()

    def wait_for(self, ends):
        """Wait until each query has committed the clicks up to these offsets, if that is in good time; as long without Spark."""

        def complete():
            found = committed(self.folder, CLICKS).values()
            return found and all(read.get(place, 0) >= end for read in found for place, end in ends.items())

        with suppress(Timeout):
            wait.until(complete, seconds=CHECKPOINT, what="the batches to be committed")

    def undo(self, positions):
        """Undo the last note. The job is dead; `positions`: Kafka knows positions of its groups, which could not be noted.

        Spark: the last batch is not noted as committed; if it wrote several files of the job's own, the last one holds what it
        held. (One alone stays: that it was written and the batch not noted is what a kill may leave, too.) Without Spark: the file
        that was written last.
        """
        uncommit(self.folder)
        if not positions:
            self.undo_last(least=2 if batches(self.folder) else 1)

    def undo_last(self, least):
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


def database(path):
    """The file of a database that another one belongs to; any other file itself."""
    name = next((path.name.removesuffix(one) for one in BESIDE if path.name.endswith(one)), path.name)
    return path.with_name(name)


def in_groups(kafka):
    """Whether a consumer group knows a position in the topic."""
    with kafka.admin() as admin:
        groups = [str(told["group_id"]) for told in admin.list_groups()]
    return any(kafka.committed(group, CLICKS) for group in groups)
