"""The JSON Schema of a result, made from the types: `python -m delab.checks.schema > docs/result.schema.json`."""

import json

import msgspec

from delab.checks.result import Result


def text() -> str:
    """The schema as it is kept in docs/."""
    return json.dumps(msgspec.json.schema(Result), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    print(text(), end="")
