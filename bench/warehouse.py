"""What dbt costs: `python bench/warehouse.py`. Exits 1 if a bound is broken.

The whole project at scale 1, built by a warm worker, by the command, and as the same SQL in one session of psql.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from table import Row, report
from verdicts import reference

from delab import templates, warehouse
from delab.data.sinks.postgres import load
from delab.postgres_programs import folder
from delab.services import make
from delab.services.postgres import dsn
from delab.warehouse import Warehouse

ROUNDS, BUILD_SECONDS, AGAIN_SECONDS, TIMES_BARE, TIMES_COMMAND, VERDICT_SECONDS = 3, 30, 20, 60, 0.95, 6
LABS = (70, 26, 82)  # dbt projects, judged: a quick one, and the slowest


def main() -> int:
    """Print the table; 1 if a bound is broken."""
    stack = templates.Scratch(templates.Plan("bench-dbt", (make("primary", {"kind": "postgres"}),)))
    stack.start()
    try:
        with warehouse.worker() as worker, tempfile.TemporaryDirectory() as place:
            house = Warehouse(worker, Path(place), warehouse.postgres(stack["primary"].endpoint))
            return report("Warehouse", [*rows(house, stack), *(reference(number, ROUNDS, VERDICT_SECONDS) for number in LABS)])
    finally:
        stack.destroy()


def rows(house: Warehouse, stack: Any) -> list[Row]:
    """The figures."""
    at = dsn(stack["primary"].endpoint)
    loaded = sum(load(at, "retail", scale=1, seed=1).values())
    first = seconds(lambda: built(house))
    again = min(seconds(lambda: built(house)) for _ in range(ROUNDS))
    whole = min(seconds(lambda: built(house, "--full-refresh")) for _ in range(ROUNDS))
    script = bare_script(house)
    bare = min(seconds(lambda: run_bare(at, script)) for _ in range(ROUNDS))
    command = min(seconds(lambda: by_command(house)) for _ in range(ROUNDS))
    return [
        Row(f"dbt build, {loaded:,} source rows, first time, s", first, BUILD_SECONDS),
        Row("the same, second run (incremental), s", again, AGAIN_SECONDS),
        Row(
            f"full refresh ({whole:.1f} s), times its {script.count(';')} statements by psql ({bare:.2f} s)",
            whole / bare,
            TIMES_BARE,
        ),
        Row(f"second run, times the dbt command ({command:.1f} s)", again / command, TIMES_COMMAND),
    ]


def seconds(work: Callable[[], Any]) -> float:
    """How long it takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def built(house: Warehouse, *arguments: str) -> None:
    """Build, and see that it went well."""
    done = house.build(*arguments)
    assert done.success, [done.exception, *done.bad()]


def bare_script(house: Warehouse) -> str:
    """The compiled SQL of all models and tests, models as the tables and views that they become."""
    nodes = json.loads((house.folder / "manifest.json").read_text())["nodes"].values()
    results = json.loads((house.folder / "run_results.json").read_text())["results"]
    order = [result["unique_id"] for result in results if result.get("compiled_code")]
    kinds = {node["unique_id"]: (node["resource_type"], node["config"].get("materialized")) for node in nodes}
    code = {result["unique_id"]: result["compiled_code"] for result in results}
    return "".join(bare_statement(*kinds.get(one, ("test", "test")), code[one], number) for number, one in enumerate(order))


def bare_statement(kind: str, materialized: str, code: str, number: int) -> str:
    """One node's SQL."""
    if kind == "model":
        what = "VIEW" if materialized == "view" else "TABLE"
        return f"CREATE TEMP {what} bare_{number} AS {code}\n;\n"
    return f"SELECT count(*) FROM ({code}\n) AS found;\n"


def run_bare(at: str, script: str) -> None:
    """All statements in one session of psql."""
    command = [str(folder() / "psql"), at, "-qAt", "-v", "ON_ERROR_STOP=1", "-f", "-"]
    subprocess.run(command, input=script, text=True, check=True, stdout=subprocess.DEVNULL)


def by_command(house: Warehouse) -> None:
    """The same build by the command line, which imports dbt each time."""
    places = ["--project-dir", str(house.project), "--profiles-dir", str(house.project), "--target-path", str(house.folder)]
    places += ["--log-path", str(house.folder)]
    command = [str(Path(sys.executable).parent / "dbt"), "--quiet", "--log-level-file", "none", "build", *places]
    subprocess.run(command, env={"PATH": "/usr/bin:/bin", **house.environment}, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
