"""Counts by the minute (live and final) and what comes too late, in Flink's DataStream API: `flink-python flink_job.py`."""

import json
import os
from datetime import UTC, datetime

from pyflink.common import Duration, Types, WatermarkStrategy
from pyflink.common.serialization import SimpleStringSchema
from pyflink.common.watermark_strategy import TimestampAssigner
from pyflink.datastream import KeyedProcessFunction, StreamExecutionEnvironment
from pyflink.datastream.connectors.kafka import KafkaOffsetsInitializer, KafkaRecordSerializationSchema, KafkaSink, KafkaSource
from pyflink.datastream.state import ValueStateDescriptor

SERVERS = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
MINUTE = 60_000  # ms


class EventTime(TimestampAssigner):
    """The time of a click; one without moves nothing on."""

    def extract_timestamp(self, value, record_timestamp):
        """In ms since 1970."""
        return moment(value) or 0


class Decide(KeyedProcessFunction):
    """For one minute: count, correct, close, and refuse what comes too late. Rows are (topic, JSON)."""

    def open(self, context):
        """The state of a minute is its count."""
        self.count = context.get_state(ValueStateDescriptor("count", Types.LONG()))

    def process_element(self, value, ctx):
        """A click counts until the watermark has reached the end of its minute."""
        click, minute = json.loads(value), ctx.get_current_key()
        end = minute + MINUTE
        if click["event_time"] is None:
            yield "late", json.dumps({"event_id": click["event_id"], "reason": "no_time"})
        elif end - 1 <= ctx.timer_service().current_watermark():
            yield "late", json.dumps({"event_id": click["event_id"], "reason": "too_late"})
        else:
            self.count.update((self.count.value() or 0) + 1)
            ctx.timer_service().register_event_time_timer(end - 1)
            yield "live", row(minute, self.count.value())

    def on_timer(self, timestamp, ctx):
        """The minute is complete."""
        yield "final", row(ctx.get_current_key(), self.count.value())
        self.count.clear()


def moment(value):
    """The event time of a click in ms since 1970, or None."""
    told = json.loads(value)["event_time"]
    return told and round(datetime.fromisoformat(told).timestamp() * 1000)


def row(minute, count):
    """A row of live or final."""
    start, end = (datetime.fromtimestamp(at / 1000, UTC).isoformat() for at in (minute, minute + MINUTE))
    return json.dumps({"window_start": start, "window_end": end, "click_count": count})


def sink(topic):
    """A topic to write to."""
    schema = KafkaRecordSerializationSchema.builder().set_topic(topic).set_value_serialization_schema(SimpleStringSchema())
    return KafkaSink.builder().set_bootstrap_servers(SERVERS).set_record_serializer(schema.build()).build()


def main():
    """One operator with one watermark decides about each click."""
    env = StreamExecutionEnvironment.get_execution_environment()
    env.enable_checkpointing(2000)
    source = KafkaSource.builder().set_bootstrap_servers(SERVERS).set_topics("clicks").set_group_id("minutes")
    source = source.set_starting_offsets(KafkaOffsetsInitializer.earliest()).set_value_only_deserializer(SimpleStringSchema())
    # from_source does not call an assigner in Python, and with_idleness forgets one
    clicks = env.from_source(source.build(), WatermarkStrategy.no_watermarks(), "clicks")
    times = WatermarkStrategy.for_bounded_out_of_orderness(Duration.of_minutes(2)).with_idleness(Duration.of_seconds(5))
    clicks = clicks.assign_timestamps_and_watermarks(times.with_timestamp_assigner(EventTime()))
    minutes = clicks.key_by(lambda value: (moment(value) or 0) // MINUTE * MINUTE, key_type=Types.LONG())
    rows = minutes.process(Decide(), output_type=Types.TUPLE([Types.STRING(), Types.STRING()]))
    for topic in ("live", "final", "late"):
        chosen = rows.filter(lambda found, topic=topic: found[0] == topic)
        chosen.map(lambda found: found[1], output_type=Types.STRING()).sink_to(sink(topic))
    env.execute("minutes")


if __name__ == "__main__":
    main()
