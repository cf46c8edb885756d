"""Check a file or a table against the expectations; the exit code says it to whatever runs this.

    python validate.py orders.csv                 a CSV or Parquet file
    python validate.py --table orders             a table of the database that QUALITY_URL names (as SQLAlchemy writes it)

0: all are met. 1: some are not (they are printed). 2: nothing could be checked.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd

import expectations

SHOWN = 5  # values of each unmet expectation


class NothingToCheckError(Exception):
    """There is no such file or table, or it can't be read."""


def file_batch(context: Any, file: Path) -> Any:
    """The rows of a file."""
    if not file.is_file():
        raise NothingToCheckError(f"{file}: there is no such file")
    try:
        rows = pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    except (ValueError, OSError) as error:
        raise NothingToCheckError(f"{file} can't be read: {error}") from error
    asset = context.data_sources.add_pandas("files").add_dataframe_asset("rows")
    return asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": rows})


def table_batch(context: Any, table: str) -> Any:
    """The rows of a table, which stay where they are: Great Expectations asks the database."""
    if not (url := os.environ.get("QUALITY_URL")):
        raise NothingToCheckError("QUALITY_URL is not set: such as postgresql+psycopg2://user:password@host:5432/database")
    schema, _, name = table.rpartition(".")
    try:
        asset = context.data_sources.add_sql("database", connection_string=url).add_table_asset(
            name, table_name=name, schema_name=schema or None
        )
        return asset.add_batch_definition_whole_table("all").get_batch()
    except Exception as error:
        raise NothingToCheckError(f"the table {table} can't be read: {error}") from error


def unmet(result: Any) -> list[dict[str, Any]]:
    """Each expectation that is not met: what it says, of which column, how many rows, some of their values."""
    found = []
    for one in result.results:
        if not one.success:
            about = one.expectation_config
            error = next((told["exception_message"] for told in exceptions(one.exception_info) if told.get("raised_exception")), "")
            found.append(
                {
                    "expectation": about.type,
                    "column": about.kwargs.get("column", ""),
                    "why": about.meta.get("why", ""),
                    "rows": one.result.get("unexpected_count"),
                    "values": one.result.get("partial_unexpected_list", [])[:SHOWN],
                    "error": error,
                }
            )
    return found


def exceptions(info: dict[str, Any]) -> list[dict[str, Any]]:
    """What was raised, whether it is told once or for each metric."""
    return [info] if "raised_exception" in info else list(info.values())


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, print, return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--table", help="a table of the database, such as public.orders")
    parser.add_argument("--report", type=Path, help="write what is not met to this file, as JSON")
    told = parser.parse_args(arguments)
    if (told.file is None) == (told.table is None):
        parser.error("name a file, or a --table")  # ends with 2
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    try:
        batch = table_batch(context, told.table) if told.table else file_batch(context, told.file)
    except NothingToCheckError as error:
        print(error, file=sys.stderr)
        return 2
    found = unmet(batch.validate(expectations.suite()))
    for one in found:
        print(
            f"not met: {one['expectation']} {one['column']}: {one['rows']} rows, such as {one['values']}; {one['why']} {one['error']}"
        )
    if told.report:
        told.report.write_text(json.dumps(found, indent=2, default=str))
    print(f"{told.table or told.file}: {len(found)} of {len(expectations.expectations())} expectations are not met")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
