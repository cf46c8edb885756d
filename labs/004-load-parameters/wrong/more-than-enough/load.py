"""Load parameters of a Spark job, from its event log."""

import json
import os
from pathlib import Path


def attempts(path):
    """The ends of tasks: stage, partition, launch, finish (ms), records, success. Half a line is left out."""
    with Path(path).open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event.get("Event") != "SparkListenerTaskEnd":
                continue
            about, metrics = event["Task Info"], event.get("Task Metrics") or {}
            yield {
                "stage": event["Stage ID"],
                "partition": about["Partition ID"],
                "launch": about["Launch Time"],
                "finish": about["Finish Time"],
                "ms": about["Finish Time"] - about["Launch Time"],
                "records": metrics.get("Input Metrics", {}).get("Records Read", 0)
                + metrics.get("Shuffle Read Metrics", {}).get("Total Records Read", 0),
                "well": event["Task End Reason"]["Reason"] == "Success",
            }


def counting(every):
    """For each partition of a stage the attempt that succeeded first."""
    first = {}
    for one in sorted(every, key=lambda one: one["finish"]):
        if one["well"]:
            first.setdefault((one["stage"], one["partition"]), one)
    return list(first.values())


def percentile(values, percent):
    """The nearest rank, in whole numbers: no rounding of 0.99 * n."""
    return sorted(values)[-(-percent * len(values) // 100) - 1]


def of_stage(every, tasks):
    """The parameters of one stage, from all its attempts and those that count."""
    times, records = [one["ms"] for one in tasks], [one["records"] for one in tasks]
    ms = max(one["finish"] for one in tasks) - min(one["launch"] for one in every)
    return {
        "tasks": len(tasks),
        "records": sum(records),
        "ms": ms,
        "throughput": sum(records) / (ms / 1000) if ms else None,
        "p50": percentile(times, 50),
        "p99": percentile(times, 99),
        "max": max(times),
        "skew": max(records) / max(1, percentile(records, 50)),
    }


def parameters(path):
    """For each stage with a task that succeeded: its load parameters."""
    every = list(attempts(path))
    good = counting(every)
    return {
        stage: of_stage([one for one in every if one["stage"] == stage], [one for one in good if one["stage"] == stage])
        for stage in sorted({one["stage"] for one in good})
    }


def culprit(path):
    """The stage with the worst skew, 2 or more, of those that take a tenth of the application's time; else None."""
    every = list(attempts(path))
    whole = max(one["finish"] for one in counting(every)) - min(one["launch"] for one in every)
    matter = [(-row["skew"], stage) for stage, row in parameters(path).items() if row["ms"] * 10 > whole and row["skew"] > 2]
    return min(matter)[1] if matter else None


if __name__ == "__main__":  # lab run 4 -- python load.py
    log = max(Path(os.environ["SPARK_EVENTS"]).iterdir(), key=os.path.getmtime)
    for number, row in parameters(log).items():
        print(number, row)
    print("culprit:", culprit(log))
