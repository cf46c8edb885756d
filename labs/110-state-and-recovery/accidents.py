"""What befalls checkpoints and the topic while the job is dead, or just before."""

from contextlib import suppress
from pathlib import Path

from prepare import PAYMENTS

from delab import files, wait
from delab.checks.streaming import CHECKPOINT, batches, committed, own_files, uncommit
from delab.errors import Blocked, Timeout

BESIDE = ("-wal", "-shm", "-journal")  # of a database of SQLite's: files that belong to it


def in_groups(kafka):
    """Whether a consumer group knows a position in the topic."""
    with kafka.admin() as admin:
        groups = [str(told["group_id"]) for told in admin.list_groups()]
    return any(kafka.committed(group, PAYMENTS) for group in groups)


class Notes:
    """Files of the job's own below a folder: which was written last can be undone, as if the kill had come before that."""

    def __init__(self, folder):
        self.folder, self.kept = folder, {}

    def files(self):
        """What they hold; Spark's own are not among them."""
        return {path: path.read_bytes() for path in own_files(self.folder)}

    def keep(self):
        """Remember what they hold now."""
        with suppress(FileNotFoundError):  # the job is at work
            self.kept = self.files()

    def undo_last(self, least=1):
        """The one that was written last, of at least so many, holds what it held; what was removed is there again."""
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


class Checkpoints:
    """The checkpoints of a job, Spark's or Flink's."""

    def __init__(self, job):
        self.job, self.spark = job, Path(job.stack.environment()["CHECKPOINTS"])
        self.flink = job.flink.folder if job.flink else None
        self.copy, self.kept = job.work.run_folder / "kept", None  # of Flink's: where, and the name of its job
        self.notes = Notes(self.spark)

    def wait_for(self, ends):
        """Wait until a complete one holds the topic up to these offsets, if that is in good time."""

        def complete():
            found = committed(self.spark, PAYMENTS).values()
            return found and all(read.get(place, 0) >= end for read in found for place, end in ends.items())

        self.job.wait_checkpoint()
        with suppress(Timeout):
            wait.until(lambda: self.flink or complete(), seconds=CHECKPOINT, what="the batches to be committed")

    def keep(self):
        """Keep a copy of Flink's newest one, with the folder of its job: it may share files with others."""

        def copied():
            newest = self.job.flink.latest()
            with suppress(Blocked):  # of a file that was removed meanwhile, since there is a newer checkpoint
                if newest:
                    files.remove_tree(self.copy)
                    files.copy_tree(newest.parent, files.make_folder(self.copy))
                    self.kept = newest.parent.name if any(self.copy.glob("chk-*/_metadata")) else None
            return newest is None or self.kept

        with suppress(Timeout):
            wait.until(lambda: not self.flink or copied(), seconds=CHECKPOINT, what="a copy of a checkpoint")

    def leave_half_done(self, kafka):
        """What came since is not complete.

        Spark: the last batch was planned, and is not noted as committed; if it wrote several files of the job's own, the last one
        holds what it held. (One alone stays: that it was written and the batch not noted is what a kill may leave, too.) Without
        Spark: the file that was written last. No file if positions are kept in a consumer group, which could not be noted. Flink:
        what was kept is there, and the next one without its _metadata.
        """
        if self.kept:
            self.empty()
            files.copy_tree(self.copy, files.make_folder(self.flink / self.kept))
            newest = self.job.flink.latest()
            (newest.parent / f"chk-{int(newest.name[4:]) + 1}").mkdir(exist_ok=True)
        uncommit(self.spark)
        left = {query: pair for query, pair in batches(self.spark).items() if pair[0] >= 0}
        if not self.flink and not in_groups(kafka):  # one of the notes is undone, not two: they might fit together again
            self.notes.undo_last(least=2 if left else 1)
        assert all(done < planned for planned, done in left.values()), f"committed still: {left}"

    def empty(self):
        """All are lost."""
        for folder in [self.spark, *filter(None, [self.flink])]:
            for path in folder.iterdir():
                files.remove_tree(path) if path.is_dir() else path.unlink()
            assert not list(folder.iterdir()), f"{folder} is not empty"


def trim(kafka, ends):
    """Let the topic's retention pass: it holds nothing from before these offsets."""
    from kafka import TopicPartition

    with kafka.admin() as admin:
        admin.delete_records({TopicPartition(PAYMENTS, place): end for place, end in ends.items()})
    with kafka.consumer() as consumer:
        places = [TopicPartition(PAYMENTS, place) for place in ends]
        begin = {at.partition: offset for at, offset in consumer.beginning_offsets(places).items()}
    assert begin == dict(ends), f"the topic begins at {begin}, not at {ends}"
