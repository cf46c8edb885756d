"""Random columns: fixed values, any order, fair shares."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from delab.data.rng import Draws, Weights, key, zipf

DRAWS = Draws.of("test", 1)
ROWS = np.arange(100_000)


def test_values_are_fixed_for_ever() -> None:
    assert key("retail", 1, 1, "orders", "at") == 0x2A32B28E7D91C832
    assert DRAWS.bits(np.arange(2)).tolist() == [0x1FFFA9A20EBEC85A, 0x97304BE0632D80D6]


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=50))
def test_a_value_depends_on_its_row_alone(rows: list[int]) -> None:
    together = DRAWS.bits(np.array(rows))
    assert together.tolist() == [int(DRAWS.bits(np.array([row]))[0]) for row in rows]


def test_other_words_give_other_columns() -> None:
    assert key("a", "bc") != key("ab", "c")
    assert not np.array_equal(DRAWS.bits(ROWS[:10]), Draws.of("test", 2).bits(ROWS[:10]))


def test_drawing_leaves_the_row_numbers_alone() -> None:
    rows = np.arange(5)
    DRAWS.unit(rows)
    assert rows.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("bound", [1, 2, 7, 1000, 2**32])
def test_below_fills_its_range_evenly(bound: int) -> None:
    values = DRAWS.below(ROWS, bound)
    assert values.min() >= 0
    assert values.max() < bound
    assert abs(values.mean() / ((bound - 1) / 2 or 1) - (bound > 1)) < 0.02


def test_below_takes_a_bound_a_row() -> None:
    bounds = ROWS % 9 + 1
    values = DRAWS.below(ROWS, bounds)
    assert (values < bounds).all()
    assert values[bounds == 9].max() == 8


@pytest.mark.parametrize("bound", [0, -1, 2**32 + 1])
def test_below_refuses_an_impossible_bound(bound: int) -> None:
    with pytest.raises(ValueError, match=f"got {bound}"):
        DRAWS.below(ROWS[:1], bound)


def test_bits_do_not_depend_on_each_other() -> None:
    bits = DRAWS.bits(ROWS)
    ones = [float(((bits >> np.uint64(place)) & np.uint64(1)).mean()) for place in range(64)]
    assert max(abs(share - 0.5) for share in ones) < 0.01
    assert abs(np.corrcoef(DRAWS.unit(ROWS[:-1]), DRAWS.unit(ROWS[1:]))[0, 1]) < 0.02


def test_bell_has_mean_0_and_deviation_1() -> None:
    values = DRAWS.bell(ROWS)
    assert abs(values.mean()) < 0.02
    assert abs(values.std() - 1) < 0.02
    assert np.abs(values).max() <= 3.5


def test_a_higher_rate_only_adds() -> None:
    few, many = DRAWS.chance(ROWS, 0.1), DRAWS.chance(ROWS, 0.3)
    assert (many | ~few).all()
    assert abs(few.mean() - 0.1) < 0.01
    assert DRAWS.chance(ROWS, 1.0).all()
    assert not DRAWS.chance(ROWS, 0.0).any()


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=40).filter(any))
def test_an_alias_table_keeps_every_weight(weights: list[int]) -> None:
    table = Weights.of(weights)
    share = np.zeros(len(weights))
    kept = table.threshold.astype(float) / 2**32
    np.add.at(share, np.arange(len(weights)), kept)
    np.add.at(share, table.alias, 1 - kept)
    assert np.allclose(share / len(weights), np.array(weights) / sum(weights), atol=1e-8)


def test_picks_follow_the_weights() -> None:
    picks = DRAWS.pick(ROWS, Weights.of((5, 0, 3, 2)))
    assert np.allclose(np.bincount(picks, minlength=4) / len(ROWS), [0.5, 0, 0.3, 0.2], atol=0.01)


def test_zipf_ranks_fall_as_one_over_the_rank() -> None:
    counts = np.bincount(DRAWS.pick(ROWS, zipf(1000)))
    assert 1.8 < counts[0] / counts[1] < 2.2
    assert 8 < counts[0] / counts[9] < 12
    steep = np.bincount(DRAWS.pick(ROWS, zipf(1000, quarters=8)))
    assert 3.5 < steep[0] / steep[1] < 4.5
