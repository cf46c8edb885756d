"""Runs dbt without paying for its imports twice.

`python -m delab.dbt_worker postgres` imports it and the adapters named once, and forks a process for each build.

A request is a line of JSON on stdin, the answer one on stdout:

    {"arguments": […], "environment": {…}, "log": PATH, "seconds": N, "limits": {"memory": MiB, "file": MiB}}
    {"success": …, "exception": …, "nodes": [{"id", "status", "message", "failures", "rows", "seconds"}, …]}

A build that takes too long is killed, and so is one whose asker has gone. Each runs in a process of its own, so that neither
variables nor dbt's caches get from one to the next.
"""

import contextlib
import functools
import importlib
import json
import multiprocessing
import os
import resource
import select
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CHUNK = 1 << 16
CHECKED = {
    "contracts.project": ("Configuration", "PackageConfig", "ProfileConfig", "Project", "ProjectFlags"),
    "contracts.selection": ("SelectorFile",),
    "contracts.graph.nodes": ("GenericTestNode", "ModelNode", "SingularTestNode"),
    "contracts.graph.unparsed": ("UnparsedModelUpdate", "UnparsedSourceDefinition"),
    "artifacts.resources": ("Contract", "ModelConfig", "SourceConfig", "TestConfig"),
    "task.test": ("TestResultData",),
}
REHEARSED = {
    "dbt_project.yml": "name: rehearsal\nprofile: rehearsal\n",
    "profiles.yml": """
        rehearsal:
          target: none
          outputs: {none: {type: postgres, host: none, port: 1, user: none, password: none, dbname: none, schema: none}}
    """,
    "models/one.sql": "SELECT 1 AS id",
    "models/one.yml": "models: [{name: one, description: One., columns: [{name: id, data_tests: [unique]}]}]",
}


@functools.cache
def preload(*adapters: str) -> None:
    """Import dbt and adapters, and make what each build would make anew."""
    share_locks()
    import dbt.cli.main
    import dbt.task.build  # noqa: F401 - imported here for the children

    for adapter in adapters:
        importlib.import_module(f"dbt.adapters.{adapter}")
    describe()
    quicken()
    if "postgres" in adapters:
        rehearse()


def main() -> None:
    """Answer requests until there are no more."""
    preload(*sys.argv[1:])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in iter(sys.stdin.readline, ""):
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
    os._exit(0)  # taking the interpreter apart would be felt by who waits


def rehearse() -> bool:
    """Have dbt parse a project, so that no build parses dbt's own macros again: those take most of the time of a small one.

    dbt keeps the macros that it has parsed, by their text, if its own tests ask for that; it begins each call without the adapter,
    flags and variables of the last. The second time reads what the first has written, as each second build does. The static parser
    of dbt is left out: a library in Rust, whose locks do not bear a later fork.
    """
    from dbt.cli.main import dbtRunner
    from dbt_common.tests import enable_test_caching

    enable_test_caching()
    with tempfile.TemporaryDirectory(prefix="dbt-") as place, contextlib.redirect_stdout(sys.stderr):
        for name, text in REHEARSED.items():
            path = Path(place, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        places = [f"--{name}={place}" for name in ("project-dir", "profiles-dir", "log-path", "target-path")]
        quiet = ["--quiet", "--no-send-anonymous-usage-stats", "--log-level-file=none", "--no-static-parser"]
        return all(dbtRunner().invoke(["parse", *places, *quiet]).success for _ in range(2))


def share_locks() -> None:
    """Have dbt make locks that need no name, before it makes the first.

    dbt asks for locks that a spawned process could find by their names in /dev/shm, though it has only threads. A child that is
    killed, or ends as ours do, leaves them there; and for the names Python starts a process of its own in each build.
    """
    import dbt.mp_context

    dbt.mp_context._MP_CONTEXT = multiprocessing.get_context("fork")  # type: ignore[assignment]


def describe() -> None:
    """Make the JSON schemas by which a build checks its configuration: dbt makes each once a process, a third of a build."""
    for module, names in CHECKED.items():
        known = importlib.import_module(f"dbt.{module}")
        for name in names:
            if hasattr(known, name):
                getattr(known, name).json_schema()


def quicken() -> None:
    """Save a fifth of a small build, and change nothing that comes out.

    dbt writes its manifest twice, piece by piece and so without the quick half of Python's JSON; and for each flag of an adapter it
    looks through the source of all callers for the name of a module, which it only logs.
    """
    import dbt.artifacts.schemas.base as schemas
    from dbt_common.behavior_flags import BehaviorFlagRendered

    schemas.write_json = write_json  # type: ignore[attr-defined]
    BehaviorFlagRendered._default_source = staticmethod(lambda: "dbt.adapters")  # type: ignore[method-assign]


def write_json(path: str, data: dict[str, Any]) -> bool:
    """What dbt's function of this name does."""
    from dbt_common.utils.encoding import JSONEncoder

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(data, cls=JSONEncoder), encoding="utf-8")
    return True


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Fork, run, and wait for what the child says of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        run(request, writing)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)  # both do it: whoever comes first
    os.close(writing)
    try:
        said = collected(reading, float(request["seconds"]))
    except TimeoutError as error:
        said = b""
        return failed(str(error))
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(reading)
    return json.loads(said) if said else failed(f"dbt ended with status {status} and said nothing")


