"""`lab audit`: a lab proves itself. The starter fails, right answers pass, each wrong one is rejected by the check meant for it."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import inf
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from delab import files, forks, lab, runtime, shape, verify
from delab.checks.result import CheckResult, Result, Verdict


@dataclass(frozen=True)
class Case:
    """One folder of answers and what the verifier must say of it. `check` and `says` are empty where it must pass."""

    name: str
    layers: tuple[Path, ...]
    check: str = ""
    says: str = ""


@dataclass(frozen=True)
class Outcome:
    """What the verifier said of a case, and what is wrong with that (nothing, if all is well)."""

    case: Case
    result: Result
    problem: str


def audit_all(
    console: Console,
    chosen: Sequence[lab.Lab],
    *,
    jobs: int,
    repeat: int,
    minutes: float = inf,
    cut: bool = False,
    whole: bool = False,
) -> int:
    """Audit labs one after the other, until `minutes` are over; returns 0 if all that were audited are proved, else 1.

    `cut` leaves out the last lab's cases that time has not reached, too. `whole` lets a rejected case meet all further checks.
    """
    began, problems, cases, left = time.monotonic(), list[str](), 0, [*chosen] * repeat
    audited, until = 0, began + minutes * 60
    for found, outcomes in audits(console, left, jobs, labs_until=until, until=until if cut else inf, whole=whole):
        problems += [f"lab {left[audited].number}, {problem}" for problem in found]
        audited, cases = audited + 1, cases + len(outcomes)
    took, left = time.monotonic() - began, left[audited:]
    console.print(f"audit: {audited} labs, {cases} verifications in {took:.0f} s, {len(problems)} problems", style="bold")
    for problem in problems if audited > 1 else ():  # again: who reads a long log reads its end
        console.print(Text(f" ✘ {problem}", style="red"), soft_wrap=True)
    if left:
        numbers = " ".join(str(subject.number) for subject in left)
        console.print(f"not audited, since {minutes:.0f} minutes are over: lab audit {numbers}")
    return 1 if problems else 0


def audit(console: Console, subject: lab.Lab, jobs: int = 3, until: float = inf) -> tuple[list[str], list[Outcome]]:
    """Audit one lab, beginning none but its first case after `until`; returns the problems and the outcomes."""
    return next(audits(console, [subject], jobs, until=until))


def audits(
    console: Console, labs: Sequence[lab.Lab], jobs: int = 3, *, labs_until: float = inf, until: float = inf, whole: bool = False
) -> Iterator[tuple[list[str], list[Outcome]]]:
    """Audit labs, `jobs` cases at once, and show each one's table; gives the problems and the outcomes of each.

    A lab's first case is alone of its own, so that templates are made once; the last cases of the lab before run beside it. No lab
    begins after `labs_until`, no case but a lab's first after `until`. Unless they are to be judged `whole`, cases that must be
    rejected end at the check that does it.
    """
    with forks.serving() as serve, ThreadPoolExecutor(jobs) as pool:
        try:
            before: Audit | None = None
            for subject in labs:
                this = Audit(console, subject, pool, until, whole)
                this.begin(serve, labs_until)
                if before:
                    yield before.end()
                before = this if this.go_on() else None
                if before is None:
                    break
            if before:
                yield before.end()
        finally:
            pool.shutdown(cancel_futures=True)


class Audit:
    """One lab's audit, under way."""

    def __init__(self, console: Console, subject: lab.Lab, pool: ThreadPoolExecutor, until: float, whole: bool) -> None:
        self.console, self.subject, self.pool, self.until, self.whole = console, subject, pool, until, whole
        self.problems, self.cases = shape.problems(subject), [*cases_of(subject)]
        self.waiting = list[Future[Outcome | None]]()

    def begin(self, serve: Callable[..., None], until: float) -> None:
        """Get ready, and let the first case wait for its turn, which must come before `until`."""
        from delab import packs

        subject = self.subject
        if self.problems or time.monotonic() > until:
            return
        packs.ensure(subject.packs())
        packs.images(subject.services(), lazy=True)
        if runtime.chosen() == "local":
            for service in subject.services():
                service.archive()  # else the first check that starts a lazy one would have to wait, within its time limit
        serve(*subject.programs())
        self.waiting = [self.pool.submit(judge_until, subject, self.cases[0], until, self.whole)]

    def go_on(self) -> bool:
        """Once the first case is judged, let the others wait for theirs; False if it was too late even for the first."""
        if self.problems:
            return True
        if not self.waiting or self.waiting[0].result() is None:
            return False
        self.waiting += [self.pool.submit(judge_until, self.subject, case, self.until, self.whole) for case in self.cases[1:]]
        return True

    def end(self) -> tuple[list[str], list[Outcome]]:
        """Wait for all, and show the table; the problems and the outcomes."""
        console, subject, problems = self.console, self.subject, self.problems
        console.print(f"Lab {subject.number}, {subject.about.title}", style="bold")
        outcomes = [outcome for one in self.waiting if (outcome := one.result())]
        if outcomes:
            problems = [f"{item.case.name}: {item.problem}" for item in outcomes if item.problem]
            if (left := len(self.cases) - len(outcomes)) == 0:
                problems += uncaught(subject, outcomes)
            else:
                console.print(f" {left} of {len(self.cases)} cases not judged, since the time is over")
            console.print(table(subject, outcomes))
        for problem in problems:
            console.print(Text(f" ✘ {problem}", style="red"), soft_wrap=True)
        if not problems:
            console.print(f" ✔ {'proved' if self.until == inf else 'right'} in {len(outcomes)} verifications", style="green")
        return problems, outcomes


