"""What befalls checkpoints and the topic while the job is dead, or just before."""

from contextlib import suppress
from pathlib import Path

from prepare import PAYMENTS

from delab import files, wait
from delab.checks.notes import Notes
from delab.checks.streaming import CHECKPOINT, batches
from delab.errors import Blocked, Timeout


class Checkpoints:
    """The checkpoints of a job, Spark's or Flink's."""

    def __init__(self, job):
        self.job, self.spark = job, Path(job.stack.environment()["CHECKPOINTS"])
        self.flink = job.flink.folder if job.flink else None
        self.copy, self.kept = job.work.run_folder / "kept", None  # of Flink's: where, and the name of its job
        self.notes = Notes(self.spark, PAYMENTS)

    def wait_for(self, ends):
        """Wait until a complete one holds the topic up to these offsets, if that is in good time."""
        self.job.wait_checkpoint()
        if not self.flink:
            self.notes.wait_for(ends)

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

        Spark: the last note is undone. Flink: what was kept is there, and the next one without its _metadata.
        """
        if self.kept:
            self.empty()
            files.copy_tree(self.copy, files.make_folder(self.flink / self.kept))
            newest = self.job.flink.latest()
            (newest.parent / f"chk-{int(newest.name[4:]) + 1}").mkdir(exist_ok=True)
        if not self.flink:
            self.notes.undo(kafka)
        left = [pair for pair in batches(self.spark).values() if pair[0] >= 0]
        assert all(done < planned for planned, done in left), f"committed still: {left}"

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
