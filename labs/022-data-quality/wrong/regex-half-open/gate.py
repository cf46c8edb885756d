"""The gate before the load: python gate.py FOLDER REPORT. Exit code 0: load it. 1: do not."""

import json
import os
import sys
from pathlib import Path

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # nothing is told to anybody
import great_expectations as gx
import pandas as pd
from great_expectations import expectations as gxe

COLUMNS = [
    "line_id",
    "order_id",
    "product_id",
    "quantity",
    "unit_price",
    "discount",
    "amount",
    "status",
    "ordered_at",
    "recorded_at",
]
NUMBERS = ["quantity", "unit_price", "discount", "amount"]
TIMES = ["ordered_at", "recorded_at"]
ROWS = {"result_format": "COMPLETE", "unexpected_index_column_names": ["line_id"]}
DAY = 24 * 3600


def shape(announced):
    """Is it the delivery that was announced? If not, nothing else can be asked."""
    return [
        gxe.ExpectTableColumnsToMatchSet(column_set=COLUMNS, exact_match=True),
        gxe.ExpectTableRowCountToEqual(value=announced),
        gxe.ExpectTableRowCountToBeBetween(min_value=1),
    ]


def content(products):
    """What holds of each row. The derived columns hold a null where a value can't be read, and another expectation says so."""
    return [
        *(gxe.ExpectColumnValuesToNotBeNull(column=column) for column in COLUMNS),
        gxe.ExpectColumnValuesToBeUnique(column="line_id"),
        gxe.ExpectColumnValuesToMatchRegex(column="quantity", regex=r"^-?[0-9]+(\.0+)?$"),
        *(gxe.ExpectColumnValuesToNotBeNull(column=f"{column}_read") for column in NUMBERS + TIMES),
        gxe.ExpectColumnValuesToBeBetween(column="quantity_read", min_value=1, max_value=100),
        gxe.ExpectColumnValuesToBeBetween(column="unit_price_read", min_value=0, strict_min=True),
        gxe.ExpectColumnValuesToBeBetween(column="discount_read", min_value=0),
        gxe.ExpectColumnValuesToMatchRegex(column="status", regex="^completed|cancelled$"),
        gxe.ExpectColumnValuesToBeInSet(column="product_id", value_set=products),
        gxe.ExpectColumnValuesToBeBetween(column="cents_off", min_value=-0.5, max_value=0.5),
        gxe.ExpectColumnValuesToBeBetween(column="seconds_to_record", min_value=0, max_value=DAY),
    ]


def derived(frame):
    """The frame with what rules of several columns compare; errors become nulls, so that one bad cell stops no expectation."""
    frame = frame.copy()
    for column in NUMBERS:
        frame[f"{column}_read"] = pd.to_numeric(frame[column], errors="coerce")
    for column in TIMES:
        frame[f"{column}_read"] = pd.to_datetime(frame[column], errors="coerce", format="ISO8601")
    paid = frame["quantity_read"] * frame["unit_price_read"] - frame["discount_read"]
    frame["cents_off"] = (frame["amount_read"] - paid) * 100
    frame["seconds_to_record"] = (frame["recorded_at_read"] - frame["ordered_at_read"]).dt.total_seconds()
    return frame


def validate(frame, expectations):
    """What Great Expectations says of a data frame."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = context.data_sources.add_pandas("files").add_dataframe_asset("lines").add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite(name="lines", expectations=expectations))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name="lines", data=batch, suite=suite))
    return definition.run(batch_parameters={"dataframe": frame}, result_format=ROWS)


def main(folder, report):
    """Judge a delivery; the exit code."""
    frame = pd.read_csv(folder / "lines.csv", dtype=str, keep_default_na=False, na_values=[""])
    products = pd.read_csv(folder / "products.csv", dtype=str)["product_id"].tolist()
    announced = json.loads((folder / "manifest.json").read_text())["rows"]
    results = [validate(frame, shape(announced))]
    if results[0].success:
        results.append(validate(derived(frame), content(products)))
    report.write_text(json.dumps([result.to_json_dict() for result in results]))
    return 0 if all(result.success for result in results) else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
