"""The tables and the topic; for the learner's own stack also an hour of clicks, in files and in the topic."""

from delivery import PARTITIONS, TOPIC, parts, records, write_file

from delab.checks.kafka import Kafka
from delab.course import LIVE_SEED
from delab.services.postgres import connect

WINDOWS = "(window_start timestamptz PRIMARY KEY, clicks bigint NOT NULL, amount numeric(14, 2) NOT NULL)"


def prepare(stack, seed):
    """Make what both programs find; a verification delivers its clicks itself."""
    with connect(stack["warehouse"].endpoint) as session, session.cursor() as cursor:
        for table in ("batch_windows", "stream_windows"):
            cursor.execute(f"CREATE TABLE {table} {WINDOWS}")
    kafka = Kafka(stack)
    kafka.create(TOPIC, partitions=PARTITIONS)
    if seed == LIVE_SEED:
        folder = stack["warehouse"].data.parent / "incoming"
        for number, part in enumerate(parts(seed), 1):
            write_file(folder, number, part)
            kafka.send(TOPIC, records(part))
