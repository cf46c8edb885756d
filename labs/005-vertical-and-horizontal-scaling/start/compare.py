"""Compare small, large and several, with your scaling.py: `lab run 5 -- python compare.py` (`… compare.py remove` ends it)."""

import json
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import scaling

PROJECT, IMAGE = "lab5", "delab/lab5:latest"
REQUESTS, AT_ONCE = 40, 8
LAYOUTS = {"small": (1, 0.25, 64), "vertical": (1, 0.75, 192), "horizontal": (3, 0.25, 64)}  # replicas, processors, MiB


def ask(url, number, **options):
    """One request; its answer, or None if it is lost."""
    query = "&".join(f"{key}={value}" for key, value in {"cpu": 0.04, "serial": 0.01, **options}.items())
    try:
        with urllib.request.urlopen(f"{url}/work?id={number}&{query}", timeout=120) as answer:
            return json.load(answer)
    except OSError:
        return None


def run(name, replicas, cpus, memory):
    """One layout: bring it up, load it, ask for something big; a row of the table."""
    url = scaling.deploy(PROJECT, IMAGE, 1, cpus, memory)
    scaling.scale_up(PROJECT, cpus, memory)
    scaling.scale_out(PROJECT, replicas)
    answers = []

    def load():
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers.extend(pool.map(lambda number: ask(url, f"{name}-{number}"), range(REQUESTS)))

    began = time.monotonic()
    measured = scaling.measure(PROJECT, load)
    took, done = time.monotonic() - began, [answer for answer in answers if answer]
    return {
        "layout": name,
        "replicas": replicas,
        "cpus": cpus,
        "MiB": memory,
        "requests/s": round(len(done) / took, 1),
        "lost": REQUESTS - len(done),
        "cpu s": round(sum(row["cpu_seconds"] for row in measured.values()), 2),
        "throttled": sum(row["throttled_periods"] for row in measured.values()),
        "can be x times as quick": round(scaling.speedup(done, replicas), 2),
        "96 MiB": "yes" if ask(url, f"{name}-big", mb=96) else "no",
    }


def main():
    if sys.argv[1:] == ["remove"]:
        return scaling.remove(PROJECT)
    rows = [run(name, *layout) for name, layout in LAYOUTS.items()]
    widths = {key: max(len(key), *(len(str(row[key])) for row in rows)) for key in rows[0]}
    for row in [dict(zip(widths, widths, strict=True)), *rows]:
        print("  ".join(str(row[key]).rjust(width) for key, width in widths.items()))
    print("Kill one while you ask (docker exec NAME sh -c 'kill -9 -1'), and look what is lost in each layout.")


if __name__ == "__main__":
    main()
