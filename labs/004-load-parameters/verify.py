"""Checks of lab 4: load parameters from event logs, and a skewed Spark job that is mended, judged by its own event log."""

from collections import Counter
from pathlib import Path
from typing import Any

import logs
import pytest
import tables

from delab.checks import expect, fail, main, show
from delab.checks.spark import CLASSIC, Log, Node, Stage, decoded
from delab.checks.spark import logs as logs_of
from delab.checks.spark import read as read_log

HERE = Path(__file__).parent
KILO = 1024
MOST = tables.CLICKS * 3 // 10  # records that one task may read, from files and shuffles
BYTES = 1200 * KILO  # through all shuffles of the case with a hot page
METRICS, TO_DRIVER = 16 * KILO, 20 * KILO  # what a task's metrics take; what a job may bring beyond
Attempts = list[logs.Attempt]


@pytest.fixture(scope="module")
def made(work, seed) -> dict[Path, Attempts]:
    """Logs that the verifier writes, and the attempts in them."""
    found = {}
    for name, attempts in (
        ("skewed", logs.skewed(seed)),
        ("other", logs.skewed(seed + 1)),
        ("level", logs.level(seed)),
        ("small", logs.small(seed)),
        ("edges", logs.edges(seed)),
    ):
        path = work.folder / f"{name}.log"
        logs.write(attempts, path)
        found[path] = attempts
    return found


@pytest.fixture(scope="module")
def said(work, made) -> dict[str, Any]:
    """What load.py says of them."""
    return dict(work.call(HERE / "quick.py", *map(str, made), seconds=30))


@pytest.fixture(scope="module")
def spark(work, stack, seed) -> dict[str, Any]:
    """How each case of the job ended."""
    work.environment.update(stack.environment())
    folder = work.folder / "tables"
    for case in tables.CASES:
        tables.save(case, seed, folder)
    return dict(work.call(HERE / "driver.py", str(folder), **CLASSIC))


@pytest.fixture(scope="module")
def log(stack, spark) -> Log:
    """What the session did."""
    return read_log(Path(stack.environment()["SPARK_EVENTS"]))


def part(found: dict[str, Any], path: Path, name: str) -> Any:
    """What one function gave for a log. Fails the check if it raised."""
    about = found[str(path)][name]
    if "raised" in about:
        fail(expected=f"{name} reads {path.name}", seen=about["raised"])
    return about["gave"]


def compare(found: dict[str, Any], made: dict[Path, Attempts], *names: str) -> None:
    """These parameters of all stages are the true ones."""
    for path, attempts in made.items():
        gave, truth = part(found, path, "parameters"), logs.parameters(attempts)
        for stage, row in truth.items():
            mine = gave.get(str(stage), {})
            for name in names:
                expect(
                    name in mine and logs.same(mine[name], row[name]),
                    expected=f"{name} of stage {stage} in {path.name} is {row[name]}",
                    seen=f"{show(mine.get(name, 'nothing'))}{mistake(attempts, stage, name, mine.get(name))}",
                )


