"""Archives of parsed classes, which halve the work of a JVM's start: made once for a Java and its jars, by a rehearsal."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from delab import files, java
from delab.errors import Blocked
from delab.layout import Layout
from delab.local import LocalNode, LocalStack
from delab.services.base import Service


def make(target: Path, title: str, service: Service, class_path: Callable[[], str], rehearse: Callable[[LocalNode], Path]) -> None:
    """Make `target` if it is not there, of the classes in the file that `rehearse` returns; it gets a server of `service` to stop.

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
            java.write_archive(rehearse(started(stack)), class_path(), target)
        finally:
            stack.destroy()


def started(stack: LocalStack) -> LocalNode:
    """The only server of a stack that was not there before."""
    (node,) = stack
    files.make_folder(stack.folder)
    stack.layout = Layout.choose((node.service,))
    files.make_folder(node.place.folder, node.user())
    node.service.create(node.place)
    node.start()
    return node
