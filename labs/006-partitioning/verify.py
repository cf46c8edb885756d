"""Checks of lab 6: partitions by hash and by range that are stable, complete and balanced; a join with a hot key; files by day."""

import json
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orders
import pytest

from delab.checks import expect, fail, main, show
from delab.checks.spark import CLASSIC, Stage, read

HERE = Path(__file__).parent
N, PARTITIONS = 8, 4  # in quick.py and driver.py
COLUMNS = ("order_id", "customer", "day", "amount")
MOST = 1.3  # the fullest partition by hash, in shares of the mean
MOST_BY_RANGE = 1.6
MOST_BYTES, LITTLE = 0.5, 60_000  # the share of one task (a plain join of RDDs: 0.6); fewer bytes are no orders
LIMIT = orders.ORDERS * 6 // 10  # records that one task of the join may read; a plain join reads 75 % in one


@pytest.fixture(scope="module")
def quick(work, seed) -> list[dict[str, Any]]:
    """What the functions without Spark give, in processes with different salts, and in one that asks in another order."""
    asked = (("1",), ("2",), ("1", "backwards"))
    runs = [work.call(HERE / "quick.py", str(seed), *how, env={"PYTHONHASHSEED": salt}, seconds=30) for salt, *how in asked]
    expect(all(isinstance(run, dict) for run in runs), expected="partition.py can be imported", seen=show(runs))
    return runs


@pytest.fixture(scope="module")
def spark(work, stack, seed) -> dict[str, Any]:
    """What the functions with Spark give."""
    work.environment.update(stack.environment())
    return dict(work.call(HERE / "driver.py", str(seed), str(work.folder / "saved"), **CLASSIC))


def part(found: dict[str, Any], name: str) -> Any:
    """The answer of one part. Fails the check if it raised."""
    about = found.get(name) or {"raised": "no answer"}
    if "raised" in about:
        fail(expected=f"the functions for {name} run to their end", seen=f"{about['raised']}")
    return about.get("gave", about)


def counted(rows: Iterable[Any]) -> Counter[str]:
    """Rows as text, how often each: whatever a row holds can be counted so."""
    return Counter(json.dumps(row) for row in rows)


def balance(places: list[Any], n: int) -> float:
    """How full the fullest partition is, in shares of the mean."""
    return max(Counter(places).values(), default=0) * n / max(1, len(places))


def valid(places: list[Any], n: int, what: str) -> None:
    """All are numbers of partitions."""
    odd = [place for place in places if not isinstance(place, int) or not 0 <= place < n]
    expect(not odd, expected=f"{what} gives whole numbers from 0 to {n - 1}", seen=f"{show(odd[:3])}")


def test_hash_is_stable(quick):
    """hash_partition(key, n) gives a number from 0 to n-1 for text, whole numbers and None, the same one in each process."""
    one, *others = (part(run, "hashes") for run in quick)
    why = ("Python salts hash() of text anew in each", "asked in another order; what it has seen before must not matter")
    for n, name, places in ((n, name, places) for n, sets in one.items() for name, places in sets.items()):
        valid(places, int(n), f"hash_partition(key, {n})")
        for other, reason in zip(others, why, strict=True):
            differ = sum(a != b for a, b in zip(places, other[n][name], strict=True))
            expect(
                differ == 0,
                expected="the same key goes to the same partition in each process",
                seen=f"{differ:,} of {len(places):,} {name} went elsewhere in another: {reason}",
            )


def test_hash_is_balanced(quick, evidence):
    """Keys that differ are spread evenly: no partition of eight, or six, gets 1.3 times the mean, whatever the keys look like."""
    for n, name, places in ((int(n), name, found) for n, sets in part(quick[0], "hashes").items() for name, found in sets.items()):
        if name == "no key":
            continue
        full = balance(places, n)
        evidence.note(f"{name}: the fullest of {n} partitions has {full:.2f} times the mean")
        sizes = sorted(Counter(places).values(), reverse=True)
        seen = f"{name}: {full:.2f} times the mean; sizes {sizes}"
        expect(full <= MOST, expected=f"at most {MOST} times the mean in {n} partitions", seen=seen)


def test_range_edges(quick):
    """range_partition(key, bounds): a key equal to bounds[i] belongs to partition i, one above all to the last, None to 0."""
    about = part(quick[0], "ranges")
    found = about["edges"]
    expect(
        found == [0, 0, 0, 1, 1, 2, 2, 3],
        expected="keys None, -5, 10, 11, 20, 21, 30, 31 with bounds 10, 20, 30 are in partitions 0 0 0 1 1 2 2 3",
        seen=f"{show(found)}" + ("; a key that equals a bound is one too far" if found[2:3] == [1] else ""),
    )
    expect(
        about["edges of names"] == [0, 0, 0, 1, 1, 2],
        expected="keys None, '', b, c, d, e with bounds b, d are in partitions 0 0 0 1 1 2",
        seen=show(about["edges of names"]),
    )
    expect(about["no bounds"] == [0, 0, 0], expected="without bounds, all keys are in partition 0", seen=show(about["no bounds"]))


