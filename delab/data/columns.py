"""Arrow columns from NumPy ones, without a detour through Python objects."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from delab.data.arrow import Array, DataType, pa, pc
from delab.data.rng import Bools, Ints


def money(hundredths: Ints, kind: DataType | None = None) -> Array:
    """Decimals from their unscaled integers (cents for two places). The 128-bit form is the integer and its sign."""
    wide = np.zeros((len(hundredths), 2), "<i8")
    wide[:, 0] = hundredths
    if hundredths.min(initial=0) < 0:
        np.right_shift(hundredths, 63, out=wide[:, 1])
    return pa.Array.from_buffers(kind or pa.decimal128(14, 2), len(hundredths), [None, pa.py_buffer(wide)])


def unscaled(decimals: Array) -> Ints:
    """The unscaled integers of a decimal column without nulls."""
    lower = np.frombuffer(decimals.buffers()[1], "<i8")[::2]
    return lower[decimals.offset : decimals.offset + len(decimals)].astype(np.int64)


def times(micros: Ints) -> Array:
    """Timestamps in UTC from µs since 1970."""
    return pa.array(micros, pa.int64()).view(pa.timestamp("us", tz="UTC"))


def dates(days: Ints) -> Array:
    """Dates from days since 1970."""
    return pa.array(days.astype(np.int32), pa.int32()).view(pa.date32())


def whole(values: NDArray[np.generic], bits: int = 64) -> Array:
    """Integers of 16, 32 or 64 bits."""
    return pa.array(values.astype(f"int{bits}"))


def gaps(column: Array, missing: Bools) -> Array:
    """The column with nulls where `missing`."""
    return pc.if_else(pa.array(missing), pa.scalar(None, column.type), column)


def words(choices: Sequence[str | None], positions: NDArray[np.generic]) -> Array:
    """Strings by their positions in `choices`."""
    return pa.array(choices, pa.string()).take(pa.array(positions))


def padded(numbers: NDArray[np.generic], width: int | NDArray[np.generic]) -> Array:
    """Numbers as text with leading zeros to `width` characters (one width, or one a row)."""
    text = pa.array(numbers.astype(np.int64)).cast(pa.string())
    if isinstance(width, int):
        return pc.utf8_lpad(text, width, "0")
    wide = pc.utf8_lpad(text, int(width.max(initial=1)), "0")
    lengths = np.asarray(width, np.int64)
    out = pa.nulls(len(numbers), pa.string())
    for each in np.unique(lengths):
        out = pc.if_else(pa.array(lengths == each), pc.utf8_slice_codeunits(wide, -int(each)), out)
    return out


def joined(*parts: Array | str) -> Array:
    """Strings put together row by row; null where one part is."""
    return pc.binary_join_element_wise(*[pa.scalar(part) if isinstance(part, str) else part for part in parts], "")
