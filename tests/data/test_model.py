"""Recipes, descriptions and the registry."""

import pytest

from delab.data import answer_key, dataset, model, names
from delab.errors import LabError


def test_every_described_set_has_a_generator() -> None:
    assert "retail" in names()
    for name in names():
        data = dataset(name)
        assert data.name == name
        assert data.answers()


@pytest.mark.parametrize("name", names())
def test_a_description_is_whole(name: str) -> None:
    data = dataset(name)
    for table in data.tables.values():
        assert {table.identity, *table.key} <= {column.name for column in table.columns}
        assert table.column(table.identity).type == "int64"
        assert not table.time or table.column(table.time).type == "timestamp"
        for column in table.columns:
            assert column.type in model.TYPES
            assert column.meaning
            if column.references:
                parent, _, key = column.references.partition(".")
                assert data.table(parent).column(key).type == column.type
    for fault in data.faults.values():
        for target in fault.targets:
            owner, _, column_name = target.partition(".")
            assert not column_name or data.table(owner).column(column_name)


@pytest.mark.parametrize("scale", [0, -1, model.MAX_SCALE + 1, float("nan"), float("inf")])
def test_a_bad_scale_is_explained(scale: float) -> None:
    with pytest.raises(LabError, match="expected a scale above 0"):
        dataset("retail").recipe(scale)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_a_bad_seed_is_explained(seed: int) -> None:
    with pytest.raises(LabError, match="expected a seed"):
        dataset("retail").recipe(1, seed)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_bad_rate_is_explained(rate: float) -> None:
    with pytest.raises(LabError, match="expected a rate from 0 to 1 for the fault missing"):
        dataset("retail").recipe(faults={"missing": rate})


def test_what_does_not_exist_is_named_with_what_does() -> None:
    with pytest.raises(LabError, match="no data set 'wholesale'") as error:
        dataset("wholesale")
    assert "retail" in error.value.fix
    with pytest.raises(LabError, match="no fault 'gremlin'") as error:
        dataset("retail").recipe(faults={"gremlin": 0.1})
    assert "orphan_key" in error.value.fix
    with pytest.raises(LabError, match="no table 'nope'") as error:
        dataset("retail").table("nope")
    assert "order_lines" in error.value.fix
    with pytest.raises(LabError, match="has no 'nope'") as error:
        answer_key("retail", "nope")
    assert "daily_sales" in error.value.fix


def test_a_fault_of_rate_0_is_no_fault() -> None:
    assert dataset("retail").recipe(faults={"missing": 0}) == dataset("retail").recipe()
