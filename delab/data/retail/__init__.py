"""Retail sales: customers, products, stores, orders, lines, returns, payments. See `datasets/retail/`."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from inspect import isgeneratorfunction, signature
from typing import Any

from delab.data.arrow import ArrowTable, RecordBatch, pa
from delab.data.model import Answer, Dataset, Recipe
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
        return {function.__name__: self.answer(function) for function in ANSWERS}

    def answer(self, function: Callable[..., Any]) -> Answer:
        """One function of a world as an answer for a recipe; a generator gives its answer in pieces."""
        defaults = {name: value.default for name, value in list(signature(function).parameters.items())[1:]}

        def compute(recipe: Recipe, **parameters: Any) -> ArrowTable:
            return function(self.world(recipe), **parameters)

        def parts(recipe: Recipe, **parameters: Any) -> Iterator[ArrowTable]:
            yield from function(self.world(recipe), **parameters)

        def joined(recipe: Recipe, **parameters: Any) -> ArrowTable:
            return pa.concat_tables(list(parts(recipe, **parameters)))

        about = function.__name__, function.__doc__ or ""
        return Answer(*about, joined, defaults, parts) if isgeneratorfunction(function) else Answer(*about, compute, defaults)


DATASET = Retail("retail")
