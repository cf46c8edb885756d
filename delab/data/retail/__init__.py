"""Retail sales: customers, products, stores, orders, lines, returns, payments. See `datasets/retail/`."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from delab.data.arrow import RecordBatch, pa
from delab.data.model import Answer, Dataset, Recipe, answers_of
from delab.data.retail import history, sales, tables
from delab.data.retail.orders import World

ANSWERS: tuple[Callable[..., Any], ...] = (
    sales.order_totals,
    sales.daily_sales,
    sales.local_daily_sales,
    sales.store_sales,
    sales.area_sales,
    sales.product_sales,
    sales.monthly_revenue,
    sales.segment_sales,
    sales.bought_together,
    sales.clean_totals,
    history.customer_history,
    history.product_history,
    history.customer_previous,
    history.customers_on,
)


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

    def clean(self, table: str, recipe: Recipe, start: int, stop: int) -> RecordBatch:
        """The clean rows of units [start, stop)."""
        columns = tables.MAKERS[table](self.world(recipe), start, stop)
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=self.table(table).arrow)

    def answers(self) -> Mapping[str, Answer]:
        """The answer key: the functions named in ANSWERS, each with its docstring."""
        return answers_of(ANSWERS, self.world)


DATASET = Retail("retail")
