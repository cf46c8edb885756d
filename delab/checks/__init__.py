"""What a lab's verify.py is written with.

A check is a pytest function; its docstring is the requirement. It says what is wrong with `fail` or `expect`, and gets what it
needs as fixtures: `work` (the learner's files and how to run them), `stack` (services of this verification's own, with fresh
data), `new_stack` (another one), `seed`, `evidence`. See CONTRIBUTING.md.
"""

import sys
from typing import NoReturn

from delab.checks.database import Database
from delab.checks.failing import CheckFailed, expect, fail, show
from delab.checks.program import Program, Run
from delab.checks.work import Work

__all__ = ["CheckFailed", "Database", "Program", "Run", "Work", "expect", "fail", "main", "show"]


def main(file: str) -> NoReturn:
    """Verify the lab whose verify.py is `file`, as `lab verify` does: the last line of each verify.py."""
    from delab.cli import main as lab

    sys.argv[1:1] = ["verify", file]
    lab()
    raise SystemExit  # not reached: the command line exits with the verdict's code
