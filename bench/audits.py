"""The audit of labs ten times: no right answer rejected, no wrong one accepted, no verdict that changes.

`ROUNDS=10 .venv/bin/python bench/audits.py 1 2 3` takes these labs, without numbers all.
"""

import os
import sys
import time

from rich.console import Console
from table import Row, report

from delab import auditing, lab

ROUNDS = int(os.environ.get("ROUNDS", "10"))


def main() -> int:
    """Audit, print the table."""
    console, labs = Console(quiet=True), [one for one in lab.everything() if not sys.argv[1:] or str(one.number) in sys.argv[1:]]
    accepted, rejected, other, verdicts = 0, 0, 0, 0
    for number in range(1, ROUNDS + 1):
        begun = time.monotonic()
        for subject, (_, outcomes) in zip(labs, auditing.audits(console, labs), strict=True):
            verdicts += len(outcomes)
            for item in outcomes:
                if not item.problem:
                    continue
                print(f"lab {subject.number}, {item.case.name}: {item.problem}")
                accepted += "passed (seed" in item.problem
                rejected += item.problem.startswith("was rejected (seed")
                other += not ("passed (seed" in item.problem or item.problem.startswith("was rejected (seed"))
        print(f"round {number}: {verdicts} verifications so far, {time.monotonic() - begun:.0f} s", flush=True)
    rows = [
        Row("wrong answers accepted", accepted, 0),
        Row("right answers rejected", rejected, 0),
        Row("other verdicts that were not the promised ones", other, 0),
    ]
    return report(f"{ROUNDS} audits of {len(labs)} labs: {verdicts} verifications", rows)


if __name__ == "__main__":
    sys.exit(main())
