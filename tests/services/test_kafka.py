"""The Kafka service, with real brokers: one, three with one lost, cut or paused, and what verifiers ask of them."""

import os
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from delab import process, templates, wait
from delab.checks import CheckFailed
from delab.checks.kafka import Kafka, Record
from delab.errors import Blocked
from delab.services import make
from delab.services.kafka import cluster_id, members

pytestmark = [  # of kafka-python: on Python 3.11, and sockets of attempts that failed
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NAMES = ("kafka1", "kafka2", "kafka3")
ONE = templates.Plan("kafka-one", (make("kafka", {}),))
THREE = templates.Plan("kafka-three", tuple(make(name, {"kind": "kafka", "voters": NAMES}) for name in NAMES))


@pytest.fixture(scope="module")
def one() -> Iterator[templates.Scratch]:
    made = templates.Scratch(ONE)
    made.start()
    yield made
    made.destroy()
    assert process.all_inside(made.folder) == []


@pytest.fixture(scope="module")
def three() -> Iterator[templates.Scratch]:
    made = templates.Scratch(THREE)
    made.start()
    yield made
    made.destroy()
    assert process.all_inside(made.folder) == []


def test_messages_come_back_with_key_time_and_partition(one: templates.Scratch) -> None:
    kafka = Kafka(one)
    kafka.create("events", partitions=2)
    sent = [Record(b"v%d" % n, b"k%d" % n, 1_700_000_000_000 + n, n % 2) for n in range(500)]
    assert kafka.send("events", sent) == 500
    back = kafka.read("events")
    assert [(r.value, r.key, r.at) for r in back] == [(r.value, r.key, r.at) for r in sorted(sent, key=lambda r: r.partition or 0)]
    assert kafka.ends("events") == {0: 250, 1: 250}


@pytest.mark.parametrize("by", ["gzip", "snappy", "lz4", "zstd"])
def test_messages_can_be_compressed_by_whatever_kafka_knows(one: templates.Scratch, by: str) -> None:
    from kafka import KafkaProducer

    kafka = Kafka(one)
    kafka.create(by)
    producer = KafkaProducer(bootstrap_servers=kafka.servers, compression_type=by)
    producer.send(by, b"again and " * 100)
    producer.close()
    assert [one.value for one in kafka.read(by)] == [b"again and " * 100]


def test_a_broker_that_the_system_killed_is_lost_and_one_that_we_killed_is_not() -> None:
    stack = templates.Scratch(ONE)
    try:
        stack.start()
        stack["kafka"].kill()
        assert stack.lost() == []
        stack["kafka"].start()
        stack["kafka"].running().kill()
        wait.until(lambda: stack.lost() == ["kafka"], seconds=10, what="the broker to end")
        stack["kafka"].start()
        assert stack.lost() == []
    finally:
        stack.destroy()


def test_old_messages_stay(one: templates.Scratch) -> None:
    """Clicks of a data set are years old; Kafka's own default would delete them at its next look."""
    from kafka.admin import ConfigResource, ConfigResourceType

    kafka = Kafka(one)
    kafka.create("old")
    with kafka.admin() as admin:
        told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "old")], config_filter="all")
    assert told["topic"]["old"]["retention.ms"]["value"] == "-1"


def test_lag_is_what_a_group_has_not_committed(one: templates.Scratch) -> None:
    kafka = Kafka(one)
    kafka.create("lagging")
    kafka.send("lagging", [Record(b"%d" % n) for n in range(10)])
    assert kafka.lag("readers", "lagging") == 10
    with kafka.consumer("readers") as consumer:
        consumer.subscribe(["lagging"])
        wait.until(lambda: consumer.poll(timeout_ms=5000, max_records=4), seconds=60, what="messages")
        consumer.commit()
    assert kafka.committed("readers", "lagging") == {0: 4}
    assert kafka.lag("readers", "lagging") == 6


def test_aborted_transactions_are_left_out_of_a_committed_read(one: templates.Scratch) -> None:
    from kafka import KafkaProducer

    kafka = Kafka(one)
    kafka.create("transfers")
    producer = KafkaProducer(bootstrap_servers=kafka.servers, transactional_id="tests")
    producer.init_transactions()
    for value in (b"kept", b"dropped"):
        producer.begin_transaction()
        producer.send("transfers", value)
        producer.flush()
        if value == b"kept":
            producer.commit_transaction()
        else:
            producer.abort_transaction()
    producer.close()
    assert [one.value for one in kafka.read("transfers", committed=True)] == [b"kept"]
    assert [one.value for one in kafka.read("transfers")] == [b"kept", b"dropped"]


