"""Archives of parsed classes, which halve the work of a JVM's start: made once for a Java and its jars, by a rehearsal."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from delab import java
from delab.errors import Blocked
from delab.local import LocalStack
from delab.services.base import Service


def make(target: Path, title: str, service: Service, class_path: Callable[[], str], rehearse: Callable[[LocalStack], Path]) -> None:
    """Make `target` if it is not there, of the classes that `rehearse` lists: it gets a stack of `service` alone, returns the file.

    Where another command is making it, and takes for ever, this one does without: an archive is a help, and no need.
    LAB_ARCHIVES=no does without, too: for a state that lives shorter than the archive takes to make.
    """
    if target.exists() or os.environ.get("LAB_ARCHIVES") == "no":
        return
    stack = LocalStack(target.stem, target.with_suffix(".new"), (service,))
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(stack.lock())
        except Blocked:
            return
        if target.exists():
            return
        print(f"preparing {title} for quick starts", file=sys.stderr)
        stack.destroy()
        try:
            java.write_archive(rehearse(stack), class_path(), target)
        finally:
            stack.destroy()
