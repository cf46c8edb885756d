"""Checks of lab 142: states that can be merged, combiners, a secondary sort, two joins and the best k of each key on RDDs."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sent
from driver import BODY, LARGE, MEMBERS

from delab.checks import expect, fail, main, show
from delab.checks.spark import CLASSIC, Log, Stage, read

HERE = Path(__file__).parent
KILO, MEGA = 1000, 1_000_000
HELD = 90 * MEGA  # what a task may hold beyond what Python itself takes; the values of the hot key alone are 117 MB
MEANS = 40 * KILO  # bytes
TOPS = 600 * KILO  # bytes
TO_DRIVER = 40 * KILO  # bytes
LEAST = 25 * KILO  # bytes that a join of both sides sends at least: a third of what they take
PASSES = 3  # over an input: one to count or sample, one to do it, one for luck


@pytest.fixture(scope="module")
def asked(seed) -> dict[str, Any]:
    """What the functions get."""
    return sent.asked(seed)


@pytest.fixture(scope="module")
def spark(work, stack, asked) -> dict[str, Any]:
    """What the functions give."""
    work.environment.update(stack.environment())
    path = work.run_folder / "asked.json"
    path.write_text(json.dumps(asked))
    return dict(work.call(HERE / "driver.py", str(path), **CLASSIC))


@pytest.fixture(scope="module")
def log(spark, stack) -> Log:
    """What Spark did for them."""
    return read(Path(stack.environment()["SPARK_EVENTS"]))


def part(found: dict[str, Any], name: str) -> Any:
    """The answer of one part. Fails the check if it raised."""
    about = found.get(name) or {"raised": "no answer"}
    if "raised" in about:
        fail(expected=f"the functions run to their end ({name})", seen=f"{about['raised']}")
    return about["gave"]


def cases(asked: dict[str, Any], function: str) -> list[dict[str, Any]]:
    """The cases of a function."""
    return [case for case in asked["cases"] if case["function"] == function]


def stages(log: Log, name: str, step: str) -> list[Stage]:
    """The stages that ran for a case while the function was called (`call`), or when its result was fetched (`result`)."""
    return log.stages(group=f"{name}:{step}")


def moved(log: Log, name: str) -> list[int]:
    """Bytes of each shuffle of a case."""
    every = [*stages(log, name, "call"), *stages(log, name, "result")]
    return [stage.written_bytes for stage in every if stage.written_bytes]


def fetched(log: Log, name: str) -> int:
    """Bytes that the function itself brought to the driver, beyond the metrics that each task sends."""
    return sum(max(0, task.result_bytes - 3 * KILO) for stage in stages(log, name, "call") for task in stage.tasks)


def rows(case: dict[str, Any], found: dict[str, Any], shape: str, *, n: bool = True) -> list[Any]:
    """The records of a case's result. Fails the check if there are not n partitions, or if they are no pairs."""
    gave = part(found, case["name"])["gave"]
    if n:
        expect(len(gave) == case["n"], expected=f"{case['n']} partitions ({case['name']})", seen=f"{len(gave)}")
    all_of_it = [row for rows in gave for row in rows]
    odd = [row for row in all_of_it if not isinstance(row, list) or len(row) != 2 or isinstance(row[0], (list, dict))]
    expect(not odd, expected=f"records {shape} ({case['name']})", seen=f"{show(odd[:1])}")
    return all_of_it


def once(case: dict[str, Any], keys: Iterable[Any]) -> None:
    """Each key is there once."""
    twice = [key for key, count in Counter(map(json.dumps, keys)).items() if count > 1]
    expect(
        not twice, expected=f"each key once ({case['name']})", seen=f"{len(twice)} keys are there again, such as {show(twice[:1])}"
    )


def counted(records: Iterable[Any]) -> Counter[str]:
    """Records as text, how often each: whatever they hold can be counted so."""
    return Counter(json.dumps(record) for record in records)


def close(found: Any, truth: Fraction) -> bool:
    """Whether a number is that one, but for rounding."""
    number = isinstance(found, (int, float)) and not isinstance(found, bool)
    return number and math.isclose(found, truth, rel_tol=1e-9, abs_tol=1e-6)


