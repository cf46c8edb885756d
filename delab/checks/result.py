"""The outcome of a verification, as data: what `lab verify --json` prints (docs/result-schema.md describes it)."""

from enum import StrEnum
from typing import Literal

import msgspec

SCHEMA = 1


class Verdict(StrEnum):
    """The whole verification's outcome."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_STARTED = "not started"
    BLOCKED = "blocked"
    CANNOT_JUDGE = "cannot judge"

    @property
    def exit_code(self) -> int:
        """Its exit code: 0 to 4."""
        return list(Verdict).index(self)


Outcome = Literal["passed", "failed", "skipped", "blocked", "broken"]


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a failed check tells the learner."""

    expected: str
    seen: str
    why: str = ""
    look: str = ""
    command: str = ""
    hint: int = 0


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """Lines over a common axis; `series` maps a name to its points (x, y)."""

    title: str
    x: str
    y: str
    series: dict[str, list[tuple[float, float]]]


class CheckResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One check's outcome. `because` says why it was skipped, blocked or broke."""

    name: str
    requirement: str
    outcome: Outcome
    seconds: float
    failure: Failure | None = None
    because: str = ""
    fix: str = ""
    notes: list[str] = []
    plots: list[Plot] = []


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One verification's outcome. `reason` and `fix` go with a verdict that no check explains."""

    schema: int = SCHEMA
    lab: int
    slug: str
    title: str
    verdict: Verdict
    exit_code: int
    seed: int
    runtime: str
    started: str  # ISO 8601, UTC
    seconds: float
    checks: list[CheckResult]
    reason: str = ""
    fix: str = ""


def judge(checks: list[CheckResult]) -> Verdict:
    """The verdict that follows from the checks: what is certain of the learner's work comes first, then what hindered us."""
    outcomes = {check.outcome for check in checks}
    if "failed" in outcomes:
        return Verdict.FAILED
    if "broken" in outcomes or not checks:
        return Verdict.CANNOT_JUDGE
    return Verdict.BLOCKED if outcomes & {"blocked", "skipped"} else Verdict.PASSED
