"""Runs in the learner's place: one Spark session, in which each function gets the verifier's data, case by case."""

import contextlib
import json
import random
import re
import resource
import sys
import traceback
import unicodedata
from functools import reduce
from pathlib import Path

WORD = re.compile(r"[^\W\d_]+")
LARGE, BODY, MEMBERS = "large", 2500, 6000  # the large case: 6,000 values of 20,000 characters, nearly all under one key
MEMORY = ("spark.python.worker.memory", "1m")  # in the large case PySpark's own sort goes to disk as soon as memory grows

ENDED = "Spark had ended before, most likely out of memory: in_order comes first, with all values of a key in the JVM's heap?"


def words(text):
    """The words of a text: runs of letters, NFC, in lower case."""
    return WORD.findall(unicodedata.normalize("NFC", text).lower())


def plain(value):
    """A number that JSON does not know, as one that it does; anything else as it prints."""
    return float(value) if hasattr(value, "__float__") else repr(value)[:80]


def tuples(value):
    """Lists as tuples, all the way down."""
    return tuple(map(tuples, value)) if isinstance(value, list) else value


def peak():
    """The most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def state(mapreduce, groups, seed):
    """The mean of groups of values, merged in an order of chance."""
    chance = random.Random(seed)
    states = [reduce(mapreduce.add, group, mapreduce.empty()) for group in groups]
    while len(states) > 1:
        one = states.pop(chance.randrange(len(states)))
        other = states.pop(chance.randrange(len(states)))
        states.append(mapreduce.merge(one, other))
    return mapreduce.mean(states[0] if states else mapreduce.empty())


def states(mapreduce, asked):
    """Each set of groups, merged in three orders."""
    return [[state(mapreduce, groups, seed) for seed in range(3)] for groups in asked]


def read(spark, rows, parts):
    """The rows as an RDD, and how often its partitions have been computed."""
    passes = spark.sparkContext.accumulator(0)

    def counted(records):
        passes.add(1)
        yield from records

    return spark.sparkContext.parallelize([tuples(row) for row in rows], parts).mapPartitions(counted), passes


def called(spark, mapreduce, asked, data):
    """One call: what is in each partition of its result."""
    group = asked["name"]
    spark.sparkContext.setJobGroup(f"{group}:call", group)
    inputs = [read(spark, data[name], asked["parts"]) for name in asked["inputs"]]
    given = [rdd for rdd, _ in inputs]
    match asked["function"]:
        case "top_documents":
            result = mapreduce.top_documents(*given, words, asked["n"], asked["k"])
        case "joined_to_small":
            result = mapreduce.joined_to_small(*given)
        case name:
            result = getattr(mapreduce, name)(*given, asked["n"])
    spark.sparkContext.setJobGroup(f"{group}:result", group)
    gave = result.glom().collect()
    return {"gave": gave, "passes": [passes.value / asked["parts"] for _, passes in inputs]}


def large(spark, mapreduce, seed):
    """Values that together are larger than a task should hold: what each task held at most, and what came out."""
    context = spark.sparkContext
    context.setJobGroup(f"{LARGE}:call", LARGE)

    def made(number):
        time = number * 7919 % MEMBERS
        return ("all change this" if number % 40 else f"page {number}"), (time, f"{time + seed % 1000:08d}" * BODY)

    def looked_at(records):
        last, seen = None, [0, 0, 0]
        for key, (time, body) in records:
            place = (key is not None, key or "", time)
            seen = [seen[0] + 1, seen[1] + len(body), seen[2] + (last is not None and last[:2] == place[:2] and place < last)]
            last = place
        yield [*seen, peak()]

    before = max(context.parallelize(range(4), 4).mapPartitions(lambda _: [peak()]).collect())
    usual = context._conf.get(MEMORY[0], "512m")  # read when an RDD is made; elsewhere a spill would sort keys, None among them
    context._conf.set(*MEMORY)
    try:
        result = mapreduce.in_order(context.parallelize(range(MEMBERS), 4).map(made), 4).mapPartitions(looked_at)
    finally:
        context._conf.set(MEMORY[0], usual)
    context.setJobGroup(f"{LARGE}:result", LARGE)
    return {"before": before, "tasks": result.collect()}


def attempt(what, *arguments):
    """What a part gives, or how it failed; one that raises does not hide the others."""
    try:
        gave = what(*arguments)
        json.dumps(gave, default=plain)
        return {"gave": gave}
    except Exception as error:
        where = traceback.format_exc(limit=-1)[-300:]
        return {"raised": f"{type(error).__name__}: {said(str(error))}\n{where}"}


def said(text):
    """Of an error the end of the Python traceback in it, if there is one: Spark puts Java's around it."""
    inner = text.partition("Traceback (most recent call last)")[2].partition("\n\tat ")[0]
    return (inner or text).strip()[-500:]


def alive(spark):
    """Whether Spark's own process is there; a task that takes too much memory ends it."""
    with contextlib.suppress(Exception):
        return bool(spark.range(1).count())
    return False


def main():
    """Answer all that is asked in a file."""
    answer, asked = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    import mapreduce
    from pyspark.sql import SparkSession

    found = {"states": attempt(states, mapreduce, asked["states"])}
    spark = SparkSession.builder.config("spark.sql.adaptive.enabled", "false").getOrCreate()
    found[LARGE] = attempt(large, spark, mapreduce, asked["seed"])
    ended = "raised" in found[LARGE] and not alive(spark)
    for one in asked["cases"]:
        found[one["name"]] = {"raised": ENDED} if ended else attempt(called, spark, mapreduce, one, asked["data"])
    with contextlib.suppress(Exception):
        spark.stop()
    answer.write_text(json.dumps(found, default=plain))


if __name__ == "__main__":
    main()
