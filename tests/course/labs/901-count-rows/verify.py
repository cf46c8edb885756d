"""Checks of lab 901: Count rows."""

import random

from delab.checks import Work, expect, main


def test_counts(work: Work, seed: int) -> None:
    """`count.py` prints the number of data rows of the CSV text on its standard input."""
    rows = random.Random(seed).randint(3, 500)
    text = "id\n" + "".join(f"{row}\n" for row in range(rows))
    lines = work.run("count.py", stdin=text, seconds=4).succeeded().lines()
    said = f"it printed {lines[0]!r}" if lines else "it printed nothing"
    hint = ", one too many: was the header counted?" if lines == [str(rows + 1)] else ""
    expect(lines == [str(rows)], expected=f"the line {rows}", seen=said + hint)


if __name__ == "__main__":
    main(__file__)
