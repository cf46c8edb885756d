"""Two hundred rounds of killing commands and services at random moments (tests/crash.py says what is checked)."""

import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROUNDS = int(os.environ.get("ROUNDS", "200"))


def main() -> int:
    """Run the rounds in places of their own, print the table."""
    with tempfile.TemporaryDirectory(prefix="delab-crash-") as place:
        Path(place).chmod(0o755)
        os.environ.update(LAB_ROOT=str(ROOT / "tests" / "course"), LAB_STATE=f"{place}/state", LAB_WORK=f"{place}/work")
        sys.path.insert(0, str(ROOT / "tests"))
        import crash
        from table import Row, report

        tally = crash.rounds(ROUNDS, seed=1)
        for line in (*tally.failed, *tally.lost, *tally.left):
            print(line)
        rows = [
            Row("commands and services killed", sum(tally.killed.values()), ROUNDS // 4, least=True),
            Row("next commands that failed", len(tally.failed), 0),
            Row("learner's files lost", len(tally.lost), 0),
            Row("processes, folders, locks left behind", len(tally.left), 0),
        ]
        return report(f"{ROUNDS} rounds of kill -9 ({tally.killed})", rows)


if __name__ == "__main__":
    sys.exit(main())
