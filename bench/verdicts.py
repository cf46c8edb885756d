"""How long a verification of a lab's reference takes."""

import statistics

from table import Row

from delab import daemons, lab, process, verify


def reference(number: int, rounds: int, bound: float) -> Row:
    """The median of some verifications while the lab is up, after one that makes its template and waits for the imports."""
    subject = lab.get(number)
    work = subject.folder / "solution"
    daemons.begin(subject)
    try:
        verify.run(subject, work=work)
        seconds = [verify.run(subject, work=work).seconds for _ in range(rounds)]
    finally:
        process.kill(daemons.running())
    return Row(f"verification of lab {number}'s reference, s", statistics.median(seconds), bound)