def exact(values: Iterable[int]) -> Fraction:
    """The mean of values of which there is one at least."""
    numbers = list(values)
    return Fraction(sum(numbers), len(numbers))


def test_states_merge(spark, asked):
    """Whatever groups values come in and in whatever order the groups are merged, mean(state) is their mean; of none, None."""
    for groups, found in zip(asked["states"], part(spark, "states"), strict=True):
        values = [value for group in groups for value in group]
        what = f"groups of {' '.join(str(len(group)) for group in groups)} values"
        if not values:
            expect(all(one is None for one in found), expected=f"None for {what}", seen=show(found))
            continue
        truth = exact(values)
        wrong = [one for one in found if not close(one, truth)]
        if wrong and len(groups) == 1:
            fail(
                expected=f"{float(truth):.3f} for {what}", seen=f"{show(found[0])}, though nothing was merged: look at add and mean"
            )
        of_means = exact([exact(group) for group in groups if group])
        hint = "; that is the mean of the groups' means" if any(close(one, of_means) for one in wrong) else ""
        if len({repr(one) for one in found}) > 1 and wrong:
            hint = hint or "; another order gives another result: merge(a, b) and the grouping must not matter"
        expect(not wrong, expected=f"{float(truth):.3f} for {what}, in each order", seen=f"{show(found)}{hint}")


def test_mean_is_right(spark, asked):
    """mean_by_key(rdd, n) gives (key, mean) once for each key, in n partitions; None is a key like any other."""
    for case in cases(asked, "mean_by_key"):
        truth = sent.means(asked["data"][case["inputs"][0]])
        found = rows(case, spark, "(key, mean)")
        once(case, (key for key, _ in found))
        gave = dict(map(tuple, found))
        lost = [key for key in truth if key not in gave]
        expect(not lost, expected=f"all {len(truth)} keys ({case['name']})", seen=f"missing: {show(lost[:5])}")
        wrong = [key for key in gave if key not in truth or not close(gave[key], truth[key])]
        if wrong:
            key = wrong[0]
            right = f"{float(truth[key]):.6f}" if key in truth else "no such key"
            fail(
                expected=f"the mean of {show(key)} is {right} ({case['name']})",
                seen=f"{show(gave[key])}; {len(wrong)} of {len(gave)} are wrong: {why_mean(gave[key], truth.get(key))}",
            )


def why_mean(found: Any, truth: Fraction | None) -> str:
    """What may have gone wrong with a mean."""
    number = isinstance(found, (int, float)) and truth is not None
    return "it was rounded" if number and abs(found - truth) < 1 else "a mean of means weighs few values like many"


def test_mean_is_combined(spark, log, asked, evidence):
    """mean_by_key adds up before it sends: of 40,000 values at most 40 KB go through shuffles, and no values to the driver."""
    part(spark, "mean_by_key")
    sizes = moved(log, "mean_by_key")
    evidence.note(f"mean_by_key: {len(asked['data']['loads']):,} values, {len(sizes)} shuffle(s) of {sizes} bytes")
    stays(log, "mean_by_key")
    stays(log, sent.MANY_KEYS)
    expect(
        sum(sizes) <= MEANS,
        expected=f"at most {MEANS:,} bytes in shuffles",
        seen=f"{sum(sizes):,} for {len(asked['data']['loads']):,} values: every value moves, though a count and a sum for each key "
        "and task would do",
    )


def stays(log: Log, name: str) -> None:
    """The function does not bring its data to the driver."""
    size = fetched(log, name)
    expect(size <= TO_DRIVER, expected="the data stay in the workers", seen=f"{name} brought {size:,} bytes of them to the driver")


def test_in_order(spark, asked):
    """in_order(rdd, n): every record once, in n partitions; a key's are in one of them, side by side, and their times ascend."""
    for case in cases(asked, "in_order"):
        found = rows(case, spark, "(key, (time, value))")
        lacking(case, counted(asked["data"][case["inputs"][0]]), counted(found))
        gave = part(spark, case["name"])["gave"]
        places = defaultdict(set)
        for place, records in enumerate(gave):
            for key, _ in records:
                places[key].add(place)
        torn = [key for key, where in places.items() if len(where) > 1]
        expect(
            not torn,
            expected=f"all records of a key in one partition ({case['name']})",
            seen=f"those of {show(torn[:1])} are in {len(places[torn[0]]) if torn else 0}: does the partition depend on the time?",
        )
        for records in gave:
            ascend(case, records)


