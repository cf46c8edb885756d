"""Runs the learner's `ingest` in folders of its own, with and without faults, and says what became of the records."""

import os
import random
import shutil
import signal
import string
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from faults import disk

INPUT, OUTPUT, STATE = "records.txt", "out.txt", "state"
RECORDS = 160
BATCH = 50  # records that may be written a second time after a kill, or after SIGTERM before the end
LONGEST = 1000  # bytes of a record
SHIMMED, REAL = 5, 30  # seconds that a run may take: without, and with real disks
SCALE = float(os.environ.get("LAB_TIMEOUT_SCALE", "1"))


@dataclass(frozen=True)
class Run:
    """One run of ingest. `code` is its exit code or minus its signal; `calls` what the shim saw."""

    code: int
    err: str
    calls: list[disk.Call]
    stopped: bool = False  # by us, because it did not end

    @property
    def ended(self) -> str:
        """How it ended, for a message."""
        if self.stopped:
            return "it did not end and was stopped (an endless loop?)"
        how = f"it was ended by {signal.Signals(-self.code).name}" if self.code < 0 else f"it ended with exit code {self.code}"
        how += " (it wrote more than a lab's file may hold)" if self.code == -signal.SIGXFSZ else ""
        words = "\n".join(self.err.strip().splitlines()[-3:])
        return f"{how}, saying: {words}" if words else how

    @property
    def killed(self) -> bool:
        """Whether the fault has hit."""
        return self.code == -9 and not self.stopped


def records(seed: str, count: int = RECORDS) -> list[str]:
    """Records that nobody can know beforehand: some equal, one as long as allowed."""
    dice = random.Random(seed)
    found = ["".join(dice.choices(f'{string.ascii_letters} \t%\\"é', k=dice.randint(1, 60))) for _ in range(count)]
    found[dice.randrange(count)] = "x" * LONGEST
    found[7] = found[6]
    return found


class Bench:
    """One input, the output that belongs to it, and a folder to run in."""

    def __init__(self, program: Path, folder: Path, lines: list[str]) -> None:
        self.program, self.folder = program, folder
        self.lines = lines
        self.input = "".join(f"{line}\n" for line in lines).encode()
        self.expected = "".join(f"{place}\t{line}\n" for place, line in enumerate(lines, 1)).encode()
        self.trace = folder.with_name(f"{folder.name}.trace")

    def prepare(self, image: Mapping[str, bytes] | None = None) -> None:
        """Make the folder anew: the input, and what an earlier run has left."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        for name, content in {INPUT: self.input, **(image or {})}.items():
            if not name.startswith(".."):
                (self.folder / name).write_bytes(content)

    def image(self) -> disk.Image:
        """What the folder holds."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}

    def output(self) -> bytes:
        """What the output holds."""
        path = self.folder / OUTPUT
        return path.read_bytes() if path.is_file() else b""

    def start(self, fault: str = "", program: Path | None = None) -> "subprocess.Popen[bytes]":
        """Start ingest."""
        self.trace.unlink(missing_ok=True)
        shim = {"SHIM_TRACE": str(self.trace), **({"SHIM_FAULT": fault} if fault else {})}
        with self.trace.with_suffix(".err").open("wb") as err:
            return subprocess.Popen(
                [str(program or self.program), INPUT, OUTPUT, STATE],
                cwd=self.folder,
                env={**os.environ, **shim},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=err,
            )

    def finish(self, child: "subprocess.Popen[bytes]", seconds: float) -> Run:
        """Wait for its end, within the time limit (by an alarm: Popen's own looks only every few milliseconds)."""
        stopped: list[bool] = []
        signal.signal(signal.SIGALRM, lambda *_: (stopped.append(True), child.kill()))
        signal.setitimer(signal.ITIMER_REAL, seconds * SCALE)
        child.wait()
        signal.setitimer(signal.ITIMER_REAL, 0)
        with self.trace.with_suffix(".err").open("rb") as err:
            words = err.read(4000).decode(errors="replace")
        return Run(child.returncode, words, disk.read(self.trace), bool(stopped))

    def run(self, fault: str = "", program: Path | None = None) -> Run:
        """Run ingest to its end; with a program that is not shimmed, each fsync waits for the disk."""
        return self.finish(self.start(fault, program), REAL if program else SHIMMED)

    # What became of the records

    def trouble(self) -> str:
        """What is wrong with the output, or nothing."""
        return compare(self.output(), self.expected)

    def whole_lines(self) -> int:
        """Complete lines in the output."""
        return self.output().count(b"\n")

    def written(self, run: Run, before: Mapping[str, bytes], since: str = "") -> int:
        """Records that a run wrote to what is the output in the end; since a note (`term`), if one is given."""
        start = next((place for place, call in enumerate(run.calls) if call.name == since), 0)
        played = disk.play(self.folder, before, run.calls[:start])
        earlier = lines_of(played)
        for call in run.calls[start:]:
            played.apply(call)
        return lines_of(played) - earlier


def lines_of(played: disk.Disk) -> int:
    """Lines written to what is the output now."""
    return played.names[OUTPUT].lines if OUTPUT in played.names else 0


def compare(seen: bytes, expected: bytes) -> str:
    """What is wrong with an output, in words; nothing if all is well."""
    if seen == expected:
        return ""
    wanted, lines = expected.splitlines(keepends=True), seen.splitlines(keepends=True)
    place = next((place for place, (one, other) in enumerate(zip(lines, wanted, strict=False)) if one != other), None)
    if place is None:
        if len(lines) < len(wanted):
            return f"records {len(lines) + 1} to {len(wanted)} are missing"
        extra = lines[len(wanted)]
        return (
            f"after the last record, {shown(extra)} is there twice" if extra in wanted else f"after the last record: {shown(extra)}"
        )
    line = lines[place]
    if b"\0" in line:
        return f"line {place + 1} holds zero bytes: OUTPUT was shorter than the state said"
    if line in wanted[:place]:
        return f"record {wanted.index(line) + 1} is there twice: again in line {place + 1}"
    if line in wanted:
        return f"records {place + 1} to {wanted.index(line)} are missing"
    return f"line {place + 1} is torn or wrong: {shown(line)} instead of {shown(wanted[place])}"


def shown(line: bytes) -> str:
    """A line for a message."""
    text = repr(line.decode(errors="replace"))
    return text if len(text) < 70 else f"{text[:50]}…{text[-12:]}"


def words(call: disk.Call, played: disk.Disk) -> str:
    """One call in words."""
    if call.name == "none":
        return f"{call.text or 'a call'}, which fails"
    if call.name in ("open", "unlink"):
        return f"{call.name}({played.name(call.text, played.base)})"
    if call.name == "rename":
        old, new = call.text.split("\0")
        return f"rename({played.name(old, call.a)}, {played.name(new, call.b)})"
    name = played.open[call.a][0] if call.a in played.open else "all" if call.name == "fsync" else call.text
    extra = f", {call.c} bytes" if call.name in ("read", "write") else f", {call.b}" if call.name == "truncate" else ""
    return f"{call.name}({name}{extra})"
