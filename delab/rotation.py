"""Which labs an audit takes first that has no time for all: what the last commit changed, then others with each commit.

`python -m delab.rotation KIND …` prints the labs that need services of these kinds and of no others.
"""

import subprocess
import sys
from collections.abc import Sequence, Set
from pathlib import Path

from delab import lab


def order(chosen: Sequence[lab.Lab]) -> list[lab.Lab]:
    """The labs that the last commit changed, then the others, beginning at a place that its hash gives. As they are without git."""
    place = chosen[0].folder if chosen else Path()
    commit, changed = git(place, "rev-parse", "HEAD").strip(), git(place, "diff", "--name-only", "HEAD~1", "HEAD").split()
    touched = {name.split("/")[1] for name in changed if name.startswith("labs/")}
    first = int(commit[:8], 16) % len(chosen) if commit and chosen else 0
    return sorted([*chosen[first:], *chosen[:first]], key=lambda subject: subject.slug not in touched)


def git(place: Path, *words: str) -> str:
    """What git says there, or nothing."""
    try:
        return subprocess.run(["git", *words], cwd=place, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def among(chosen: Sequence[lab.Lab], kinds: Set[str]) -> list[lab.Lab]:
    """The labs that have services in processes of their own, all of these kinds."""
    needed = {subject.slug: {one.kind() for one in subject.services() if not one.embedded} for subject in chosen}
    return [subject for subject in chosen if needed[subject.slug] and needed[subject.slug] <= kinds]


if __name__ == "__main__":
    print(*(subject.number for subject in among(lab.everything(), {*sys.argv[1:]})), sep="\n")