def ascend(case: dict[str, Any], records: list[Any]) -> None:
    """In a partition a key's records stand together, and their times ascend."""
    runs = [key for place, (key, _) in enumerate(records) if not place or records[place - 1][0] != key]
    again = [key for key, count in Counter(runs).items() if count > 1]
    expect(
        not again,
        expected=f"the records of a key side by side ({case['name']})",
        seen=f"other keys stand between those of {show(again[:1])}: sorted by time, or as a text like 'None'?",
    )
    back = next(((a, b) for a, b in pairwise(records) if a[0] == b[0] and a[1][0] > b[1][0]), None)
    expect(
        not back,
        expected=f"times of a key ascend ({case['name']})",
        seen=f"{show(back and back[0])} before {show(back and back[1])}",
    )


def lacking(case: dict[str, Any], truth: Counter[str], found: Counter[str]) -> None:
    """No record is lost, none is too many."""
    lost, more = truth - found, found - truth
    without = sum(count for row, count in lost.items() if row.startswith("[null"))
    unmatched = sum(count for row, count in lost.items() if row.endswith(", null]]"))
    hint = f"; {without:,} of the missing have the key None" if without else ""
    hint += f"; {unmatched:,} of the missing have no partner" if unmatched else ""
    hint += f"; too many is {show(next(iter(more)))}" if more else f"; missing is {show(next(iter(lost)))}" if lost else ""
    seen = f"{lost.total():,} are missing, {more.total():,} are too many{hint}"
    expect(not lost and not more, expected=f"{truth.total():,} records, each once ({case['name']})", seen=seen)


def test_values_are_not_gathered(spark, log, evidence):
    """in_order shuffles once, and no task holds all values of a key: of one with 117 MB at most 90, beyond what Python takes."""
    found = part(spark, LARGE)
    count, size, wrong = (sum(task[place] for task in found["tasks"]) for place in range(3))
    whole = count == MEMBERS and size == MEMBERS * BODY * 8 and not wrong
    seen = f"{count:,} records, {size / MEGA:,.0f} MB, {wrong} before an earlier one"
    expect(whole, expected=f"{MEMBERS:,} records of {BODY * 8:,} characters, times of a key ascending", seen=seen)
    held = max(task[3] for task in found["tasks"]) - found["before"]
    shuffles = {name: len(moved(log, name)) for name in ("in_order", LARGE)}
    evidence.note(f"in_order: a task held {held / MEGA:.0f} MB of {MEMBERS * BODY * 8 / MEGA:.0f} MB; shuffles {shuffles}")
    most = max(shuffles.values())
    expect(
        most <= 1, expected="one shuffle", seen=f"{most}: records move again, and the second shuffle keeps no order of the first"
    )
    stays(log, LARGE)
    expect(
        held <= HELD,
        expected=f"a task holds at most {HELD / MEGA:.0f} MB more than an empty one",
        seen=f"{held / MEGA:.0f} MB: the values of the hot key are gathered in a list before they are sorted",
    )


def join(case: dict[str, Any], spark: dict[str, Any], asked: dict[str, Any], *, n: bool) -> None:
    """A join gives each pair once, and left records without a partner."""
    left, right = (asked["data"][name] for name in case["inputs"])
    found = rows(case, spark, "(key, (a, b))", n=n)
    lacking(case, counted(sent.pairs(left, right)), counted(found))


def test_join_is_right(spark, asked):
    """joined(left, right, n): each left record with each right one of its key, or with None; a key None equals nothing."""
    for case in cases(asked, "joined"):
        join(case, spark, asked, n=True)