def test_a_topic_refuses_what_is_large_for_a_while(one: templates.Scratch) -> None:
    kafka, large = Kafka(one), [Record(b"x" * 500)]
    kafka.create("strict")
    with kafka.refusing("strict", "no such topic"):
        with pytest.raises(Blocked, match="MessageSizeTooLarge"):
            kafka.send("strict", large)
        assert kafka.ends("strict") == {0: 0}
    assert kafka.send("strict", large) == 1


def test_a_missing_topic_is_the_learners(one: templates.Scratch) -> None:
    with pytest.raises(CheckFailed, match="a topic 'nowhere'"):
        Kafka(one).read("nowhere")
    assert "nowhere" not in Kafka(one).topics()


def test_it_listens_on_loopback_only_and_not_as_root_in_bounded_memory(one: templates.Scratch) -> None:
    main = one["kafka"].running()
    seen = {line.laddr.ip.removeprefix("::ffff:") for line in main.net_connections("inet") if line.status == psutil.CONN_LISTEN}
    assert seen == {"127.0.0.1"}
    assert main.uids().real != 0
    assert main.memory_info().rss < 380 * 1024 * 1024


def test_a_killed_broker_comes_back_with_its_data(one: templates.Scratch) -> None:
    kafka = Kafka(one)
    kafka.create("lasting")
    kafka.send("lasting", [Record(b"before")])
    one["kafka"].kill()
    assert not one["kafka"].alive()
    with pytest.raises(Blocked, match="does not answer"):
        Kafka(one, seconds=1).topics()
    one["kafka"].start()
    kafka.send("lasting", [Record(b"after")])
    assert [one.value for one in kafka.read("lasting")] == [b"before", b"after"]


def test_a_paused_broker_does_not_answer(one: templates.Scratch) -> None:
    one["kafka"].pause()
    assert one["kafka"].alive()
    assert not one["kafka"].ready()
    one["kafka"].resume()
    wait.until(one["kafka"].ready, seconds=20, what="an answer")


def test_the_tools_work(one: templates.Scratch) -> None:
    Kafka(one).create("seen-by-tools")
    environment = {**os.environ, **one.environment()}
    command = ["kafka-topics", "--bootstrap-server", environment["KAFKA_BOOTSTRAP_SERVERS"], "--list"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "seen-by-tools" in done.stdout.split()
    assert done.stderr == ""


def test_two_stacks_do_not_know_each_other(one: templates.Scratch) -> None:
    other = templates.Scratch(ONE)
    try:
        other.start()
        Kafka(other).create("only-here")
        assert "only-here" not in Kafka(one).topics()
    finally:
        other.destroy()


def alive(stack: templates.Scratch, asked: str) -> set[int]:
    """The members that one broker tells of."""
    return members(stack[asked].endpoint.port)


def test_a_cluster_outlives_the_loss_of_a_broker(three: templates.Scratch) -> None:
    kafka = Kafka(three)
    kafka.create("safe", replicas=3, configs={"min.insync.replicas": "2"})
    kafka.send("safe", [Record(b"with three")])
    three["kafka1"].kill()
    wait.until(lambda: alive(three, "kafka2") == {2, 3}, seconds=40, what="the loss to be seen")
    kafka.send("safe", [Record(b"with two")])
    assert [one.value for one in kafka.read("safe")] == [b"with three", b"with two"]
    three["kafka1"].start()
    wait.until(lambda: alive(three, "kafka2") == {1, 2, 3}, seconds=40, what="the return")


def test_a_broker_cut_from_the_others_is_fenced_and_comes_back(three: templates.Scratch) -> None:
    for other in ("kafka1", "kafka2"):
        three.cut("kafka3", other)
    assert three["kafka3"].alive()
    wait.until(lambda: alive(three, "kafka1") == {1, 2}, seconds=40, what="the cut to be seen")
    for other in ("kafka1", "kafka2"):
        three.heal(other, "kafka3")
    wait.until(lambda: alive(three, "kafka1") == {1, 2, 3}, seconds=40, what="the return")


def test_a_paused_member_is_fenced(three: templates.Scratch) -> None:
    three["kafka2"].pause()
    wait.until(lambda: alive(three, "kafka1") == {1, 3}, seconds=40, what="the silence to be seen")
    three["kafka2"].resume()
    wait.until(lambda: alive(three, "kafka1") == {1, 2, 3}, seconds=40, what="the return")


def test_no_id_of_a_cluster_looks_like_an_option() -> None:
    assert all(cluster_id((f"kafka{number}",))[0] != "-" for number in range(500))
