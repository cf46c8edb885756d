"""Retail sales: customers, products, stores, orders, lines, returns, payments. See `datasets/retail/`."""

from collections.abc import Mapping
from functools import lru_cache

import pyarrow as pa

from delab.data.model import Answer, Dataset, Recipe
from delab.data.retail import tables
from delab.data.retail.orders import World


@lru_cache(maxsize=4)
def world(version: int, scale: float, seed: int) -> World:
    """What all tables of one seed and scale share."""
    return World(version, Recipe(scale, seed))


class Retail(Dataset):
    """A unit is a row of a small table, a customer, a product, or an order."""

    def world(self, recipe: Recipe) -> World:
        """What all tables of a recipe share; faults do not change it."""
        return world(self.version, recipe.scale, recipe.seed)

    def units(self, table: str, recipe: Recipe) -> int:
        """How many units the table has."""
        return tables.units(self.world(recipe), self.table(table).name)

    def clean(self, table: str, recipe: Recipe, start: int, stop: int) -> pa.RecordBatch:
        """The clean rows of units [start, stop)."""
        columns = tables.MAKERS[table](self.world(recipe), start, stop)
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=self.table(table).arrow)

    def answers(self) -> Mapping[str, Answer]:
        """The answer key."""
        return {}


DATASET = Retail("retail")
