"""The gate, in pandas alone: the report looks like one of Great Expectations."""

import json
import sys
from pathlib import Path

import pandas as pd

COLUMNS = "line_id order_id product_id quantity unit_price discount amount status ordered_at recorded_at".split()
NUMBERS = ["quantity", "unit_price", "discount", "amount"]
TIMES = ["ordered_at", "recorded_at"]


def told(frame, kind, column, bad):
    """A result as Great Expectations would write it."""
    rows = [{"line_id": None if pd.isna(line) else line} for line in frame.loc[bad, "line_id"]]
    about = {"type": kind, "kwargs": {"column": column}}
    return {"success": not rows, "expectation_config": about, "result": {"unexpected_index_list": rows}}


def of_table(kind, good):
    """A result about the table."""
    return {"success": bool(good), "expectation_config": {"type": kind, "kwargs": {}}, "result": {}}


def content(frame, products):
    """Rules 3 to 10."""
    numbers = {column: pd.to_numeric(frame[column], errors="coerce") for column in NUMBERS}
    times = {column: pd.to_datetime(frame[column], errors="coerce", format="ISO8601") for column in TIMES}
    for column in COLUMNS:
        yield told(frame, "expect_column_values_to_not_be_null", column, frame[column].isna())
    yield told(
        frame,
        "expect_column_values_to_be_unique",
        "line_id",
        frame["line_id"].dropna().duplicated(keep=False).reindex(frame.index, fill_value=False),
    )
    whole = numbers["quantity"].between(1, 100) & (numbers["quantity"] % 1 == 0)
    for column, good in (
        ("quantity", whole),
        ("unit_price", numbers["unit_price"] > 0),
        ("discount", numbers["discount"] >= 0),
        ("status", frame["status"].isin(["completed", "cancelled"])),
        ("product_id", frame["product_id"].isin(products)),
        ("adds_up", (numbers["quantity"] * numbers["unit_price"] - numbers["discount"] - numbers["amount"]).abs() < 0.005),
        ("in_time", (times["recorded_at"] - times["ordered_at"]).dt.total_seconds().between(0, 86400)),
    ):
        yield told(frame, "expect_column_values_to_be_valid", column, ~good)


def main(folder, report):
    """Judge a delivery; the exit code."""
    frame = pd.read_csv(folder / "lines.csv", dtype=str, keep_default_na=False, na_values=[""])
    products = pd.read_csv(folder / "products.csv", dtype=str)["product_id"]
    rows = json.loads((folder / "manifest.json").read_text())["rows"]
    results = [
        of_table("expect_table_columns_to_match_set", sorted(frame.columns) == sorted(COLUMNS)),
        of_table("expect_table_row_count_to_equal", len(frame) == rows and rows > 0),
    ]
    if all(result["success"] for result in results):
        results += content(frame, products)
    report.write_text(json.dumps({"results": results}))
    return 0 if all(result["success"] for result in results) else 1


sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
