"""How long a verification of a lab's reference takes."""

import statistics

from table import Row

from delab import lab, verify


def reference(number: int, rounds: int, bound: float) -> Row:
    """The median of some verifications, after one that makes the lab's template."""
    subject = lab.get(number)
    work = subject.folder / "solution"
    verify.run(subject, work=work)
    seconds = [verify.run(subject, work=work).seconds for _ in range(rounds)]
    return Row(f"verification of lab {number}'s reference, s", statistics.median(seconds), bound)
