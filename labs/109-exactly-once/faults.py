"""What the verifier does to Kafka, to Spark's checkpoint and to Flink's cluster, so that a job dies exactly where it hurts.

A topic that takes nothing for a while and has clients try again would be better than one that refuses. But `min.insync.replicas=2`
was tried, and stalled neither the ledger nor the groups' offsets on a broker that is alone.
"""

import time
from contextlib import contextmanager, suppress
from pathlib import Path

from delab import process, wait
from delab.checks.streaming import batches, own_files
from delab.errors import Timeout

LEAST = 80  # bytes that a message may have, so that no text of more than a dozen letters fits, but a transaction's marker does
TURN = 1  # seconds for which one half of Flink's cluster runs while the other one stands still


@contextmanager
def refusing_notes(kafka, topics):
    """For a while topics of the job's own take no notes: none longer than a marker, and none without a key (as if compacted)."""
    with kafka.refusing(*topics, above=LEAST):
        kafka.configure(topics, {"cleanup.policy": "compact"})
        try:
            yield
        finally:
            kafka.configure(topics, {"cleanup.policy": "delete"})


class Checkpoints:
    """Spark's checkpoints in $CHECKPOINTS."""

    def __init__(self, stack):
        self.folder = Path(stack.environment()["CHECKPOINTS"])

    def batches(self):
        """{query: (planned, committed)}; empty for a job that has none."""
        return batches(self.folder)

    def noted(self):
        """Whether all that was planned is noted as done."""
        return all(planned == committed for planned, committed in self.batches().values())


class Notes:
    """Files of the job's own, such as the number of the last batch, that can be put back to what they were at a moment."""

    def __init__(self, folder):
        self.folder, self.kept = folder, {}  # {path: [(written at, in seconds since 1970, content), …]}, the oldest first

    def files(self):
        """The files of the folder that are not Spark's."""
        return own_files(self.folder)

    def keep(self):
        """Remember what they hold now."""
        for path in self.files():
            with suppress(FileNotFoundError):  # it was replaced, or removed
                known, at = self.kept.setdefault(path, []), path.stat().st_mtime
                if not known or known[-1][0] != at:
                    known.append((at, path.read_bytes()))

    def put_back(self, moment):
        """Those that were written later hold what they held then, or are not there. The job is dead."""
        late = [path for path in self.files() if path.stat().st_mtime > moment]
        for path in late:
            before = [content for at, content in self.kept.get(path, ()) if at <= moment]
            path.write_bytes(before[-1]) if before else path.unlink()


class Halves:
    """The JobManager and the TaskManager of a Flink cluster, each of which can stand still alone."""

    def __init__(self, flink):
        self.folder = flink.folder
        members = {one: " ".join(one.cmdline()) for one in process.tree(flink.node.process())[1:]}
        roles = ("jobmanager", "taskmanager")
        self.manager, self.worker = (next(one for one in members if f"-Dlab.role={role}" in members[one]) for role in roles)

    def begun(self):
        """The number of the newest checkpoint that was begun: its folder is made before anybody is told to take part."""
        return max((int(path.name.partition("-")[2]) for path in self.folder.glob("*/chk-*")), default=0)

    def complete(self):
        """The number of the newest checkpoint that is complete."""
        return max((int(path.parent.name.partition("-")[2]) for path in self.folder.glob("*/chk-*/_metadata")), default=0)

    def no_checkpoint(self):
        """The JobManager stands still: none begins, and none becomes complete. Returns the newest that was begun."""
        process.pause(self.manager)
        return self.begun()

    def complete_without_commit(self, newest, seconds):
        """Let them run in turns until a checkpoint newer than `newest` is complete; whether one is.

        The JobManager makes it complete in one of its turns, and the TaskManager, which has to commit, has not run since then.
        """
        process.pause(self.worker)
        end = time.monotonic() + seconds * wait.scale()
        while time.monotonic() < end:
            if self.turn(self.manager, newest):
                return True
            self.turn(self.worker, newest)
        process.resume(self.manager)
        process.resume(self.worker)
        return False

    def turn(self, half, newest):
        """Let one half run, and stop it again unless the checkpoint is complete."""
        process.resume(half)
        with suppress(Timeout):
            return wait.until(lambda: self.complete() > newest, seconds=TURN, what="a checkpoint")
        process.pause(half)
        return False
