"""Reading what Great Expectations says, from reports of any shape."""

import json
from pathlib import Path
from typing import Any

import pytest

from delab.checks.expectations import Finding, read
from delab.checks.failing import CheckFailed

RAISED = {"('column_values.between', 'x')": {"raised_exception": True, "exception_message": "text"}}


def result(kind: str, success: bool, rows: Any = None, **kwargs: Any) -> dict[str, Any]:
    return {
        "expectation_config": {"type": kind, "kwargs": kwargs},
        "success": success,
        "result": {"unexpected_index_list": rows},
        "exception_info": {"raised_exception": False},
    }


def read_text(folder: Path, text: str) -> list[Finding]:
    (folder / "report.json").write_text(text)
    return read(folder / "report.json")


@pytest.mark.parametrize("wrap", [lambda it: it, lambda it: [it, 1], lambda it: {"run_results": {"a": {"results": [it]}}}])
def test_a_result_is_found_however_deep_it_lies(tmp_path: Path, wrap: Any) -> None:
    one = result("expect_column_values_to_be_unique", False, [{"line_id": 3}], column="line_id", batch_id="files-lines")
    assert read_text(tmp_path, json.dumps(wrap(one))) == [
        Finding("expect_column_values_to_be_unique", ("line_id",), False, False, ({"line_id": 3},))
    ]


def test_columns_of_pairs_and_of_lists(tmp_path: Path) -> None:
    pair = result("pair", True, column_A="a", column_B="b")
    many = result("many", True, column_list=["c", "d"])
    table = result("table", True, value=3)
    assert [found.columns for found in read_text(tmp_path, json.dumps([pair, many, table]))] == [("a", "b"), ("c", "d"), ()]


def test_an_expectation_that_could_not_be_evaluated(tmp_path: Path) -> None:
    broken = {**result("between", False, column="a"), "exception_info": RAISED, "result": {}}
    [found] = read_text(tmp_path, json.dumps(broken))
    assert (found.success, found.raised, found.rows) == (False, True, ())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "can't be read"),
        ("[" * 100_000, "can't be read"),
        ("3", "no result"),
        ('{"success": true}', "no result"),
        ('{"success": 1, "expectation_config": "x"}', "no result"),
    ],
)
def test_what_is_no_report_is_the_learners_failure(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        read_text(tmp_path, text)
    assert says in caught.value.failure.seen


def test_a_report_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckFailed) as caught:
        read(tmp_path / "report.json")
    assert "no report" in caught.value.failure.seen