def collected(reading: int, seconds: float) -> bytes:
    """All that the child writes. Raises TimeoutError if it takes too long, SystemExit if nobody waits for it any more."""
    end, said, watched = time.monotonic() + seconds, b"", [reading, sys.stdin.fileno()]
    while True:
        ready, _, _ = select.select(watched, [], [], max(0, end - time.monotonic()))
        if reading in ready:
            part = os.read(reading, CHUNK)
            said += part
            if not part:
                return said
        elif ready:
            if not os.read(watched[1], CHUNK):
                raise SystemExit(0)
        else:
            raise TimeoutError(f"it took longer than {seconds:g} s")


def failed(why: str) -> dict[str, Any]:
    """The answer when there is none from dbt."""
    return {"success": False, "exception": why, "nodes": []}


def run(request: dict[str, Any], writing: int) -> None:
    """In the child: run dbt with its words in the log, say how it went, and end."""
    code = 1
    try:
        os.setpgid(0, 0)
        os.environ.update(request["environment"])
        log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        limit(request.get("limits", {}))
        with os.fdopen(writing, "w") as out:
            json.dump(outcome(request["arguments"]), out)
        code = 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def limit(limits: dict[str, int]) -> None:
    """Bound the address space and the size of a file, in MiB; what the system refuses is left as it is."""
    for name, kind in (("memory", resource.RLIMIT_AS), ("file", resource.RLIMIT_FSIZE)):
        if name in limits:
            with contextlib.suppress(ValueError, OSError):
                resource.setrlimit(kind, (limits[name] << 20, limits[name] << 20))


def outcome(arguments: list[str]) -> dict[str, Any]:
    """Run dbt through its Python API."""
    from dbt.cli.main import dbtRunner

    done = dbtRunner().invoke(arguments)
    nodes = [node_result(result) for result in getattr(done.result, "results", None) or ()]
    return {"success": done.success, "exception": str(done.exception or ""), "nodes": nodes}


def node_result(result: Any) -> dict[str, Any]:
    """What is told of one model, test, snapshot or source."""
    node = getattr(result, "node", None)
    response = getattr(result, "adapter_response", None) or {}
    return {
        "id": getattr(node, "unique_id", ""),
        "status": str(getattr(result, "status", "")),
        "message": str(getattr(result, "message", "") or ""),
        "failures": getattr(result, "failures", None) or 0,
        "rows": int(response.get("rows_affected") or 0),
        "seconds": float(getattr(result, "execution_time", 0) or 0),
    }


if __name__ == "__main__":
    main()
