"""Run one of PostgreSQL's tools where the data's server runs: `python -I -S inside.py TOOL argument …`.

A data folder beside a file `container` belongs to the server in that container, so the tool runs there, with the same variables.
For any other folder the tool of this machine is run. Standard library only: it stands before every call of pg_ctl.
"""

import json
import os
import sys

OURS = ("PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_", "VIRTUAL_ENV")  # variables that are true on this machine alone
PREFIXES = ("PYTHON", "LD_", "SSL_")
NAMES = ("-D", "--pgdata", "-l", "--log")  # options that name files


def absolute(arguments: list[str]) -> list[str]:
    """The arguments with the paths of data folder and log made absolute."""
    found, path_next = [], False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if path_next:
            argument = os.path.abspath(argument)  # noqa: PTH100
        elif equals and name in NAMES:
            argument = f"{name}={os.path.abspath(value)}"  # noqa: PTH100
        elif argument[:2] in ("-D", "-l") and len(argument) > 2:
            argument = argument[:2] + os.path.abspath(argument[2:])  # noqa: PTH100
        path_next = argument in NAMES
        found.append(argument)
    return found


def data_folder(arguments: list[str]) -> str:
    """The data folder that the arguments or PGDATA name; empty if none does."""
    for place, argument in enumerate(arguments):
        if argument in ("-D", "--pgdata"):
            return arguments[place + 1] if place + 1 < len(arguments) else ""
        if argument.startswith("--pgdata="):
            return argument.partition("=")[2]
        if argument.startswith("-D"):
            return argument[2:]
    return os.environ.get("PGDATA", "")


def container(data: str) -> dict[str, str] | None:
    """The container whose server a data folder belongs to."""
    try:
        with open(os.path.join(os.path.dirname(os.path.realpath(data)), "container")) as file:  # noqa: PTH118, PTH120, PTH123
            return json.load(file) if data else None
    except (OSError, ValueError):
        return None


def main() -> None:
    """Become the tool, here or there."""
    tool, arguments = sys.argv[1], absolute(sys.argv[2:])
    there = container(data_folder(arguments))
    if there is None:
        os.execv(tool, [tool, *sys.argv[2:]])  # noqa: S606
    command = ["docker", "exec", "-i", "-u", there["user"], "-w", "/tmp"]  # noqa: S108
    for name in os.environ:
        if name not in OURS and not name.startswith(PREFIXES):
            command += ["-e", name]
    program = f"{there['programs']}/{os.path.basename(tool)}"  # noqa: PTH119
    os.execvp("docker", [*command, there["container"], program, *arguments])  # noqa: S606


if __name__ == "__main__":
    main()
