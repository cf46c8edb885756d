"""Counter-based random columns: a value depends on its key and its row number alone, so any block of rows can be made on its own.

A key is made from words (data set, version, seed, table, column). Row `i` of a column is SplitMix64's finaliser over
`key + i * golden`. Only integer arithmetic and correctly rounded float operations (+, -, *, /, sqrt) decide values: the same
bits on every platform. Leave `exp`, `log`, `sin` and `**` alone; their last bit differs from one C library to the next.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bits = NDArray[np.uint64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX1, MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
HALF = np.uint64(32)


def key(*words: str | int) -> int:
    """A 64-bit key from words; every different list of words gives another column."""
    text = "\x1f".join(str(word) for word in words).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def mixed(values: Bits) -> Bits:
    """SplitMix64's finaliser, in place."""
    values ^= values >> np.uint64(30)
    values *= MIX1
    values ^= values >> np.uint64(27)
    values *= MIX2
    values ^= values >> np.uint64(31)
    return values


def scaled(bits: Bits, below: int | NDArray[Any]) -> Ints:
    """The upper half of random bits as integers in [0, below); below ≤ 2³². May also be one bound a row."""
    if isinstance(below, int) and not 0 < below <= 1 << 32:
        raise ValueError(f"below must be in 1..2^32, got {below}")
    bound = np.uint64(below) if isinstance(below, int) else below.astype(np.uint64)
    upper: Bits = bits >> HALF
    upper *= bound
    upper >>= HALF
    return upper.view(np.int64)


@dataclass(frozen=True)
class Draws:
    """One random column. `rows` below are row numbers (any non-negative integers, in any order), shape (n,)."""

    key: int

    @classmethod
    def of(cls, *words: str | int) -> "Draws":
        """The column named by these words."""
        return cls(key(*words))

    def bits(self, rows: NDArray[Any]) -> Bits:
        """64 random bits a row."""
        values: Bits = np.asarray(rows).astype(np.uint64)  # always a copy
        values *= GOLDEN
        values += np.uint64(self.key)
        return mixed(values)

    def below(self, rows: NDArray[Any], bound: int | NDArray[Any]) -> Ints:
        """Integers in [0, bound), bound ≤ 2³²."""
        return scaled(self.bits(rows), bound)

    def unit(self, rows: NDArray[Any]) -> Floats:
        """Floats in [0, 1), multiples of 2⁻⁵³."""
        values: Floats = (self.bits(rows) >> np.uint64(11)).astype(np.float64)
        values *= 2.0**-53
        return values

    def chance(self, rows: NDArray[Any], rate: float) -> Bools:
        """True with probability `rate`; a row true at one rate is true at every higher one."""
        return self.unit(rows) < rate

    def bell(self, rows: NDArray[Any]) -> Floats:
        """Roughly normal, mean 0 and standard deviation 1, within ±3.5: the sum of four uniform numbers of 16 bits."""
        bits, mask = self.bits(rows), np.uint64(0xFFFF)
        total = sum(((bits >> np.uint64(shift)) & mask for shift in (16, 32, 48)), bits & mask)
        return (total.astype(np.float64) - 131070.0) / 37837.0

    def pick(self, rows: NDArray[Any], weights: "Weights") -> Ints:
        """Positions in `weights`, each as likely as its weight."""
        bits = self.bits(rows)
        slot = scaled(bits, len(weights))
        kept = bits.astype(np.uint32) < weights.threshold[slot]
        return np.where(kept, slot, weights.alias[slot])


@dataclass(frozen=True)
class Weights:
    """A discrete distribution as an alias table (Walker, Vose): one draw costs two look-ups, whatever its length."""

    threshold: NDArray[np.uint32]  # of 2³²: below it the slot itself, else its alias (itself too, for a full slot)
    alias: Ints

    def __len__(self) -> int:
        return len(self.alias)

    @classmethod
    def of(cls, weights: Sequence[int]) -> "Weights":
        """From non-negative integers of which at least one is positive."""
        count, total = len(weights), sum(int(weight) for weight in weights)
        share = [int(weight) * count for weight in weights]  # 1 slot = total
        alias = list(range(count))
        small = [i for i in range(count) if share[i] < total]
        large = [i for i in range(count) if share[i] >= total]
        while small and large:
            poor, rich = small.pop(), large[-1]
            alias[poor] = rich
            share[rich] -= total - share[poor]
            if share[rich] < total:
                small.append(large.pop())
        threshold = [min((part << 32) // total, (1 << 32) - 1) for part in share]
        return cls(np.array(threshold, np.uint32), np.array(alias, np.int64))


@cache
def zipf(count: int, quarters: int = 4) -> Weights:
    """Zipf's law over ranks 0..count-1 with exponent quarters/4: weight 1 / rank^(quarters/4)."""
    return Weights.of(zipf_shares(count, quarters))


def zipf_shares(count: int, quarters: int = 4) -> list[int]:
    """The weights of Zipf's law as integers."""
    ranks = np.arange(1, count + 1, dtype=np.float64)
    root = np.sqrt(np.sqrt(ranks))
    power = np.ones(count)
    for _ in range(quarters):
        power *= root
    return [int(weight) for weight in np.floor(2.0**40 / power)]
