"""Runs in the learner's place: calls functions of shop.py one after the other and writes what each gave.

Arguments: the answer's file, and a JSON list of [function, arguments…]. Each answer is ["gave", value] or ["raised", text].
"""

import json
import os
import sys

calls = json.loads(sys.argv[2])
sys.argv = sys.argv[:1]

import shop  # noqa: E402


def call(name, arguments):
    """The outcome of one call; Ctrl-C and exit are no outcomes."""
    try:
        value = getattr(shop, name)(os.environ["PRIMARY_DSN"], *arguments)
        json.dumps(value)
    except Exception as error:
        return ["raised", f"{type(error).__name__}: {str(error).strip()}"]
    return ["gave", value]


if __name__ == "__main__":
    answers = [call(name, arguments) for name, *arguments in calls]
    with open(f"{sys.orig_argv[-2]}.new", "w") as file:  # noqa: PTH123
        json.dump(answers, file)
    os.replace(f"{sys.orig_argv[-2]}.new", sys.orig_argv[-2])  # noqa: PTH105
