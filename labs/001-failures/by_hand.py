"""Run the ingest.c in this folder under one fault, show each system call, then start it again: `by_hand.py kill 17`.

The faults are listed in faults/shim.c; without one, nothing fails.
"""

import argparse
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from faults import disk
from faults.bench import Bench, Run, records, words

from delab.compiler import compiler

FAULTS = Path(__file__).parent / "faults"


def told(bench: Bench, run: Run, before: disk.Image) -> Iterator[tuple[str, str]]:
    """Every call: its line, and its sort (what is called, for which file)."""
    played, place = disk.Disk(bench.folder, before), 0
    for call in run.calls:
        if call.name in disk.COUNTED:
            said = words(call, played)
            yield f"{place:4} {said}", said.split(", ")[0]
            place += 1
        elif call.name != "folder":
            yield f"   - {'SIGTERM comes here' if call.name == 'term' else f'{call.name}: {call.text}'}", ""
        played.apply(call)


def show(bench: Bench, run: Run, before: disk.Image) -> None:
    """The calls (of many equal ones the first and the last), how it ended, and what became of the records."""
    for _, group in itertools.groupby(told(bench, run, before), key=lambda line: line[1]):
        lines = [line for line, _ in group]
        print("\n".join(lines if len(lines) < 5 else [lines[0], f"     … {len(lines) - 2} more of these", lines[-1]]))
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
        subprocess.run([*compiler(), "-O1", "-w", "-c", "-o", str(object_file), str(FAULTS / "shim.c")], check=True)
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
