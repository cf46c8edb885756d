"""dbt as one process a build: one for each model would pay for dbt's imports and parsing each time."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from airflow.sdk import Variable

from dag_parts import warehouse

PROJECT = Path(__file__).parent.parent.parent / "dbt_project"
SECONDS = 3600
LAST_LINES = 20


def build(select: str, *, state: Path, env: Mapping[str, str] | None = None) -> None:
    """`dbt build --select …` on the warehouse; its output goes to the task's log. Raises RuntimeError with its last words.

    `state` is where dbt writes; kept from build to build, it parses only what has changed. The Airflow variable `dbt_project`
    names another project than the one beside this folder.
    """
    project = Variable.get("dbt_project", default=str(PROJECT))
    state.mkdir(parents=True, exist_ok=True)
    places = ["--project-dir", project, "--profiles-dir", project, "--target-path", str(state), "--log-path", str(state)]
    # A test waits until all that it compares is built: the marts' tests do not run with the staging.
    options = [
        "--indirect-selection",
        "buildable",
        "--no-use-colors",
        "--no-send-anonymous-usage-stats",
        "--log-level-file",
        "none",
    ]
    command = [str(Path(sys.executable).parent / "dbt"), "build", "--select", *select.split(), *places, *options]
    variables = {**os.environ, **warehouse.libpq(), **(env or {})}
    last: deque[str] = deque(maxlen=LAST_LINES)
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
        assert child.stdout
        for line in child.stdout:
            print(line, end="", flush=True)
            last.append(line)
        code = child.wait(SECONDS)
    if code:
        raise RuntimeError(f"dbt build --select {select} ended with exit code {code}; its last words:\n{''.join(last)}")
