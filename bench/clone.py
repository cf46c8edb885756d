"""From a fresh clone to the first verdict, with the packages in the clients' caches."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from table import Row, report

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Clone, start lab 2, hand in the reference, verify; print the seconds."""
    with tempfile.TemporaryDirectory(prefix="delab-clone-") as place:
        Path(place).chmod(0o755)
        began = time.perf_counter()
        subprocess.run(["git", "clone", "-q", str(ROOT), f"{place}/delab"], check=True)
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("LAB_", "VIRTUAL_ENV"))}
        make = ["make", "-C", f"{place}/delab"]
        subprocess.run([*make, "lab-2"], check=True, env=clean, stdout=subprocess.DEVNULL)
        shutil.copytree(
            f"{place}/delab/labs/002-replication-lag/solution", f"{place}/delab/work/002-replication-lag", dirs_exist_ok=True
        )
        subprocess.run([*make, "verify-2"], check=True, env=clean)
        seconds = time.perf_counter() - began
        subprocess.run([*make, "down"], check=True, env=clean, stdout=subprocess.DEVNULL)
    return report("A fresh clone", [Row("clone to first verdict, s", seconds, 60)])


if __name__ == "__main__":
    sys.exit(main())
