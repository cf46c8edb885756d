"""Runs dbt without paying for its imports twice: `python -m delab.dbt_worker` imports it once and forks a process for each build.

A request is a line of JSON on stdin, the answer one on stdout:

    {"arguments": […], "environment": {…}, "log": PATH, "seconds": N, "limits": {"memory": MiB, "file": MiB}}
    {"success": …, "exception": …, "nodes": [{"id", "status", "message", "failures", "rows", "seconds"}, …]}

A build that takes too long is killed, and so is one whose asker has gone. Each runs in a process of its own, so that neither
variables nor dbt's caches get from one to the next.
"""

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

CHUNK = 1 << 16


def main() -> None:
    """Answer requests until there are no more."""
    import dbt.adapters.duckdb
    import dbt.adapters.postgres
    import dbt.cli.main
    import dbt.task.build  # noqa: F401 - imported here for the children

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    prepare_classes()
    for line in iter(sys.stdin.readline, ""):
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


def prepare_classes() -> None:
    """Have dbt's data classes make their converters and JSON schemas now: they do so when first used, which is in each child.

    Half of the processor time of a small build goes there. Running dbt itself in the parent would do it too, but leaves locks
    behind on which children wait for ever.
    """
    from dbt.adapters.postgres.connections import PostgresCredentials
    from dbt.contracts import project
    from dbt_common.dataclass_schema import dbtClassMixin

    mine = ("dbt.contracts", "dbt.artifacts", "dbt.adapters.postgres", "dbt.adapters.contracts")
    for kind in [kind for kind in dict.fromkeys(descendants(dbtClassMixin)) if kind.__module__.startswith(mine)]:
        if kind.__name__ == "Manifest":
            continue  # holds semaphores, for which Python would start a process of its own
        with contextlib.suppress(Exception):  # an empty one is refused, after the converter is made
            kind.from_dict({})
        with contextlib.suppress(Exception):
            kind.to_dict(object.__new__(kind))
    for kind in (project.Project, project.ProfileConfig, project.ProjectFlags, PostgresCredentials):
        with contextlib.suppress(Exception):
            kind.json_schema()


def descendants(kind: Any) -> Iterator[Any]:
    """All classes made from one."""
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


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