def mistake(attempts: Attempts, stage: int, name: str, gave: object) -> str:
    """A mistake that gives just this number."""
    mine = [one for one in attempts if one.stage == stage]
    good = [one for one in logs.counted(attempts) if one.stage == stage]
    well = [one for one in mine if one.end == "Success"]
    took, read = sorted(one.finish - one.launch for one in good), sum(one.records for one in good)
    ended = max(one.finish for one in good)
    wall, half = ended - min(one.launch for one in mine), len(took) // 2
    known: dict[str, list[tuple[float, str]]] = {
        "tasks": [(len(mine), "every attempt counts, also failed and killed ones"), (len(well), "partitions count twice")],
        "records": [
            (sum(one.records for one in mine), "failed and killed attempts count"),
            (sum(one.records for one in well), "partitions that ran twice count twice"),
            (sum(one.files for one in good), "records from shuffles are missing"),
            (sum(one.shuffled for one in good), "records from files are missing"),
        ],
        "ms": [
            (sum(took), "the sum of the tasks' times: they run at the same time"),
            (max(took), "the longest task's time"),
            (max(one.finish for one in mine) - min(one.launch for one in mine), "attempts that do not count end later"),
            (ended - min(one.launch for one in good), "the failed attempts' time is part of the stage's"),
        ],
        "throughput": [
            *([(float(gave), "there is none where ms is 0")] if not wall and isinstance(gave, int | float) else []),
            (read * 1000 / max(1, sum(took)), "divided by the sum of the tasks' times: they run at the same time"),
            (read / max(1, wall), "records in a millisecond"),
        ],
        "p50": [
            (sum(took) / len(took), "the mean"),
            ((took[half] + took[(len(took) - 1) // 2]) / 2, "between two tasks"),
            (took[half], "one rank too far"),
        ],
        "p99": [
            (took[-1], "the maximum"),
            (took[int(0.99 * len(took)) - 1], "one rank too low"),
            (sum(took) / len(took), "the mean"),
        ],
        "max": [(max(one.finish - one.launch for one in mine), "attempts that do not count are among them")],
        "skew": [(max(one.records for one in good) * len(good) / max(1, read), "divided by the mean, which a hot key moves")],
    }
    return next((f": {why}" for value, why in known.get(name, []) if logs.same(gave, value)), "")


def test_attempts_count_once(said, made):
    """parameters has the stages with a task that succeeded; tasks and records count each partition once: its first success."""
    for path, attempts in made.items():
        gave, truth = part(said, path, "parameters"), logs.parameters(attempts)
        stages = sorted(map(str, truth))
        left = "; a stage in which nothing succeeded is left out" if set(gave) > set(stages) else ""
        expect(sorted(gave) == stages, expected=f"the stages {stages} of {path.name}", seen=f"{show(sorted(gave))}{left}")
    compare(said, made, "tasks", "records")


def test_latency(said, made):
    """p50, p99 and max are times of tasks that count, in ms, percentiles by the nearest rank."""
    compare(said, made, "p50", "p99", "max")


def test_throughput(said, made):
    """ms: from the first launch of any attempt to the last finish of one that counts; throughput: records per second of it."""
    compare(said, made, "ms", "throughput")


def blamed(found: dict[str, Any], made: dict[Path, Attempts]) -> None:
    """The culprit of each log."""
    for path, attempts in made.items():
        gave, truth = part(found, path, "culprit"), logs.culprit(attempts)
        wanted = f"the culprit of {path.name} is {show(truth)}{about(attempts, truth)}"
        expect(gave == truth, expected=wanted, seen=f"{show(gave)}{about(attempts, gave)}")


def about(attempts: Attempts, stage: object) -> str:
    """Skew of a stage, and its part of the application's time; nothing if there is no such stage."""
    row = logs.parameters(attempts).get(stage) if isinstance(stage, int) else None
    whole = logs.end(logs.counted(attempts)) - min(one.launch for one in attempts)
    return f", which has skew {row['skew'] or 0:.1f} and {(row['ms'] or 0) / whole:.0%} of the time" if row else ""


def test_culprit(said, made):
    """skew is max / median of the records; culprit is the stage with the largest, 2 or more, among those with 10 % of the time."""
    compare(said, made, "skew")
    blamed(said, made)


def test_real_log(work, spark, stack, evidence):
    """Both functions read the log of a real run, of which the last line is cut off, as when an application is killed."""
    found = [path for path in logs_of(Path(stack.environment()["SPARK_EVENTS"])) if logs.read(path)]
    expect(found, expected="job.py runs in the session that is there", seen="no event log with tasks; see the checks of transform")
    path = work.folder / "real.log"
    path.write_text(found[-1].read_text(errors="replace")[:-25])
    real = {path: logs.read(path)}
    answer = work.call(HERE / "quick.py", str(path), seconds=30)
    evidence.note(f"your job's culprit: stage {logs.culprit(real[path])} of {len(logs.parameters(real[path]))}")
    compare(answer, real, "tasks", "records", "ms", "throughput", "p50", "p99", "max", "skew")
    blamed(answer, real)


def result(spark: dict[str, Any], work: Any, case: str) -> list[tables.Row]:
    """The rows of a case. Fails the check if transform raised."""
    from pyarrow import parquet

    if "raised" in spark.get(case, {"raised": "no answer"}):
        fail(expected=f"transform gives a data frame of six columns ({case})", seen=spark.get(case, {}).get("raised", "no answer"))
    return list(parquet.read_table(work.folder / "tables" / case / "result").to_pylist())


def test_same_result(spark, work, seed):
    """transform gives each page of the clicks once, also no page and unknown ones, with exact counts, sums and missing values."""
    for case in tables.CASES:
        rows, truth = result(spark, work, case), tables.truth(case, seed)
        odd = [row["page"] for row in rows if not isinstance(row["page"], str | None)]
        expect(not odd, expected=f"page is text ({case})", seen=show(odd[:1]))
        often = [page for page, count in Counter(row["page"] for row in rows).items() if count > 1]
        expect(not often, expected=f"each page once ({case})", seen=f"{show(often[:1])} more than once: parts were not merged?")
        gave = {row["page"]: row for row in rows}
        lost = [page for page in truth if page not in gave]
        hint = "; None among them: clicks without a page" if None in lost else ""
        expect(not lost, expected=f"{len(truth)} pages ({case})", seen=f"{len(lost)} are missing: {show(lost[:3])}{hint}")
        more = [page for page in gave if page not in truth]
        expect(not more, expected=f"{len(truth)} pages ({case})", seen=f"{len(more)} are too many, such as {show(more[:3])}")
        for page, right in truth.items():
            for name, value in right.items():
                seen = f"{show(gave[page][name])}{why(name, gave[page][name], value)}"
                expect(gave[page][name] == value, expected=f"{name} of {show(page)} is {show(value)} ({case})", seen=seen)


def why(name: str, gave: Any, truth: Any) -> str:
    """A mistake that may have made this value."""
    if isinstance(gave, float):
        return ": a float, which has 16 digits"
    if truth is None:
        return ": missing is not 0"
    if name == "section" and gave is None:
        return ": the page did not find its partner; is the salt on both sides?"
    if name == "users" and isinstance(gave, int):
        first = "is None a user? Or " if gave == truth + 1 else ""
        return f": {first}not exact; an estimate, or users counted in several parts"
    if name == "clicks" and isinstance(gave, int):
        return ": clicks were lost" if gave < truth else ": clicks were multiplied"
    return ""


def stages(log: Log, case: str) -> list[Stage]:
    """The stages of a case that ran tasks."""
    return [stage for stage in log.stages(group=case) if stage.tasks]


def finished(spark: dict[str, Any], log: Log) -> None:
    """All cases ran in the session."""
    for case in tables.CASES:
        if "raised" in spark.get(case, {"raised": "no answer"}):
            fail(expected=f"transform runs to its end ({case})", seen=spark.get(case, {}).get("raised", "no answer"))
        if case != "empty":
            expect(stages(log, case), expected="transform uses the session it gets", seen=f"no task of {case} in the event log")


def test_spread(spark, log, evidence):
    """No task reads more than 12,000 records, with a hot page, without a page, without skew; Spark's settings stay as they are."""
    finished(spark, log)
    changed = {name: value for case in tables.CASES for name, value in spark[case]["changed"].items()}
    expect(not changed, expected="Spark's settings stay as the verifier's session has them", seen=f"transform sets {show(changed)}")
    for case in tables.CASES:
        sizes = {
            (stage.id, task.partition): task.input_records + task.read_records
            for stage in stages(log, case)
            for task in stage.tasks
        }
        most = max(sizes.values(), default=0)
        evidence.note(f"{case}: the largest task reads {most:,} records")
        stage = next((number for (number, _), size in sizes.items() if size == most), 0)
        tasks = sorted((size for (number, _), size in sizes.items() if number == stage), reverse=True)[:8]
        seen = (
            f"{most:,} in one task of stage {stage} ({case}): the hot key, or all of it, in one partition; its tasks read {tasks}"
        )
        expect(most <= MOST, expected=f"no task reads more than {MOST:,} records", seen=seen)


def test_little_moves(spark, log, evidence):
    """With a hot page, all shuffles together carry at most as many records as there are clicks, and at most 1,200 KB."""
    finished(spark, log)
    records = sum(stage.written for stage in stages(log, "hot"))
    size = sum(stage.written_bytes for stage in stages(log, "hot"))
    evidence.note(f"hot: {records:,} records and {size / KILO:,.0f} KB through shuffles")
    seen = f"{records:,} records, {size:,} bytes: every click moves, though a task can first combine what it has of a page"
    limit = f"at most {tables.CLICKS:,} records and {BYTES:,} bytes through shuffles"
    expect(records <= tables.CLICKS and size <= BYTES, expected=limit, seen=seen)


def test_nothing_to_the_driver(spark, log, evidence):
    """Neither table comes to the driver, nor the result: at most 20 KB beyond metrics, no broadcast; a plan over the files."""
    finished(spark, log)
    sent = [node for query in log.queries for node in query.plan.find("BroadcastExchange")]
    seen = f"{len(sent)} in the plans: a broadcast of a table goes through the driver, and into each worker's memory"
    expect(not sent, expected="no broadcast", seen=seen)
    results = [task.result_bytes for stage in log.stages() for task in stage.tasks]
    size = sum(max(0, result - METRICS) for result in results)
    evidence.note(f"{size:,} bytes to the driver; the largest task's result has {max(results, default=0):,}")
    seen = f"{size:,} bytes of them came to the driver: collect or toPandas?"
    expect(size <= TO_DRIVER, expected="the data stay in the workers", seen=seen)
    for plan in written(log):
        seen = "a plan over rows that came from the driver or an RDD: collect, then createDataFrame?"
        expect(scans(plan), expected="transform returns a plan over the Parquet files", seen=seen)


def written(log: Log) -> list[Node]:
    """The plans by which the verifier wrote results."""
    return [query.plan for query in log.queries if any("InsertIntoHadoopFs" in node.name for node in query.plan.walk())]


def scans(plan: Node) -> list[Node]:
    """The plan's reads of Parquet files."""
    return [node for node in plan.walk() if "parquet" in node.name.lower() and "scan" in node.name.lower()]


def by_python(folder: Path) -> list[str]:
    """The stages that ran Python on an RDD: they are in no plan."""
    events = (decoded(line) for path in logs_of(folder) for line in path.read_text(errors="replace").splitlines())
    done = [event["Stage Info"] for event in events if event and event.get("Event") == "SparkListenerStageCompleted"]
    return [stage["Stage Name"] for stage in done if any(rdd["Name"] == "PythonRDD" for rdd in stage["RDD Info"])]


def test_built_in(spark, stack, log):
    """No row goes through Python: built-in functions do all of it."""
    finished(spark, log)
    names = {node.name for query in log.queries for node in query.plan.walk()}
    slow = sorted(name for name in names if any(word in name for word in ("Python", "Pandas", "Arrow", "ExistingRDD")))
    expect(not slow, expected="built-in functions", seen=f"the plan has {slow}: each row is sent to a Python process and back")
    rdds = by_python(Path(stack.environment()["SPARK_EVENTS"]))
    seen = f"a stage of an RDD ({show(rdds[:1])}): its rows are sent to a Python process, though no plan says so"
    expect(not rdds, expected="data frames and built-in functions", seen=seen)


def test_columns_are_pruned(spark, log):
    """Only the columns that the result needs are read: of clicks url, user, ms, revenue, of pages page, section."""
    finished(spark, log)
    for scan in [node for query in log.queries for node in scans(query.plan)]:
        read = {name.strip().rpartition("#")[0] for name in scan.text.partition("[")[2].partition("]")[0].split(",")}
        wide = sorted(read & tables.WIDE)
        expect(not wide, expected=f"of {sorted(tables.USED)} only", seen=f"a scan reads {wide}: the plan says {scan.text[:90]}…")


if __name__ == "__main__":
    main(__file__)
