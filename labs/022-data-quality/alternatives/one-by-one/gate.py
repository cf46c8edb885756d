"""The gate, expectation by expectation: no suite, text judged by patterns, rows by their position."""

import json
import os
import sys

os.environ["GX_ANALYTICS_ENABLED"] = "false"
import great_expectations as gx
import great_expectations.expectations as gxe
import pandas as pd

TEXTS = ["line_id", "order_id", "product_id", "quantity", "unit_price", "discount", "amount", "status", "ordered_at", "recorded_at"]
MONEY = r"^[0-9]+(\.[0-9]{1,2})?$"


def about_the_table(announced):
    """Rules 1 and 2."""
    yield gxe.ExpectTableColumnCountToEqual(value=len(TEXTS))
    for column in TEXTS:
        yield gxe.ExpectColumnToExist(column=column)
    yield gxe.ExpectTableRowCountToBeBetween(min_value=max(1, announced), max_value=announced or 1)


def about_the_rows(products):
    """Rules 3 to 10."""
    for column in TEXTS:
        yield gxe.ExpectColumnValuesToNotBeNull(column=column)
    yield gxe.ExpectColumnValuesToBeUnique(column="line_id")
    yield gxe.ExpectColumnValuesToMatchRegex(column="quantity", regex="^([1-9][0-9]?|100)$")
    yield gxe.ExpectColumnValuesToMatchRegexList(column="unit_price", regex_list=[MONEY, "[1-9]"], match_on="all")
    yield gxe.ExpectColumnValuesToMatchRegex(column="discount", regex=MONEY)
    yield gxe.ExpectColumnValuesToBeInSet(column="status", value_set=["completed", "cancelled"])
    yield gxe.ExpectColumnValuesToBeInSet(column="product_id", value_set=products)
    yield gxe.ExpectColumnValuesToBeInSet(column="adds_up", value_set=[True])
    yield gxe.ExpectColumnValuesToBeInSet(column="in_time", value_set=[True])


def with_rules_of_rows(lines):
    """The rules of several columns, worked out by pandas."""
    numbers = {name: pd.to_numeric(lines[name], errors="coerce") for name in ("quantity", "unit_price", "discount", "amount")}
    due = numbers["quantity"] * numbers["unit_price"] - numbers["discount"]
    ordered, recorded = (pd.to_datetime(lines[name], errors="coerce") for name in ("ordered_at", "recorded_at"))
    lines["adds_up"] = ((numbers["amount"] - due).abs() < 0.005).fillna(value=False)  # what is no number does not add up
    lines["in_time"] = (recorded >= ordered) & (recorded <= ordered + pd.Timedelta(days=1))
    return lines


def main():
    """Judge one delivery."""
    folder, report = sys.argv[1:]
    lines = pd.read_csv(f"{folder}/lines.csv", dtype="string")
    products = list(pd.read_csv(f"{folder}/products.csv", dtype="string").product_id)
    with open(f"{folder}/manifest.json") as file:  # noqa: PTH123
        announced = json.load(file)["rows"]
    whole = gx.get_context(mode="ephemeral").data_sources.add_pandas("pandas").add_dataframe_asset("lines")
    whole = whole.add_batch_definition_whole_dataframe("whole")

    def ask(frame, expectations):
        batch = whole.get_batch(batch_parameters={"dataframe": frame})
        return [batch.validate(each, result_format="COMPLETE") for each in expectations]

    results = ask(lines, about_the_table(announced))
    if all(result.success for result in results):
        results += ask(with_rules_of_rows(lines), about_the_rows(products))
    with open(report, "w") as file:  # noqa: PTH123
        json.dump({"expectations": [result.to_json_dict() for result in results]}, file)
    if not all(result.success for result in results):
        sys.exit("rejected")


main()