def test_range_is_balanced(quick, evidence):
    """range_bounds(sample, n) gives at most n-1 ascending bounds, from any sample in any order, that fill n partitions evenly."""
    for name, what in (("bounds", "numbers"), ("few", "5 None 5 9 5"), ("none", "nothing")):
        are_bounds(part(quick[0], "ranges")[name], what, int, 0 if name == "none" else N - 1)
    filled(part(quick[0], "ranges")["where"], "numbers", evidence)
    are_bounds(part(quick[0], "texts")["bounds"], "names of towns", str, N - 1)
    filled(part(quick[0], "texts")["where"], "names of towns", evidence)


def are_bounds(bounds: list[Any], what: str, kind: type, most: int) -> None:
    """What range_bounds gives are keys, they ascend, and there are not too many."""
    ascending = all(isinstance(bound, kind) for bound in bounds) and all(a < b for a, b in pairwise(bounds))
    expect(ascending, expected="bounds that are keys and ascend, each once", seen=f"of a sample of {what}: {show(bounds)}")
    expect(len(bounds) <= most, expected=f"at most {most} bounds", seen=f"{len(bounds)} of a sample of {what}")


def filled(places: list[Any], what: str, evidence: Any) -> None:
    """No partition by range is too full."""
    valid(places, N, f"range_partition of {what}")
    full = balance(places, N)
    evidence.note(f"{what} by range: the fullest of {N} partitions has {full:.2f} times the mean")
    sizes = [Counter(places)[place] for place in range(N)]
    wanted = f"of {what}, the fullest of {N} partitions has at most {MOST_BY_RANGE} times the mean"
    expect(full <= MOST_BY_RANGE, expected=wanted, seen=f"{full:.2f}; sizes {sizes}")


def test_in_order(spark, seed):
    """in_order(rdd, n): n partitions that hold every record once; read one after the other, the keys ascend, None first."""
    gave = part(spark, "in_order")
    rows = [row for rows in gave for row in rows]
    expect(len(gave) == PARTITIONS, expected=f"{PARTITIONS} partitions", seen=f"{len(gave)}")
    sent = counted(orders.readings(seed))
    lost = list((sent - counted(rows)).elements())
    without = sum(row.startswith("[null") for row in lost)
    hint = f", {without} of them without a key" if without else ""
    expect(not lost, expected="every record is there", seen=f"{len(lost)} of {sum(sent.values()):,} are missing{hint}")
    expect(len(rows) == sent.total(), expected="every record once", seen=f"{len(rows):,} records instead of {sent.total():,}")
    ranks = [(row[0] is not None, row[0] or 0) for row in rows]
    wrong = next((place for place in range(1, len(ranks)) if ranks[place] < ranks[place - 1]), 0)
    seen = f"{show(rows[wrong - 1][0])} is followed by {show(rows[wrong][0])}" if wrong else ""
    inside = any([r[0] or 0 for r in rows] != sorted(r[0] or 0 for r in rows) for rows in gave)
    expect(
        not wrong,
        expected="the keys ascend over all partitions",
        seen=seen + (", inside a partition" if inside else ", between two"),
    )


def test_order_is_balanced(spark, evidence):
    """The partitions of in_order are about equally full: none has more than 1.6 times the mean."""
    sizes = [len(rows) for rows in part(spark, "in_order")]
    full = max(sizes, default=0) * len(sizes) / max(1, sum(sizes))
    evidence.note(f"in_order: partitions of {sizes} records")
    why = "; the bounds come from the first records, which are the smallest" if sizes and sizes[-1] == max(sizes) else ""
    expect(full <= MOST_BY_RANGE, expected=f"none over {MOST_BY_RANGE} times the mean", seen=f"sizes {sizes}{why}")


def test_join_is_right(spark, seed):
    """joined(orders, customers) gives every order once, with its customer's city; an order without a customer has no city."""
    cities = dict(orders.customers(seed))
    sent = counted((order, who, cities.get(who or ""), amount) for order, who, _, amount in orders.orders(seed))
    found = counted(part(spark, "joined"))
    lost, more = sent - found, found - sent
    nobody = sum(count for row, count in lost.items() if json.loads(row)[1] is None)
    seen = (
        f"{lost.total():,} are missing or have another city ({nobody:,} of them without a customer), {more.total():,} are too many"
    )
    expect(not lost and not more, expected=f"the {sent.total():,} orders, each once", seen=seen)


def test_join_is_spread(spark, stack, evidence):
    """No task of the join reads more records from a shuffle than 60 % of the orders, though one customer has two thirds of them."""
    part(spark, "joined")
    log = read(Path(stack.environment()["SPARK_EVENTS"]))
    stages = [stage for job in log.every if job.group not in ("in_order", "save") for stage in job.stages if stage.tasks]
    expect(stages, expected="joined runs in the session that is there", seen="Spark's event log knows of no task for it")
    sizes = sorted(max((stage.read for stage in stages), key=max), reverse=True)
    most = sizes[0]
    evidence.note(f"the tasks of the join's largest stage read {sizes} records")
    expect(
        most <= LIMIT,
        expected=f"no task reads more than {LIMIT:,} records",
        seen=f"one task reads {most:,} of {orders.ORDERS:,}: {crowded(sizes)}; tasks read {sizes}",
    )
    in_batches(stages, evidence)


