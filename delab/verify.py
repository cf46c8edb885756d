"""`lab verify N`: run the lab's verify.py in a process of its own and bring back its result."""

import json
import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from delab import lab, paths, runtime, wait
from delab.checks.result import Result, Verdict
from delab.forks import Forked
from delab.verifier import take

OUTSIDE = "the verification was stopped from outside, as `lab down` does. "
GRACE = 5  # seconds in which a verifier that is stopped says where it was
OURS = "this is our fault, not yours: please report it; `lab doctor` rules out the machine"
Heard = Callable[[dict[str, Any]], None]
CONFIGURATION = Path(__file__).parent / "checks" / "verify.ini"
UNUSED = [f"-pno:{name}" for name in ("cacheprovider", "doctest", "legacypath", "pytester", "unittest", "logging", "debugging")]


def run(
    subject: lab.Lab,
    *,
    work: Path | None = None,
    seed: int | None = None,
    judge_starter: bool = False,
    first: bool = False,
    junit: Path | None = None,
    heard: Heard | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> Result:
    """Verify a lab. A verifier that breaks gives the verdict *cannot judge*.

    `first` ends it at the first check that does not pass. `heard` is told of each check as it ends; `meanwhile` is called once the
    verifier runs.
    """
    place = paths.state() / "results" / subject.slug
    place.mkdir(parents=True, exist_ok=True)
    target = place / f".{secrets.token_hex(4)}.json"
    try:
        options = arguments(work, seed, judge_starter, junit) + ["--exitfirst"] * first
        said = run_pytest(subject, options, target, heard or (lambda _: None), meanwhile or (lambda: None))
        result = read(target)
        return result if result and (result.checks or result.reason or not unjudged(result)) else broken(subject, said)
    finally:
        target.unlink(missing_ok=True)


def arguments(work: Path | None, seed: int | None, judge_starter: bool, junit: Path | None) -> list[str]:
    """The options for the plugin."""
    given = [] if work is None else ["--lab-work", str(work)]
    given += [] if seed is None else ["--lab-seed", str(seed)]
    given += ["--lab-judge-starter"] if judge_starter else []
    return given + ([f"--junitxml={junit.resolve()}"] if junit else [])


def run_pytest(subject: lab.Lab, options: list[str], target: Path, heard: Heard, meanwhile: Callable[[], object]) -> str:
    """Run the verifier, passing on its events; what it printed, for the case that it breaks."""
    command = ["-q", "-p", "delab.checks.plugin", "--tb=native", "--assert=plain", *UNUSED]
    command += ["-c", str(CONFIGURATION), f"--rootdir={subject.folder}", f"--confcutdir={subject.folder}"]
    command += ["--lab-result", str(target), *options, str(subject.folder / "verify.py")]
    verifier = take()
    try:
        verifier.begin(command)
        meanwhile()
        return follow(verifier.child, verifier.events, heard, subject.about.seconds * wait.scale()) + verifier.said()
    finally:
        verifier.close()


def follow(child: "subprocess.Popen[bytes] | Forked", events: int, heard: Heard, seconds: float) -> str:
    """Pass on events until the verifier ends; stop it at its time limit. Returns why it was stopped, or nothing."""
    aborts = threading.Timer(seconds, child.send_signal, [signal.SIGABRT])  # pytest's faulthandler says where it hung
    kills = threading.Timer(seconds + GRACE, child.kill)
    for timer in (aborts, kills):
        timer.start()
    try:
        with os.fdopen(events, "rb") as lines:
            for line in lines:
                heard(json.loads(line))
        child.wait()
    except KeyboardInterrupt:
        if isinstance(child, Forked):
            child.send_signal(signal.SIGINT)  # the terminal does not reach it
        child.wait(10)
        raise
    finally:
        for timer in (aborts, kills):
            timer.cancel()
    if (code := child.wait()) == -signal.SIGTERM:
        return OUTSIDE
    return f"the verifier was stopped by signal {-code}\n" if code < 0 else ""


def read(path: Path) -> Result | None:
    """The verifier's result, if it wrote a whole one."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Result)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def unjudged(result: Result) -> bool:
    """Whether the verifier itself broke."""
    return result.verdict == Verdict.CANNOT_JUDGE


def broken(subject: lab.Lab, said: str) -> Result:
    """The result of a verifier that gave none."""
    outside = said.startswith(OUTSIDE)
    verdict = Verdict.BLOCKED if outside else Verdict.CANNOT_JUDGE
    return Result(
        lab=subject.number,
        slug=subject.slug,
        title=subject.about.title,
        verdict=verdict,
        exit_code=verdict.exit_code,
        seed=0,
        runtime=runtime.chosen(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0,
        checks=[],
        reason=OUTSIDE.strip() if outside else f"the verifier ended without a result; it printed:\n{said.strip()}",
        fix=f"make verify-{subject.number} again" if outside else OURS,
    )
