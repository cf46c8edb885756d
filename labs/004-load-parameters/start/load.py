"""Load parameters of a Spark job, from its event log. It runs; hardly a number is right."""

import json
import os
from pathlib import Path


def parameters(path):
    """For each stage: tasks, records, ms, throughput, p50, p99, max, skew."""
    stages = {}
    with Path(path).open() as lines:
        for event in map(json.loads, lines):
            if event["Event"] == "SparkListenerTaskEnd":
                stages.setdefault(event["Stage ID"], []).append(event)
    return {stage: of_stage(tasks) for stage, tasks in stages.items()}


def of_stage(tasks):
    """The parameters of one stage."""
    times = [task["Task Info"]["Finish Time"] - task["Task Info"]["Launch Time"] for task in tasks]
    records = [task["Task Metrics"]["Input Metrics"]["Records Read"] for task in tasks]
    mean = sum(times) / len(times)
    return {
        "tasks": len(tasks),
        "records": sum(records),
        "ms": sum(times),
        "throughput": sum(records) * 1000 / max(1, sum(times)),
        "p50": mean,
        "p99": mean,
        "max": max(times),
        "skew": max(records) * len(records) / max(1, sum(records)),
    }


def culprit(path):
    """The stage whose skew matters, or None."""
    found = parameters(path)
    return max(found, key=lambda stage: found[stage]["skew"])


if __name__ == "__main__":  # lab run 4 -- python load.py: the newest log of `lab run 4 -- python job.py`
    log = max(Path(os.environ["SPARK_EVENTS"]).iterdir(), key=os.path.getmtime)
    for number, row in parameters(log).items():
        print(number, row)
    print("culprit:", culprit(log))
