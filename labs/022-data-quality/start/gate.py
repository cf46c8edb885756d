"""The gate before the load: python gate.py FOLDER REPORT."""

import json
import os
import sys
from pathlib import Path

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # nothing is told to anybody
import great_expectations as gx
import pandas as pd
from great_expectations import expectations as gxe

ROWS = {"result_format": "SUMMARY"}


def validate(frame, expectations):
    """What Great Expectations says of a data frame."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = context.data_sources.add_pandas("files").add_dataframe_asset("lines").add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name="lines", expectations=expectations))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="lines", data=batch, suite=suite))
    return definition.run(batch_parameters={"dataframe": frame}, result_format=ROWS)


def main(folder, report):
    """Judge a delivery."""
    frame = pd.read_csv(folder / "lines.csv")
    result = validate(frame, [gxe.ExpectColumnValuesToNotBeNull(column="line_id")])
    report.write_text(json.dumps(result.to_json_dict()))
    print("good" if result.success else "bad")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
