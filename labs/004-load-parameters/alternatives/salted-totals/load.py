"""Load parameters with NumPy: its `inverted_cdf` is the nearest rank."""

import contextlib
import json
from pathlib import Path

import numpy as np

STAGE, PARTITION, LAUNCH, FINISH, RECORDS, WELL = range(6)


def table(path):
    """One row for each attempt: stage, partition, launch, finish, records, success; by finish."""
    rows = []
    for line in Path(path).read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            event = json.loads(line)
            if event["Event"] == "SparkListenerTaskEnd":
                rows.append(row(event))
    made = np.array(rows, dtype=np.int64).reshape(-1, 6)
    return made[np.argsort(made[:, FINISH], kind="stable")]


def row(event):
    """The six numbers of an attempt."""
    about, metrics = event["Task Info"], event.get("Task Metrics", {})
    read = metrics["Input Metrics"]["Records Read"] + metrics["Shuffle Read Metrics"]["Total Records Read"]
    well = event["Task End Reason"]["Reason"] == "Success"
    return event["Stage ID"], about["Partition ID"], about["Launch Time"], about["Finish Time"], read, well


def successes(rows):
    """The first success of each partition."""
    good = rows[rows[:, WELL] == 1]
    _, places = np.unique(good[:, [STAGE, PARTITION]], axis=0, return_index=True)
    return good[places]


def parameters(path):
    """For each stage with a success."""
    rows = table(path)
    good = successes(rows)
    found = {}
    for stage in np.unique(good[:, STAGE]):
        tasks = good[good[:, STAGE] == stage]
        ms = tasks[:, FINISH].max() - rows[rows[:, STAGE] == stage][:, LAUNCH].min()
        took, read = tasks[:, FINISH] - tasks[:, LAUNCH], tasks[:, RECORDS]
        p50, p99 = np.percentile(took, [50, 99], method="inverted_cdf")
        middle = np.percentile(read, 50, method="inverted_cdf")
        found[int(stage)] = {
            "tasks": len(tasks),
            "records": read.sum(),
            "ms": ms,
            "throughput": read.sum() / ms * 1000 if ms else None,
            "p50": p50,
            "p99": p99,
            "max": took.max(),
            "skew": read.max() / max(1, middle),
        }
    return found


def culprit(path):
    """The largest skew from 2 among stages with a tenth of the time."""
    rows = table(path)
    whole = successes(rows)[:, FINISH].max() - rows[:, LAUNCH].min()
    matter = {stage: row for stage, row in parameters(path).items() if row["ms"] / whole >= 0.1 and row["skew"] >= 2}
    return min(matter, key=lambda stage: (-matter[stage]["skew"], stage), default=None)