def crowded(sizes: list[int]) -> str:
    """Why a task reads so much."""
    if len(sizes) > 1 and sizes[0] < 1.5 * sizes[len(sizes) // 2]:
        return "all of them do, so it is no hot key; more copies of the customers than orders?"
    return "the hot customer's orders meet in one partition"


def in_batches(stages: list[Stage], evidence) -> None:
    """What RDDs of Python send is counted in batches; there the bytes show who reads most."""
    reads = [sorted((task.read_bytes for task in stage.tasks), reverse=True) for stage in stages]
    sizes = max((read for read in reads if sum(read) >= LITTLE), key=lambda read: read[0] / sum(read), default=[])
    share = max(sizes, default=0) / max(1, sum(sizes))
    evidence.note(f"the tasks of the stage that is least even in bytes read {sizes}: one reads {share:.0%}")
    seen = f"one task reads {share:.0%} of {sum(sizes):,} bytes: the hot customer's orders meet in one partition; tasks: {sizes}"
    expect(share <= MOST_BYTES, expected="no task reads more than half of the bytes that an RDD sends", seen=seen)


def files_of(folder: Path) -> list[Path]:
    """The Parquet files below a folder."""
    return sorted(path for path in folder.rglob("*.parquet") if not path.name.startswith(("_", ".")))


def saved(folder: Path) -> Counter[str]:
    """The orders in the files, with what the folders' names say; a missing column fails the check."""
    from pyarrow import parquet

    found = Counter[str]()
    for path in files_of(folder):
        named = dict(unquote(step).split("=", 1) for step in path.relative_to(folder).parts[:-1] if "=" in step)
        rows = parquet.ParquetFile(path).read().to_pylist()
        lacking = sorted({*COLUMNS} - {*named, *(rows[0] if rows else COLUMNS)})
        expect(not lacking, expected=f"the orders with {', '.join(COLUMNS)}", seen=f"{path.name} has no {', '.join(lacking)}")
        found += counted([text({**named, **row}[name]) for name in COLUMNS] for row in rows)
    return found


def text(value: object) -> str | None:
    """A value, as a folder's name could hold it."""
    return None if value in (None, "__HIVE_DEFAULT_PARTITION__") else str(value)


def days_of(path: Path) -> tuple[list[str], int]:
    """The days that a reader must expect in a file, by its folder or else its statistics; and its rows."""
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        about = parquet.ParquetFile(path).metadata
    except (OSError, arrow.ArrowException) as error:
        fail(expected="Parquet files", seen=f"{path.name}: {show(str(error))}")
    named = [step.partition("=")[2] for step in path.parts if step.startswith("day=")]
    if named:
        return named[:1], about.num_rows
    column = next((place for place in range(about.num_columns) if about.schema.column(place).name == "day"), None)
    if column is None:
        fail(expected="a column day, or folders day=…", seen=f"{path.parent.name}/{path.name} has {about.schema.names}")
    groups = [about.row_group(place).column(column).statistics for place in range(about.num_row_groups)]
    bounds = [str(value) for group in groups if group and group.has_min_max for value in (group.min, group.max)]
    return ([min(bounds), max(bounds)] if bounds else ["", "~"]), about.num_rows


def test_a_day_is_a_few_files(spark, work, seed, evidence):
    """save(orders, path) writes Parquet of all orders, at most two files a day; for one day at most 3 times its rows are read."""
    part(spark, "save")
    found = [days_of(path) for path in files_of(work.folder / "saved")]
    days = sorted({day for _, _, day, _ in orders.orders(seed)})
    rows = sum(count for _, count in found)
    evidence.note(f"{len(found)} files for {len(days)} days")
    expect(rows == orders.ORDERS, expected=f"{orders.ORDERS:,} orders in Parquet files", seen=f"{rows:,} in {len(found)} files")
    small = "small files: each task writes a file for each value that it meets"
    expect(
        len(found) <= 2 * len(days), expected=f"at most {2 * len(days)} files for {len(days)} days", seen=f"{len(found):,}; {small}"
    )
    lost = counted([text(value) for value in order] for order in orders.orders(seed)) - saved(work.folder / "saved")
    seen = f"{lost.total():,} are not there with all their values, such as {next(iter(lost), '')}"
    expect(not lost, expected="every order with its values", seen=seen)
    asked = Counter(day for _, _, day, _ in orders.orders(seed))
    for day in days:
        opened = [count for span, count in found if min(span) <= day <= max(span)]
        seen = (
            f"for the {asked[day]:,} orders of {day} {sum(opened):,} rows in {len(opened)} of {len(found)} files: little is pruned"
        )
        expect(sum(opened) <= 3 * asked[day], expected="a reader of one day reads at most three times its orders", seen=seen)


if __name__ == "__main__":
    main(__file__)
