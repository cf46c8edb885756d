"""Good orders pass; each mistake is found by the expectation meant for it, and by no other."""

import json
from pathlib import Path

import pytest

import validate

GOOD = Path(__file__).parent.parent / "sample" / "orders.csv"
MISTAKES = {
    "a row came twice": (",99.00\n", ",99.00\n3,2025-01-01T12:00:00Z,7,EUR,cancelled,99.00\n", "values_to_be_unique", "order_id"),
    "a customer is missing": ("3,2025-01-01T12:00:00Z,7", "3,2025-01-01T12:00:00Z,", "values_to_not_be_null", "customer_id"),
    "the sign is wrong": (",14.50", ",-14.50", "values_to_be_between", "amount"),
    "a status is misspelt": ("cancelled", "canceled", "values_to_be_in_set", "status"),
    "a currency that nobody knows": ("GBP", "XXX", "values_to_be_in_set", "currency"),
}


def found(file: Path, report: Path) -> tuple[int, list[tuple[str, str]]]:
    """The exit code, and what is not met."""
    code = validate.main([str(file), "--report", str(report)])
    return code, [(one["expectation"].removeprefix("expect_column_"), one["column"]) for one in json.loads(report.read_text())]


def test_good_orders_pass(tmp_path: Path) -> None:
    assert found(GOOD, tmp_path / "report.json") == (0, [])


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(tmp_path: Path, mistake: str) -> None:
    before, after, expectation, column = MISTAKES[mistake]
    (tmp_path / "orders.csv").write_text(GOOD.read_text().replace(before, after))
    assert found(tmp_path / "orders.csv", tmp_path / "report.json") == (1, [(expectation, column)])


def test_no_rows_and_no_column_are_told(tmp_path: Path) -> None:
    header, *rows = GOOD.read_text().splitlines(keepends=True)
    (tmp_path / "empty.csv").write_text(header)
    assert found(tmp_path / "empty.csv", tmp_path / "report.json")[0] == 1
    (tmp_path / "renamed.csv").write_text(header.replace("amount", "total") + "".join(rows))
    code, unmet = found(tmp_path / "renamed.csv", tmp_path / "report.json")
    assert code == 1
    assert ("to_exist", "amount") in unmet


def test_a_file_that_is_not_there_is_no_verdict(tmp_path: Path) -> None:
    assert validate.main([str(tmp_path / "none.csv")]) == 2
