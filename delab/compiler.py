"""The C compiler for labs in C: the machine's own, else the packaged one. By hand: `python -m delab.compiler program.c`."""

import importlib.util
import os
import shutil
import subprocess
import sys

from delab.errors import Blocked

NAMES = ("cc", "gcc", "clang")


def system() -> str:
    """The path of the machine's own compiler, or nothing.

    A Mac without the developer tools has a /usr/bin/cc that only asks for them.
    """
    found = next((path for name in NAMES if (path := shutil.which(name))), "")
    return "" if found.startswith("/usr/bin/") and sys.platform == "darwin" and not developer_tools() else found


def developer_tools() -> bool:
    """Whether a Mac has the tools behind /usr/bin/cc."""
    return subprocess.run(["/usr/bin/xcode-select", "-p"], capture_output=True, check=False).returncode == 0


def compiler() -> list[str]:
    """The command that compiles C, to which arguments are appended. Raises Blocked if there is none."""
    if found := system():
        return [found]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise Blocked("there is no C compiler", "`lab start` installs one; or install cc (gcc or clang) by your system's means")


def main() -> None:
    """Become the compiler, with the arguments given."""
    command = [*compiler(), *sys.argv[1:]]
    os.execv(command[0], command)  # noqa: S606 - no shell is the point


if __name__ == "__main__":
    main()