def judge_until(subject: lab.Lab, case: Case, until: float, whole: bool) -> Outcome | None:
    """Judge a case, unless it is too late."""
    return judge(subject, case, whole) if time.monotonic() < until else None


def cases_of(subject: lab.Lab) -> Iterator[Case]:
    """The reference twice, the starter, the alternatives, the wrong solutions."""
    folder, solution = subject.folder, subject.folder / "solution"
    yield Case("solution", (solution,))
    yield Case("solution, again", (solution,))
    yield Case("starter", (subject.start,), subject.about.starter.check, subject.about.starter.says)
    for alternative in subject.about.alternatives:
        yield Case(f"alternatives/{alternative.name}", (solution, folder / "alternatives" / alternative.name))
    for wrong in subject.about.wrong:
        yield Case(f"wrong/{wrong.name}", (solution, folder / "wrong" / wrong.name), wrong.check, wrong.says)


def judge(subject: lab.Lab, case: Case, whole: bool = False) -> Outcome:
    """Lay a case's folder, verify it, and compare the verdict with the one that it must have.

    What must be rejected is verified no further than that, unless it is to be judged `whole`.
    """
    with tempfile.TemporaryDirectory(prefix="audit-") as place:
        work = Path(place) / subject.slug
        for layer in case.layers:
            lay(subject, layer, work)
        result = verify.run(subject, work=work, judge_starter=True, first=bool(case.check) and not whole)
    return Outcome(case, result, problem_with(case, result))


def lay(subject: lab.Lab, layer: Path, work: Path) -> None:
    """Copy a folder of answers over what is there.

    Of a file with a choice of names (`a.sh|a.py`), only its own choice stays; what its file `.without` names is removed.
    """
    for options in (name.split("|") for name in subject.about.files if "|" in name):
        if any((layer / option).exists() for option in options):
            for option in options:
                (work / option).unlink(missing_ok=True)
    for name in shape.removed(layer):
        files.remove_tree(work / name) if (work / name).is_dir() else (work / name).unlink()
    shutil.copytree(layer, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns(shape.WITHOUT))


def problem_with(case: Case, result: Result) -> str:
    """What is wrong with a verdict, or nothing."""
    first = first_failed(result)
    if result.verdict in (Verdict.BLOCKED, Verdict.CANNOT_JUDGE, Verdict.NOT_STARTED):
        return f"ended in *{result.verdict}* (seed {result.seed}): {trouble(result)}"
    if not case.check:
        return "" if result.verdict == Verdict.PASSED else f"was rejected (seed {result.seed}) by {trouble(result)}"
    if first is None:
        return f"passed (seed {result.seed}), but {case.check} should reject it"
    if broke := next((check for check in result.checks if check.outcome == "broken"), None):
        return f"was rejected, but {broke.name} broke (seed {result.seed}): {broke.because}"
    if first.name != case.check:
        return f"was rejected by {trouble(result)}, not by {case.check} (seed {result.seed})"
    return "" if case.says.casefold() in words(first).casefold() else f"the message does not say {case.says!r}: {words(first)}"


def first_failed(result: Result) -> CheckResult | None:
    """The check that rejected the work."""
    return next((check for check in result.checks if check.outcome == "failed"), None)


def words(check: CheckResult) -> str:
    """All that a failed check told the learner of its own."""
    return f"expected {check.failure.expected}; saw {check.failure.seen}" if check.failure else check.because


def trouble(result: Result) -> str:
    """The first check that did not pass, with its words."""
    for check in result.checks:
        if check.outcome in ("failed", "blocked", "broken"):
            return f"{check.name}: {words(check)}"
    return result.reason or "no check failed"


def uncaught(subject: lab.Lab, outcomes: Sequence[Outcome]) -> list[str]:
    """Checks that reject no wrong solution: they prove nothing."""
    caught = {first.name for item in outcomes if item.case.name.startswith("wrong/") and (first := first_failed(item.result))}
    return [f"check {check.name} catches no wrong solution" for check in subject.about.checks if check.name not in caught]


def table(subject: lab.Lab, outcomes: Sequence[Outcome]) -> Table:
    """Cases × checks: ✔ passed, ✘ failed, – skipped, nothing: not come to; the columns are the checks in their order."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    shown.add_column("case", overflow="fold")
    names = ["files", *(check.name for check in subject.about.checks)]
    for place in range(len(names)):
        shown.add_column(str(place), justify="center")
    for heading in ("verdict", "s"):
        shown.add_column(heading, justify="right" if heading == "s" else "left")
    marks = {"passed": "✔", "failed": "✘", "skipped": "–", "blocked": "!", "broken": "?"}
    for item in outcomes:
        seen = {check.name: marks[check.outcome] for check in item.result.checks}
        row = [seen.get(name, " ") for name in names]
        style = "red" if item.problem else ""
        shown.add_row(item.case.name, *row, str(item.result.verdict), f"{item.result.seconds:.1f}", style=style)
    shown.caption = ", ".join(f"{place} {name}" for place, name in enumerate(names))
    return shown