def test_join_moves_each_record_once(spark, log, asked, evidence):
    """joined moves both sides through a shuffle: neither is brought to the driver, or read more than three times."""
    about = part(spark, "joined")
    sizes = moved(log, "joined")
    evidence.note(f"joined: {len(sizes)} shuffle(s) of {sizes} bytes")
    most = max(about["passes"])
    expect(
        most <= PASSES,
        expected=f"each side is read at most {PASSES} times",
        seen=f"{most:,.0f} times: each record of one side meets each of the other, as in a nested loop",
    )
    stays(log, "joined")
    seen = f"{sum(sizes):,} bytes in shuffles: the pairs were found in another way, such as each with each"
    expect(sum(sizes) >= LEAST, expected=f"both sides move through a shuffle, at least {LEAST:,} bytes", seen=seen)


def test_small_join_is_right(spark, asked):
    """joined_to_small(left, right) gives the same as joined, in any number of partitions; a key may be there often on the right."""
    for case in cases(asked, "joined_to_small"):
        join(case, spark, asked, n=False)


def test_small_join_moves_nothing(spark, log, evidence):
    """joined_to_small writes nothing for a shuffle: the small side is sent to the workers; the large one stays where it is."""
    about = part(spark, "joined_to_small")
    sizes = moved(log, "joined_to_small")
    evidence.note(f"joined_to_small: {len(sizes)} shuffles, the large side read {about['passes'][0]:.0f} time(s)")
    expect(not sizes, expected="no shuffle", seen=f"{len(sizes)} of {sizes} bytes: both sides move to the partitions of their keys")
    most = max(about["passes"])
    expect(most <= PASSES, expected=f"each side is read at most {PASSES} times", seen=f"{most:,.0f} times, as in a nested loop")
    stays(log, sent.LARGE_LEFT)


def test_top_is_right(spark, asked):
    """top_documents gives each word once with its k best: by count, then the smaller number; delivered twice counts once."""
    for case in cases(asked, "top_documents"):
        documents = asked["data"][case["inputs"][0]]
        truth = sent.best(documents, case["k"])
        found = rows(case, spark, "(word, [(number, count), …])")
        once(case, (word for word, _ in found))
        gave = dict(map(tuple, found))
        lost, more = [word for word in truth if word not in gave], [word for word in gave if word not in truth]
        expect(
            not lost and not more,
            expected=f"{len(truth):,} words ({case['name']})",
            seen=f"missing {show(lost[:3])}, too many {show(more[:3])}",
        )
        wrong = [word for word in truth if gave[word] != truth[word]]
        if wrong:
            word, added = min(wrong, key=len), sent.best(documents, case["k"], added=True)
            why = mistake(gave[word], truth[word], added[word])
            fail(
                expected=f"{show(word)}: {show(truth[word])} ({case['name']})",
                seen=f"{show(gave[word])}{why}; {len(wrong):,} of {len(truth):,} words are wrong",
            )


def mistake(found: Any, truth: list[Any], added: list[Any]) -> str:
    """What may have gone wrong with the best of a word; `added` is what comes out if a second delivery counts."""
    if found == added:
        return "; a document that was delivered twice counts twice"
    if not isinstance(found, list) or not all(isinstance(one, list) and len(one) == 2 for one in found):
        return ""
    numbers = [number for number, _ in found]
    if len(set(map(str, numbers))) < len(numbers):
        return "; a document that was delivered twice is there twice"
    if len(found) < len(truth):
        return "; some are lost"
    if len(found) > len(truth):
        return f"; of {len(found)} documents, {len(truth)} are the k best"
    if [count for _, count in found] == [count for _, count in truth]:
        return "; equal counts are not in the order of their numbers"
    return ""


def test_top_is_combined(spark, log, asked, evidence):
    """top_documents sends at most k documents for each word and task: at most 600 KB in shuffles, and nothing to the driver."""
    part(spark, "top_documents")
    sizes = moved(log, "top_documents")
    evidence.note(f"top_documents: {len(sizes)} shuffle(s) of {sizes} bytes")
    stays(log, "top_documents")
    expect(
        sum(sizes) <= TOPS,
        expected=f"at most {TOPS:,} bytes in shuffles",
        seen=f"{sum(sizes):,}: every posting moves, or every text; a task need send only the {sent.K} best of each word",
    )


if __name__ == "__main__":
    main(__file__)
