"""Building ingest, plain and with the shim, and running campaigns of faults on it (faults/drive_ingest.py does the work)."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delab.checks import expect, fail
from delab.checks.work import read_answer
from delab.compiler import compiler

FAULTS = Path(__file__).parent / "faults"
SOURCE = "ingest.c"
FLAGS = ("-O2", "-w", "-pthread")


@dataclass(frozen=True)
class Programs:
    """What was built: as it is, and with system calls that can be made to fail."""

    plain: Path
    shimmed: Path


def build(work) -> Programs:
    """Compile the learner's program twice."""
    found = Programs(work.run_folder / "ingest", work.run_folder / "ingest-shimmed")
    shim = work.run_folder / "shim.o"
    compile_c(work, "-o", str(found.plain), SOURCE)
    done = work.run_command([*compiler(), *FLAGS, "-c", "-o", str(shim), str(FAULTS / "shim.c")], seconds=90, memory=4096)
    assert done.code == 0, f"shim.c does not compile: {done.err}"
    features = ["-D_GNU_SOURCE"] if "_GNU_SOURCE" in work.text(SOURCE) else []
    compile_c(work, *features, "-include", str(FAULTS / "shim.h"), "-o", str(found.shimmed), SOURCE, str(shim))
    return found


def compile_c(work, *arguments: str) -> None:
    """One run of the compiler on the learner's program."""
    run = work.run_command([*compiler(), *FLAGS, *arguments], seconds=90, memory=4096)
    errors = [line for line in run.err.splitlines() if "error" in line or "undefined" in line] or run.err.splitlines()
    with_shim = " with its system calls replaced (see How it is checked)" if "-include" in arguments else ""
    seen = "\n".join(line[:200] for line in errors[:6]) or run.ended
    expect(run.code == 0 and not run.stopped, expected=f"{SOURCE} compiles{with_shim}", seen=seen)


def campaign(work, programs: Programs, what: str, seed: int) -> dict[str, Any]:
    """Run one campaign; its answer."""
    answer, folder = work.run_folder / "answer.json", work.run_folder / what
    answer.unlink(missing_ok=True)
    command = [sys.executable, "-I", str(FAULTS / "drive_ingest.py"), str(answer), what]
    run = work.run_command([*command, str(programs.shimmed), str(programs.plain), str(folder), str(seed)], seconds=120, file=16)
    return dict(read_answer(answer, run))


def report(found: dict[str, str], seed: int) -> None:
    """Fail the check if a campaign has found something, with the command that shows it."""
    if not found:
        return
    by_hand = f"lab run 1 -- python ../../labs/001-failures/by_hand.py --seed {seed} {found['fault']}" if found["fault"] else ""
    fail(expected=found["expected"], seen=found["seen"], command=by_hand)
