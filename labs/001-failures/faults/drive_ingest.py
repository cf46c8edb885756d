"""Runs ingest many times under one kind of fault: `python drive_ingest.py ANSWER CAMPAIGN SHIMMED PLAIN FOLDER SEED`.

Each campaign gives {"expected": …, "seen": …, "fault": …} for the first thing that went wrong, and "notes" and "points" for the
learner to see. It runs in the learner's place, under their limits; it starts one program every few milliseconds.
"""

import json
import random
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from faults import disk
from faults.bench import BATCH, INPUT, OUTPUT, REAL, STATE, Bench, Run, records, words

EACH = 4  # places tried of each kind
STORM_RECORDS, STORM_ROUNDS = 300, 20
ERRORS = {"full": "ENOSPC (No space left on device)", "eio": "EIO (Input/output error)"}


class Wrong(Exception):
    """The first thing that went wrong."""

    def __init__(self, expected: str, seen: str, fault: str = "") -> None:
        super().__init__(seen)
        self.found = {"expected": expected, "seen": seen, "fault": fault}


@dataclass(frozen=True)
class Reference:
    """A run without faults: its calls, counted as shim.c counts them."""

    calls: list[disk.Call]
    counted: list[disk.Call]
    words: list[str]  # each counted call in words


class Campaign:
    """What all campaigns use."""

    def __init__(self, shimmed: Path, plain: Path, folder: Path, seed: str) -> None:
        self.bench = Bench(shimmed, folder / "case", records(seed))
        self.plain, self.folder, self.seed = plain, folder, seed
        self.dice = random.Random(seed)
        self.notes: list[str] = []
        self.points: list[tuple[float, float]] = []
        self.redo: dict[str, str] = {}

    def reference(self) -> Reference:
        """Run once without faults, under the shim."""
        self.bench.prepare()
        before = self.bench.image()
        run = self.bench.run()
        self.succeeded(run, "without any fault")
        counted = [call for call in run.calls if call.name in disk.COUNTED]
        places = range(len(counted))
        named = names(run.calls, self.bench.folder, before)
        assert len(named) == len(places)
        return Reference(run.calls, counted, named)

    def succeeded(self, run: Run, when: str, fault: str = "") -> None:
        """It ended with 0 and all records are there, once."""
        if run.code != 0:
            raise Wrong("ingest ends with exit code 0", f"{when}: {run.ended}", fault)
        if trouble := self.bench.trouble():
            raise Wrong("each record is in OUTPUT once", f"{when}: {trouble}", fault)

    def restart(self, when: str, fault: str, again: int, before: Mapping[str, bytes] | None = None) -> None:
        """Start again without faults: all must be there in the end, and few records may be written twice."""
        before = self.bench.image() if before is None else before
        left = len(self.bench.lines) - self.bench.whole_lines()
        run = self.bench.run()
        self.succeeded(run, f"{when}, then started again", fault)
        twice = self.bench.written(run, before) - max(0, left)
        if twice > again and not self.redo:
            expected = f"at most {again} records are written a second time" if again else "no record is written a second time"
            self.redo = {"expected": expected, "seen": f"{when}, then started again: {twice} were", "fault": fault}

    # The campaigns

    def copies(self) -> None:
        """Without faults, and again, and without input; and the shim sees everything."""
        self.seen_whole(self.reference())
        self.bench.prepare()
        self.succeeded(self.bench.run(program=self.plain), "without any fault")
        self.succeeded(self.bench.run(program=self.plain), "started again after it had finished")
        (self.bench.folder / INPUT).unlink()
        missing = self.bench.run(program=self.plain)
        if missing.code <= 0:
            raise Wrong("an exit code above 0 if INPUT cannot be opened", missing.ended)

    def seen_whole(self, found: Reference) -> None:
        """The calls that the shim saw explain what is in OUTPUT."""
        expected = "files are written by the calls that the task names"
        for call in found.calls:
            if call.name == "unseen":
                raise Wrong(expected, f"{call.text} is used")
        told = disk.play(self.bench.folder, {INPUT: self.bench.input}, found.calls).content()
        if told.get(OUTPUT) != self.bench.expected:
            raise Wrong(expected, "OUTPUT holds what none of these calls wrote")

    def interrupted(self) -> None:
        """Reads, writes and fsyncs that fail with EINTR or transfer less than asked."""
        what = {"eintr": "calls that fail with EINTR", "short": "reads and writes of fewer bytes than asked", "both": "both"}
        for kind, said in what.items():
            for _ in range(EACH):
                fault = f"{kind} {self.dice.randrange(1, 10_000)}"
                self.bench.prepare()
                self.succeeded(self.bench.run(fault), f"with {said}", fault)
        self.notes.append(f"{3 * EACH} runs with interrupted and short calls")

    def handler(self) -> None:
        """What the handler of SIGTERM calls."""
        found = self.reference()
        for place in self.middle(found)[:EACH]:
            self.bench.prepare()
            run = self.bench.run(f"term {place}")
            if run.stopped:
                break  # the check of SIGTERM says so
            for call in run.calls:
                if call.name == "unsafe":
                    seen = f"it calls {call.text}(), which may be in the middle of its work when the signal comes"
                    raise Wrong("the handler calls async-signal-safe functions only", seen, f"term {place}")

    def middle(self, found: Reference) -> list[int]:
        """Writes to the output in the first half, where a SIGTERM must stop the work; the first among them."""
        writes = [place for place, said in enumerate(found.words) if said.startswith("write(")]
        mine = [place for place in writes if sort_of(found.words[place]) == f"write({OUTPUT})"] or writes
        early = mine[: max(1, len(mine) // 2)]
        return [early[0], *self.dice.sample(early[1:], min(len(early) - 1, 2 * EACH))]

    def sigterm(self) -> None:
        """SIGTERM in the middle of a write, a read, an fsync."""
        found = self.reference()
        middle = self.middle(found)
        others = [place for place, call in enumerate(found.counted) if middle[0] < place and call.name in ("read", "fsync")]
        early = [place for place in others if place < max(middle)] or others[:2]
        places = [*middle, *self.dice.sample(early, min(len(early), EACH))]
        hit = 0
        for place in places:
            for kind in ("term", "late"):
                hit += self.terminate(f"{kind} {place}", found.words[place])
        if not hit:
            raise Wrong("SIGTERM comes in the middle of a write", "none of the calls was made again in a second run")
        self.notes.append(f"SIGTERM in the middle of {hit} calls")

    def terminate(self, fault: str, call: str) -> bool:
        """One SIGTERM; returns whether it was sent."""
        self.bench.prepare()
        before = self.bench.image()
        run = self.bench.run(fault)
        if all(call.name != "term" for call in run.calls):
            return False
        when = f"SIGTERM during {call}"
        if run.code == -15:
            raise Wrong(
                "on SIGTERM ingest finishes the record and ends with exit code 0", f"{when}: it was ended by the signal", fault
            )
        if run.code != 0:
            raise Wrong("on SIGTERM ingest finishes the record and ends with exit code 0", f"{when}: {run.ended}", fault)
        self.whole_prefix(when, fault)
        after = self.bench.written(run, before, since="term")
        if after > BATCH:
            seen = f"{when}: {after} more records were written before it ended"
            raise Wrong(f"ingest ends soon after SIGTERM, at most {BATCH} records later", seen, fault)
        left = self.redo
        self.restart(when, fault, 0)
        if self.redo != left:
            raise Wrong(self.redo["expected"], self.redo["seen"], fault)
        return True

    def whole_prefix(self, when: str, fault: str) -> None:
        """The output ends with a whole record."""
        output, whole = self.bench.output(), "OUTPUT holds whole records only after exit code 0"
        if output and not output.endswith(b"\n"):
            raise Wrong(whole, f"{when}: the last record is torn: {output.splitlines()[-1][:60]!r}", fault)
        if not self.bench.expected.startswith(output):
            raise Wrong(whole, f"{when}: {self.bench.trouble()}", fault)

    def killed(self) -> None:
        """SIGKILL before and in the middle of calls of every kind, and again in the restart; then at random moments for real."""
        found = self.reference()
        hits, sorts = 0, set()
        for place in spread(found.words, self.dice):
            for kind in ("kill", "cut") if found.counted[place].name == "write" else ("kill",):
                hits += self.kill(f"{kind} {place}", found.words[place], len(found.words))
                sorts |= {sort_of(found.words[place])} if "(" in found.words[place] else set()
        if not hits:
            raise Wrong("SIGKILL between two calls", "none of the calls was made again in a second run")
        self.notes.append(f"killed at {hits} places: before or during {', '.join(sorted(sorts))}")
        self.storm()

    def kill(self, fault: str, call: str, calls: int) -> bool:
        """One SIGKILL, sometimes another in the restart, then a restart to the end. Returns whether it was killed."""
        self.bench.prepare()
        run = self.bench.run(fault)
        if not run.killed:
            return False
        when = f"killed {'in the middle of' if fault.startswith('cut') else 'before'} {call} (call {fault.split()[1]})"
        if self.dice.random() < 0.5:
            second = self.dice.randrange(min(calls, 40))
            again = self.bench.run(f"kill {second}")
            if again.killed:
                when += f", and again before call {second} of the restart"
            elif again.code != 0:
                raise Wrong("ingest ends with exit code 0", f"{when}, then started again: {again.ended}", fault)
        self.restart(when, fault, BATCH)
        return True

    def storm(self) -> None:
        """The real thing: SIGKILL and SIGTERM at random moments, no shim, real fsyncs."""
        bench = Bench(self.plain, self.folder / "storm", records(self.seed, STORM_RECORDS))
        bench.prepare()
        self.points.append((0, 0))
        for place in range(STORM_ROUNDS):
            number = self.dice.choice((9, 9, 15))
            child = bench.start()
            until = time.monotonic() + self.dice.random() * 0.006
            while time.monotonic() < until and child.poll() is None:
                pass
            child.send_signal(number)
            run = bench.finish(child, REAL)
            if run.stopped or run.code not in (0, -9, -15):
                raise Wrong("ingest goes on after a kill", f"storm of kills, round {place + 1}: {run.ended}")
            self.points.append((place + 1, bench.whole_lines()))
        run = bench.run(program=self.plain)
        self.bench, kept = bench, self.bench
        self.succeeded(run, f"after {STORM_ROUNDS} real signals at random moments")
        self.bench = kept
        self.points.append((STORM_ROUNDS + 1, bench.whole_lines()))

    def errors(self) -> None:
        """Errors that are no interruption: a full disk, a disk that cannot be read or written."""
        found = self.reference()
        groups: dict[str, list[int]] = {}
        for place, said in enumerate(found.words):
            groups.setdefault(sort_of(said), []).append(place)
        groups.pop("fsync(.)", None)  # some file systems cannot do it; ignoring that is common and right
        for sort, places in groups.items():
            kinds = {"write": ("full", "eio"), "fsync": ("eio",), "read": ("eio",)}.get(sort.split("(")[0], ())
            for place in self.dice.sample(places, min(len(places), 3)):
                for kind in kinds:
                    self.error(f"{kind} {place}", found.words[place])

    def error(self, fault: str, call: str) -> None:
        """One error, then a restart on a disk that is well again."""
        self.bench.prepare()
        run = self.bench.run(fault)
        when = f"{ERRORS[fault.split()[0]]} from {call}"
        if run.code == 0:
            raise Wrong("an exit code other than 0 after an error of the disk", f"{when}: exit code 0, as if all were well", fault)
        if run.code < 0:
            raise Wrong("an exit code and a message", f"{when}: {run.ended}", fault)
        if not run.err.strip():
            raise Wrong("a message on standard error", f"{when}: exit code {run.code} without a word", fault)
        self.restart(when, fault, len(self.bench.lines))

    def power_cut(self) -> None:
        """The power fails after calls of every kind: what was not synced may be lost, half written or there."""
        found = self.reference()
        before = {INPUT: self.bench.input}
        states = list(self.states(found, before))
        for when, image in states:
            self.bench.prepare(image)
            self.restart(when, "", 2 * BATCH, before=self.bench.image())
            if self.redo:
                raise Wrong(self.redo["expected"], self.redo["seen"])
        end = disk.play(self.bench.folder, before, found.calls)
        for left, image in end.after_power_cut(OUTPUT):
            if image.get(OUTPUT, b"") != self.bench.expected:
                seen = f"power cut after the end, on disk is {left}: OUTPUT is not whole"
                raise Wrong("exit code 0 means that all records are on disk (fsync)", seen)
        self.notes.append(f"{len(states)} states that a power cut can leave")

    def states(self, found: Reference, before: Mapping[str, bytes]) -> Iterator[tuple[str, disk.Image]]:
        """What power cuts after calls of every kind leave; each state once."""
        chosen = set(spread(found.words, self.dice))
        played, seen, place = disk.Disk(self.bench.folder, before), set(), -1
        for call in found.calls:
            played.apply(call)
            place += call.name in disk.COUNTED
            if place not in chosen or call.name not in disk.COUNTED:
                continue
            for left, image in played.after_power_cut(OUTPUT):
                key = tuple(sorted(image.items()))
                if key not in seen:
                    seen.add(key)
                    yield f"power cut after {found.words[place]} (call {place}), on disk is {left}", image

    def answer(self, what: str) -> dict[str, Any]:
        """Run one campaign."""
        problem: dict[str, str] = {}
        try:
            getattr(self, what)()
        except Wrong as wrong:
            problem = wrong.found
        return {"problem": problem, "redo": self.redo, "notes": self.notes, "points": self.points}


def names(calls: list[disk.Call], folder: Path, before: Mapping[str, bytes]) -> list[str]:
    """Every counted call in words."""
    played, found = disk.Disk(folder, before), []
    for call in calls:
        if call.name in disk.COUNTED:
            found.append(words(call, played))
        played.apply(call)
    return found


def sort_of(words: str) -> str:
    """The kind of a call: what is called, and for which of the files."""
    call, _, rest = words.partition("(")
    name = rest.rstrip(")").split(", ")[0]
    return f"{call}({name if name in (INPUT, OUTPUT, STATE, '.') else 'other'})" if rest else words


def spread(words: Sequence[str], dice: random.Random) -> list[int]:
    """Places in a list of calls: of every kind of pair (a call and the one before) the first, the last and some between."""
    groups: dict[tuple[str, str], list[int]] = {}
    for place, now in enumerate(words):
        groups.setdefault((sort_of(words[place - 1]) if place else "", sort_of(now)), []).append(place)
    chosen: set[int] = set()
    for places in groups.values():
        chosen |= {places[0], places[-1], *dice.sample(places, min(len(places), EACH - 2))}
    return sorted(chosen)


def main() -> None:
    """Run the campaign that was asked for and leave the answer."""
    answer, what, shimmed, plain, folder, seed = sys.argv[1:]
    campaign = Campaign(Path(shimmed), Path(plain), Path(folder), seed)
    Path(answer).write_text(json.dumps(campaign.answer(what)))


if __name__ == "__main__":
    main()
