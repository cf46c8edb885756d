"""Three kinds of failure, kept apart: the learner's (a verdict), the machine's (Blocked), and our own (anything else)."""


class LabError(Exception):
    """Something that a person can act on: what happened, and what to do about it."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class Blocked(LabError):
    """The machine or a service stands in the way; the learner's work was not judged."""


class Timeout(LabError):
    """A condition did not come true in time."""
