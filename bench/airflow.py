"""What Airflow costs: `python bench/airflow.py`. Exits 1 if a bound is broken.

The four components as forks of one process against the same four as the commands that its documentation names, with the same
settings and database; both from a stopped state until the API server calls all of them healthy. Ours and theirs take turns.
"""

import os
import statistics
import subprocess
import sys
import time

from table import Row, report
from verdicts import reference

from delab import process, stack_commands, templates, wait
from delab.local import LocalNode
from delab.services import make

ROUNDS = 3
HEALTHY_SECONDS, STOP_SECONDS, TIMES_BARE, MEMORY_MB, VERDICT_SECONDS = 12, 3, 1.2, 1300, 12
LABS = (86, 88, 91)  # judged without the scheduler, and twice with it
COMMANDS = ("api-server", "scheduler", "dag-processor", "triggerer")


def main() -> int:
    """Print the table; 1 if a bound is broken."""
    services = (make("warehouse", {"kind": "postgres"}), make("airflow", {"database": "warehouse"}))
    stack = templates.Scratch(templates.Plan("bench-airflow", services))
    stack.start()
    try:
        figures = [*rows(stack["airflow"]), *(reference(number, ROUNDS, VERDICT_SECONDS) for number in LABS)]
        return report(f"Airflow (median of {ROUNDS}, {os.cpu_count()} cores)", figures)
    finally:
        stack.destroy()


def rows(node: LocalNode) -> list[Row]:
    """The service's figures."""
    ours, ends, bare, memory = [], [], [], 0.0
    for _ in range(ROUNDS):
        began = time.monotonic()
        node.start()
        ours.append(time.monotonic() - began)
        memory = max(memory, stack_commands.memory(node.running()))
        ended = time.monotonic()
        node.stop()
        ends.append(time.monotonic() - ended)
        bare.append(bare_start(node))
    median = statistics.median(ours)
    return [
        Row("start until all four are healthy, s", median, HEALTHY_SECONDS),
        Row(f"the same, times four commands ({statistics.median(bare):.1f} s)", median / statistics.median(bare), TIMES_BARE),
        Row("stop until all are gone, s", statistics.median(ends), STOP_SECONDS),
        Row("memory once healthy, MB (proportional)", memory, MEMORY_MB),
    ]


def bare_start(node: LocalNode) -> float:
    """Seconds until four commands are healthy."""
    service, place = node.service, node.place
    variables = {**os.environ, **service.environment(place)}
    subprocess.run([sys.executable, "-c", FORGET], env=variables, check=True)
    began, children = time.monotonic(), []
    try:
        for name in COMMANDS:
            skip = ["--skip-serve-logs"] if name in ("scheduler", "triggerer") else []
            command = [sys.executable, "-m", "airflow", name, *skip]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            children.append(subprocess.Popen(command, env=variables, cwd=place.folder, start_new_session=True, **quiet))
        wait.until(node.ready, seconds=180, what="four commands to be healthy")
        return time.monotonic() - began
    finally:
        process.kill(process.all_inside(place.folder))
        for child in children:
            child.wait()


FORGET = "from delab.airflow_main import forget_the_dead; forget_the_dead()"


if __name__ == "__main__":
    sys.exit(main())
