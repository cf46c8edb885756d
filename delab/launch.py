"""Start one program under a record, a user and limits: `python -I -S launch.py '{"record": …}' program argument …`.

It becomes the program (exec), so the process id stays. The record is on disk before the program runs, and the caller's lock
(`lock_fd`) is held until that moment: whoever takes the lock next sees every process that there is. Standard library only,
because it runs before each service and each of the learner's programs, and its start-up time is theirs.
"""

import contextlib
import json
import os
import resource
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def write_record(path: str) -> None:
    """Put this process's id into `path`, atomically."""
    draft = f"{path}.{os.getpid()}"
    with open(draft, "w") as file:  # noqa: PTH123 - importing pathlib costs 10 ms here
        json.dump({"pid": os.getpid()}, file)
    os.replace(draft, path)  # noqa: PTH105


def redirect(log: str) -> None:
    """Send standard output and error to the end of `log`; read nothing."""
    null = os.open(os.devnull, os.O_RDONLY)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
    for source, target in ((null, 0), (file, 1), (file, 2)):
        os.dup2(source, target)


def limit(limits: dict[str, int]) -> None:
    """Apply resource limits by their names (`as`, `cpu`, `fsize`, `core`); one the system refuses is left as it is."""
    for name, value in limits.items():
        kind = getattr(resource, f"RLIMIT_{name.upper()}")
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (value, value))


def drop(user: list[int]) -> None:
    """Become the user and group given, and no other group."""
    os.setgroups([])
    os.setgid(user[1])
    os.setuid(user[0])
    if not os.access(".", os.X_OK):
        os.chdir("/")


def carry_out(plan: "dict[str, Any]") -> None:
    """Do all that a plan asks for."""
    if plan.get("session"):
        os.setsid()
    if plan.get("cwd"):
        os.chdir(plan["cwd"])
    if plan.get("record"):
        write_record(plan["record"])
    if plan.get("user"):
        drop(plan["user"])
    if plan.get("log"):
        redirect(plan["log"])
    limit(plan.get("limits", {}))
    if plan.get("lock_fd") is not None:
        os.set_inheritable(plan["lock_fd"], False)
    if plan.get("umask") is not None:
        os.umask(plan["umask"])


def main() -> None:
    """Do all that the first argument asks for, then become the program."""
    carry_out(json.loads(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
