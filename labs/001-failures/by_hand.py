"""Run the ingest.c in this folder under one fault, show each system call, then start it again: `by_hand.py kill 17`.

The faults are listed in faults/shim.c; without one, nothing fails.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faults import disk
from faults.bench import Bench, Run, records, words

from delab.compiler import compiler

FAULTS = Path(__file__).parent / "faults"


def show(bench: Bench, run: Run, before: disk.Image) -> None:
    """Every call, how it ended, and what became of the records."""
    played, place = disk.Disk(bench.folder, before), 0
    for call in run.calls:
        if call.name in disk.COUNTED:
            print(f"{place:4} {words(call, played)}")
            place += 1
        elif call.name != "folder":
            print(f"   - {'SIGTERM comes here' if call.name == 'term' else f'{call.name}: {call.text}'}")
        played.apply(call)
    print(f"{run.ended}. OUTPUT has {bench.whole_lines()} of {len(bench.lines)} records: {bench.trouble() or 'all is well'}.")
    print("files:", ", ".join(f"{name} ({len(content)} bytes)" for name, content in sorted(bench.image().items())))


def main() -> None:
    """Build, run under the fault, run again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default="1", help="the seed of the records; a failed check names it")
    parser.add_argument("fault", nargs="*", help="such as: kill 17")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        program = Path(place) / "ingest"
        command = [*compiler(), "-O1", "-Wall", "-pthread", "-include", str(FAULTS / "shim.h"), "-o", str(program), "ingest.c"]
        object_file = Path(place) / "shim.o"
        subprocess.run([*compiler(), "-w", "-c", "-o", str(object_file), str(FAULTS / "shim.c")], check=True)
        if subprocess.run([*command, str(object_file)], check=False).returncode:
            sys.exit("ingest.c does not compile")
        bench = Bench(program, Path(place) / "case", records(asked.seed))
        bench.prepare()
        for fault in (" ".join(asked.fault), ""):
            before = bench.image()
            print(f"\n--- {f'with the fault: {fault}' if fault else 'without a fault'}")
            show(bench, bench.run(fault), before)
            if not asked.fault:
                break


if __name__ == "__main__":
    main()
