"""Load parameters in one pass over the log: a class for each stage."""

import heapq
import json
import math
from fractions import Fraction
from pathlib import Path


class Stage:
    """What is known of a stage."""

    def __init__(self):
        self.begin = math.inf
        self.first = {}

    def add(self, event):
        """One more attempt has ended."""
        info = event["Task Info"]
        self.begin = min(self.begin, info["Launch Time"])
        known = self.first.get(info["Partition ID"])
        if event["Task End Reason"]["Reason"] != "Success" or (known and known[1] <= info["Finish Time"]):
            return
        metrics = event["Task Metrics"]
        read = metrics["Input Metrics"]["Records Read"] + metrics["Shuffle Read Metrics"]["Total Records Read"]
        self.first[info["Partition ID"]] = (info["Launch Time"], info["Finish Time"], read)

    @property
    def end(self):
        """When the last task that counts ended."""
        return max(finish for _, finish, _ in self.first.values())

    def row(self):
        """Its parameters."""
        times = [finish - launch for launch, finish, _ in self.first.values()]
        read = [records for _, _, records in self.first.values()]
        ms = self.end - self.begin
        return {
            "throughput": None if ms == 0 else 1000 * sum(read) / ms,
            "tasks": len(read),
            "records": sum(read),
            "ms": ms,
            "p50": nearest(times, 50),
            "p99": nearest(times, 99),
            "max": max(times),
            "skew": max(read) / max(1, nearest(read, 50)),
        }


def nearest(values, percent):
    """The smallest value that so many per cent do not exceed."""
    return heapq.nsmallest(math.ceil(Fraction(percent * len(values), 100)), values)[-1]


def stages(path):
    """All stages, also those where nothing succeeded."""
    found = {}
    for line in Path(path).read_bytes().split(b"\n"):
        if b"SparkListenerTaskEnd" in line:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                break
            found.setdefault(event["Stage ID"], Stage()).add(event)
    return found


def parameters(path):
    """Those in which something did."""
    return {number: stage.row() for number, stage in stages(path).items() if stage.first}


def culprit(path):
    """The worst of those that matter."""
    every = stages(path)
    begin = min(stage.begin for stage in every.values())
    whole = max(stage.end for stage in every.values() if stage.first) - begin
    best = None
    for number, row in sorted(parameters(path).items()):
        if row["ms"] >= whole / 10 and row["skew"] >= 2 and (best is None or row["skew"] > best[0]):
            best = (row["skew"], number)
    return best and best[1]
