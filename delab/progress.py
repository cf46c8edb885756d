"""What the learner has reached: passes and hints taken, in `.lab/progress.json`."""

import msgspec

from delab import files, paths
from delab.checks.result import Result, Verdict


class Reached(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One lab's progress. Times are ISO 8601, UTC."""

    passed: str = ""
    last: str = ""  # the last verdict
    hints: int = 0


def read() -> dict[int, Reached]:
    """Progress by lab number; a damaged file counts as none and is kept beside."""
    path = paths.state() / "progress.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[int, Reached])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError:
        path.replace(path.with_suffix(".damaged"))
        return {}


def update(number: int, **changes: str | int) -> None:
    """Change a lab's progress; two commands at once lose nothing."""
    with files.locked(paths.state() / "progress.lock"):
        known = read()
        known[number] = msgspec.structs.replace(known.get(number, Reached()), **changes)
        files.write_atomic(paths.state() / "progress.json", msgspec.json.encode(known))


def record(result: Result) -> None:
    """Note a verdict; a pass stays noted when a later one fails."""
    passed = {"passed": result.started} if result.verdict == Verdict.PASSED else {}
    update(result.lab, last=str(result.verdict), **passed)
