"""The latest complete checkpoint in a folder of Flink's: `python -I -S flink_checkpoints.py FOLDER` prints it; standard library.

FOLDER/JOB/chk-17/_metadata     written last: a checkpoint without it was never completed
"""

import sys
from pathlib import Path


def latest(folder: Path) -> Path | None:
    """The newest complete checkpoint of any job, or None. One that is being removed meanwhile does not count."""
    found = []
    for metadata in folder.glob("*/chk-*/_metadata"):
        try:
            found.append((metadata.stat().st_mtime_ns, int(metadata.parent.name.partition("-")[2]), metadata.parent))
        except (OSError, ValueError):
            continue
    return max(found)[2] if found else None


def main(folder: str) -> int:
    """Print it; without one say so and return 1."""
    if (found := latest(Path(folder))) is None:
        print(f"there is no complete checkpoint in {folder}", file=sys.stderr)
        return 1
    print(found.as_uri())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
