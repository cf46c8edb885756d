"""Runs in the learner's place without Spark: what parameters and culprit say of event logs."""

import json
import sys
import traceback
from pathlib import Path


def told(value):
    """A number, text or None as JSON can carry it, whatever class it has."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    try:
        return int(value) if int(value) == value else float(value)
    except (TypeError, ValueError, OverflowError):
        return repr(value)[:80]


def asked(load, name, path):
    """Both answers about a log, or what was raised."""
    try:
        if name == "culprit":
            return {"gave": told(load.culprit(path))}
        stages = {str(stage): {str(key): told(value) for key, value in row.items()} for stage, row in load.parameters(path).items()}
        return {"gave": stages}
    except Exception as error:
        return {"raised": f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-2)[-500:]}"}


def main():
    """Ask about each log."""
    import load

    found = {path: {name: asked(load, name, path) for name in ("parameters", "culprit")} for path in sys.argv[2:]}
    Path(sys.argv[1]).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
