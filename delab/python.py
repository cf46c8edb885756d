"""A Python of this machine in a container: mounted at its own places, run without its environment, whose links lead elsewhere."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ASKED = """
import json, sys, sysconfig
shared = {name: sysconfig.get_config_var(name) for name in ("Py_ENABLE_SHARED", "LIBDIR", "INSTSONAME")}
print(json.dumps({**sysconfig.get_paths(), **shared}))
"""


@cache
def told(python: str) -> dict[str, Any]:
    """Where a Python has its parts."""
    return dict(json.loads(subprocess.run([python, "-c", ASKED], capture_output=True, check=True).stdout))


def program(python: str = sys.executable) -> str:
    """The interpreter itself, past all links."""
    return str(Path(python).resolve())


def places(python: str = sys.executable) -> list[Path]:
    """What it is made of: the program, its library, the installed packages, and its shared library if it is built so."""
    parts = told(python)
    found = [Path(program(python)), *(Path(parts[name]) for name in ("stdlib", "purelib", "platlib"))]
    if parts["Py_ENABLE_SHARED"]:
        found.append(Path(parts["LIBDIR"], parts["INSTSONAME"]))
    return [path for path in dict.fromkeys(found) if path.exists()]


def variables(python: str = sys.executable) -> dict[str, str]:
    """How it finds the packages."""
    return {"PYTHONPATH": told(python)["purelib"], "PYTHONDONTWRITEBYTECODE": "1"}
