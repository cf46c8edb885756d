"""`lab verify` and `lab verify-all`. What draws on the terminal is imported while the verifier runs already."""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from delab import files, lab, packs, paths, progress, projects
from delab import verify as verifying
from delab.checks.result import Result

if TYPE_CHECKING:
    from rich.console import Console

Terminal = Callable[[], "Console"]


def verify(terminal: Terminal, subject: lab.Lab, *, as_json: bool, junit: Path | None, seed: int | None, work: Path | None) -> int:
    """Verify, show, remember; returns the exit code."""
    packs.ensure(subject.packs())
    packs.images(subject.services())
    projects.ahead(subject)
    show = (lambda _: None) if as_json else partial(show_check, terminal)
    result = verifying.run(subject, work=work, seed=seed, junit=junit, heard=show, meanwhile=None if as_json else terminal)
    if work is None:
        progress.record(result)
    keep(result)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n")
    else:
        show_all(terminal(), subject, result)
    return result.exit_code


def show_check(terminal: Terminal, event: dict[str, Any]) -> None:
    """A line for a check that has ended."""
    from delab import report

    terminal().print(report.check_line(event["name"], event["outcome"], event["seconds"]))


def show_all(console: "Console", subject: lab.Lab, result: Result) -> None:
    """The verdict, and where the pictures are."""
    from delab import report

    report.show_result(console, subject, result)
    if any(check.plots for check in result.checks):
        from delab import pictures

        for path in pictures.save(result, results(result.slug)):
            console.print(f"   a picture of it: {os.path.relpath(path)}", soft_wrap=True)


def keep(result: Result) -> None:
    """Keep the last result of each lab."""
    files.write_atomic(results(result.slug) / "last.json", msgspec.json.encode(result))


def results(slug: str) -> Path:
    """The folder of a lab's results."""
    place = paths.state() / "results" / slug
    place.mkdir(parents=True, exist_ok=True)
    return place


def verify_all(terminal: Terminal) -> int:
    """Verify every lab passed so far; returns the worst exit code."""
    passed = [number for number, reached in sorted(progress.read().items()) if reached.passed]
    if not passed:
        terminal().print("You have not passed a lab yet: make labs shows them.")
    codes = [verify(terminal, lab.get(number), as_json=False, junit=None, seed=None, work=None) for number in passed]
    return max(codes, default=0)
