"""Reads what Great Expectations says of a batch, from the JSON in which a learner's program leaves it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from delab.checks.failing import fail


@dataclass(frozen=True)
class Finding:
    """What came of one expectation."""

    type: str  # such as expect_column_values_to_not_be_null
    columns: tuple[str, ...]  # that it looks at; none if it is about the table
    success: bool
    raised: bool  # it could not be evaluated
    rows: tuple[Any, ...]  # unexpected_index_list: positions, or for each row the named columns


def read(path: Path) -> list[Finding]:
    """All findings of a report, however deep they lie: of one validation, of several, or of a checkpoint.

    Fails the check if there is no report, or nothing in it.
    """
    try:
        found = [finding(entry) for entry in entries(json.loads(path.read_text()))]
    except OSError as error:
        seen = "there is no report" if isinstance(error, FileNotFoundError) else f"it can't be read: {error.strerror}"
        fail(expected="the report is there after each run, also when the batch is refused", seen=seen)
    except (ValueError, RecursionError) as error:
        fail(expected="the report is JSON", seen=f"it can't be read: {error}")
    if not found:
        fail(expected="the report holds the results of Great Expectations (`to_json_dict()`)", seen="there is no result in it")
    return found


def entries(content: Any) -> Iterator[dict[str, Any]]:
    """The results of single expectations within a JSON value."""
    if isinstance(content, list):
        for part in content:
            yield from entries(part)
    elif isinstance(content, dict):
        if isinstance(content.get("expectation_config"), dict) and "success" in content:
            yield content
        else:
            yield from entries(list(content.values()))


def finding(entry: dict[str, Any]) -> Finding:
    """One result, as far as it is what it should be."""
    about = entry["expectation_config"]
    kwargs, result = as_dict(about.get("kwargs")), as_dict(entry.get("result"))
    rows = result.get("unexpected_index_list")
    return Finding(
        str(about.get("type", "")),
        tuple(columns(kwargs)),
        entry["success"] is True,
        "raised_exception': True" in str(entry.get("exception_info")),
        tuple(rows) if isinstance(rows, list) else (),
    )


def columns(kwargs: dict[str, Any]) -> Iterator[str]:
    """The columns that an expectation is told to look at."""
    for key, value in kwargs.items():
        if key in ("column", "column_A", "column_B"):
            yield str(value)
        elif key == "column_list" and isinstance(value, list):
            yield from map(str, value)


def as_dict(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
