"""This Python in a container: mounted at its own places, and run without the virtual environment, whose links lead elsewhere."""

import sys
import sysconfig
from pathlib import Path


def program() -> str:
    """The interpreter itself, past all links."""
    return str(Path(sys.executable).resolve())


def places() -> list[Path]:
    """What it is made of: the program, its library, the installed packages, and its shared library if it is built so."""
    found = [Path(program()), *(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))]
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        found.append(Path(sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("INSTSONAME")))
    return [path for path in dict.fromkeys(found) if path.exists()]


def variables() -> dict[str, str]:
    """How it finds the packages."""
    return {"PYTHONPATH": sysconfig.get_path("purelib"), "PYTHONDONTWRITEBYTECODE": "1"}
