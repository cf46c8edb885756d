"""What stands in the learner's tables and declarations, as values that can be compared, whatever their types."""

from decimal import Decimal, InvalidOperation
from typing import Any

from delab.checks import expect, fail

CENT = Decimal("0.005")


def number(value: Any, what: str) -> Decimal:
    """A measure as a number."""
    if value is None or isinstance(value, bool | str):
        fail(expected=f"{what} is a number", seen=f"{value!r}" if value is not None else "NULL")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        fail(expected=f"{what} is a number", seen=f"{value!r}")
    expect(found.is_finite(), expected=f"{what} is a number", seen=f"{value!r}")
    return found


def plain(key: Any) -> Any:
    """A key that can be counted, whatever its type."""
    return bytes(key) if isinstance(key, memoryview) else str(key) if isinstance(key, list | dict) else key


def same(one: Any, other: Any, what: str) -> bool:
    """Whether a measure is what it should be, to half a cent."""
    return abs(number(one, what) - Decimal(str(other))) < CENT


def alike(value: Any, right: int | bool) -> bool:
    """Whether an attribute of a day is right; a truth value may be 0 or 1, a number may have a fraction of 0 or two digits."""
    if isinstance(right, bool):
        return isinstance(value, bool | int) and bool(value) == right
    return not isinstance(value, bool) and str(value) in (str(right), f"{right}.0", f"{right:02}")


def words(said: Any) -> str:
    """A declared word: case, hyphens and underscores don't matter."""
    return " ".join(str(said or "").lower().replace("-", " ").replace("_", " ").split())
