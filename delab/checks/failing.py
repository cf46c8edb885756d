"""How a check says what is wrong."""

from typing import Any, NoReturn

from delab.checks.result import Failure

LONGEST = 600  # characters of a value that a message shows


class CheckFailed(Exception):
    """The learner's work does not meet a requirement; holds what the learner is told."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"expected {failure.expected}; saw {failure.seen}")
        self.failure = failure


def fail(*, expected: str, seen: str, why: str = "", look: str = "", command: str = "", hint: int = 0) -> NoReturn:
    """Reject the work. What is left empty is taken from the check's entry in lab.toml.

    `expected` and `seen` are phrases that a person can compare; name the mistake in `seen` if it can be recognised.
    """
    failure = Failure(expected=expected, seen=seen, why=why, look=look, command=command, hint=hint)
    raise CheckFailed(failure)


def expect(condition: object, *, expected: str, seen: str, why: str = "", look: str = "", command: str = "", hint: int = 0) -> None:
    """Reject the work unless `condition` holds."""
    if not condition:
        fail(expected=expected, seen=seen, why=why, look=look, command=command, hint=hint)


def show(value: Any) -> str:
    """A value for a message: shortened in the middle if it is long."""
    text = value if isinstance(value, str) else repr(value)
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} … ({len(text)} characters) … {text[-half:]}"
