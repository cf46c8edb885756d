"""One verification: what it was asked, what it has found, and the stacks that belong to it."""

import contextlib
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from delab import course, daemons, files, forks, lab, paths, process, runtime, templates
from delab.checks import handed_in
from delab.checks.evidence import Evidence
from delab.checks.result import CheckResult, Result, Verdict, judge
from delab.checks.work import Work, untouched
from delab.errors import LabError
from delab.warehouse import Worker

OURS = "this is our fault, not yours: please report it, with what `lab verify --json` prints"


class CheckTimeoutError(Exception):
    """A check went over our own time limit."""


class Session:
    """The state of one verification of one lab."""

    def __init__(self, subject: lab.Lab, *, work: Path | None, seed: int | None, judge_starter: bool) -> None:
        self.lab = subject
        self.original = work or subject.work
        self.seed = secrets.randbelow(2**31) if seed is None else seed
        self.judge_starter = judge_starter
        self.started, self.began = datetime.now(UTC), time.monotonic()
        self.results: dict[str, CheckResult] = {}
        self.evidence = Evidence()
        self.stacks: list[templates.Scratch] = []
        self.reason, self.fix = "", ""
        self.run_folder, self.run_lock = Path(), -1
        self.dbt: Worker | None = None
        self.servers = contextlib.ExitStack()

    # The learner's place

    def not_started(self) -> bool:
        """Whether there is nothing to judge."""
        return not self.original.is_dir() or (not self.judge_starter and untouched(self.lab, self.original))

    def open(self) -> Work:
        """Make this verification's folder with the copy of the learner's files; its lock says that we live."""
        place = files.make_folder(paths.runtime() / "runs")
        name = f"{self.lab.slug}-{secrets.token_hex(4)}"
        self.run_folder, self.run_lock = place / name, files.own(place / f"{name}.lock")
        self.run_folder.mkdir()
        return Work(self.lab, self.original, self.run_folder)

    def close(self) -> None:
        """End every program and stack that is left, and remove the folder."""
        if self.dbt is not None:
            self.dbt.close()
        self.servers.close()
        for stack in list(self.stacks):
            self.give_back(stack)
        if self.run_lock >= 0:
            templates.discard(self.run_folder)
            self.run_folder.with_name(f"{self.run_folder.name}.lock").unlink(missing_ok=True)
            os.close(self.run_lock)
            self.run_lock = -1

    def start_dbt(self) -> Worker:
        """The process that builds dbt projects. Started early, it imports dbt while the services start."""
        if self.dbt is None:
            self.dbt = Worker(["postgres"])
        return self.dbt

    def start_servers(self) -> None:
        """Begin the imports of what checks will run, while services start and other checks run; an audit has its own.

        While the lab is up they have been done.
        """
        if not os.environ.get(forks.FOLDER) and not daemons.ask(self.lab) and self.lab.warm():
            self.servers.enter_context(forks.serving(*self.lab.warm()))

    # Stacks

    def new_stack(self, seed: int) -> templates.Scratch:
        """A stack of the lab's services with fresh data made from `seed`, started."""
        plan = course.plan(self.lab)
        course.import_ahead(self.lab)
        stack = templates.scratch(plan)
        self.stacks.append(stack)
        stack.start()
        if plan.prepare:
            plan.prepare(stack, seed)
        return stack

    def give_back(self, stack: templates.Scratch) -> None:
        """End a stack."""
        if stack in self.stacks:
            self.stacks.remove(stack)
            stack.destroy()

    def lost(self) -> str:
        """The services that were ended from outside, as by a system without memory; empty if none was, or if nobody can tell."""
        return ", ".join(name for stack in self.stacks for name in stack.lost())

    # Results

    def because(self, name: str) -> str:
        """The check whose failure makes this one senseless, or nothing."""
        needs = [handed_in.NAME, *self.lab.check(name).needs] if name != handed_in.NAME else []
        return next((need for need in needs if need in self.results and self.results[need].outcome != "passed"), "")

    def result(self) -> Result:
        """All that was found."""
        verdict = Verdict.NOT_STARTED if self.not_started() else judge(list(self.results.values()))
        if self.reason and verdict == Verdict.PASSED:
            verdict = Verdict.CANNOT_JUDGE
        return Result(
            lab=self.lab.number,
            slug=self.lab.slug,
            title=self.lab.about.title,
            verdict=verdict,
            exit_code=verdict.exit_code,
            seed=self.seed,
            runtime=runtime.chosen(),
            started=self.started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self.began, 3),
            checks=list(self.results.values()),
            reason=self.reason,
            fix=self.fix,
        )


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise CheckTimeoutError in the main thread after `seconds`."""

    def expired(number: int, frame: FrameType | None) -> None:
        raise CheckTimeoutError(f"the check took longer than its limit of {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def end_with_parent(session: Session, descriptor: int) -> None:
    """End with the command that started us, even if that was killed: its end of the pipe closes."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(descriptor, 1):
                pass
        for stack in list(session.stacks):
            with contextlib.suppress(Exception):
                stack.end()
        process.kill(process.marked(str(session.run_folder)))
        os._exit(Verdict.CANNOT_JUDGE.exit_code)

    threading.Thread(target=watch, daemon=True).start()


def explain(error: BaseException) -> tuple[str, str]:
    """A reason and a fix for an error that is not the learner's."""
    if isinstance(error, LabError):
        return error.message, error.fix
    return (
        f"{type(error).__name__}: {error}",
        OURS,
    )
