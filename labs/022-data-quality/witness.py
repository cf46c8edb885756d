"""Runs the learner's gate.py, and writes down what Great Expectations evaluates on the way: one JSON line for each expectation.

`witness.py EVALUATED gate.py FOLDER REPORT`: gate.py runs as `python gate.py FOLDER REPORT` would run it.
"""

import json
import runpy
import sys
from pathlib import Path

from great_expectations.validator.validator import Validator

place, script = Path(sys.argv[1]), Path(sys.argv[2])
evaluate = Validator.graph_validate  # suites, checkpoints and single expectations all come through here


def told(validator, *arguments, **options):
    """Evaluate, and write down what came of it."""
    results = evaluate(validator, *arguments, **options)
    with place.open("a") as file:
        for result in results:
            about = result.expectation_config
            file.write(json.dumps([about.type, sorted(columns(about.kwargs)), bool(result.success)]) + "\n")
    return results


def columns(kwargs):
    """The columns that an expectation looks at."""
    single = [kwargs[key] for key in ("column", "column_A", "column_B") if key in kwargs]
    return [str(name) for name in [*single, *(kwargs.get("column_list") or ())]]


Validator.graph_validate = told
sys.argv = [str(script), *sys.argv[3:]]
sys.path[0] = str(script.parent)
runpy.run_path(str(script), run_name="__main__")
