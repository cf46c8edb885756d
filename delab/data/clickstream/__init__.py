"""A click stream in the order in which it arrives: event time, arrival time and what comes between. See `datasets/clickstream/`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from inspect import isgeneratorfunction, signature
from typing import Any

from delab.data import faults
from delab.data.arrow import ArrowTable, RecordBatch, pa
from delab.data.clickstream import sessions, tables, traffic, windows, wrong
from delab.data.clickstream.visits import World
from delab.data.model import Answer, Block, Dataset, Recipe

ANSWERS: tuple[Callable[..., Any], ...] = (
    windows.tumbling_windows,
    windows.sliding_windows,
    windows.complete_windows,
    windows.dropped_clicks,
    sessions.sessions,
    sessions.funnel,
    sessions.bots,
    sessions.wrong_clocks,
    traffic.duplicates,
    traffic.minute_arrivals,
    traffic.bursts,
    traffic.lateness,
    traffic.schema_versions,
    traffic.page_views,
    traffic.clean_totals,
)


class Clickstream(Dataset):
    """A unit is a page, a visitor, or a minute in which clicks arrive."""

    def world(self, recipe: Recipe) -> World:
        """What all tables of a recipe share; faults do not change it."""
        return World(self.version, Recipe(recipe.scale, recipe.seed))

    def units(self, table: str, recipe: Recipe) -> int:
        """How many units the table has."""
        return tables.units(self.world(recipe), self.table(table).name)

    def clean(self, table: str, recipe: Recipe, start: int, stop: int) -> RecordBatch:
        """The clean rows of units [start, stop)."""
        return tables.rows(self.world(recipe), self.table(table), start, stop)

    def page(self, table: str, recipe: Recipe, start: int, stop: int) -> Block:
        """The rows of one page as delivered; clicks stay in the order of arrival whatever is planted."""
        if table != "clicks" or not recipe.faults:
            return super().page(table, recipe, start, stop)
        rows, found = wrong.plant(self, self.table(table), recipe, self.clean(table, recipe, start, stop))
        others = tuple((name, rate) for name, rate in recipe.faults if name not in wrong.OWN)
        block = faults.plant(self, self.table(table), replace(recipe, faults=others), rows)
        return Block(wrong.in_order(block.rows), faults.record([*found, block.planted]))

    def answers(self) -> Mapping[str, Answer]:
        """The answer key: the functions named in ANSWERS, each with its docstring."""
        return {function.__name__: self.answer(function) for function in ANSWERS}

    def answer(self, function: Callable[..., Any]) -> Answer:
        """One function of a world as an answer for a recipe; a generator gives its answer in pieces."""
        defaults = {name: value.default for name, value in list(signature(function).parameters.items())[1:]}
        pieces = partial(self.parts, function) if isgeneratorfunction(function) else None
        return Answer(function.__name__, function.__doc__ or "", partial(self.whole, function), defaults, pieces)

    def parts(self, function: Callable[..., Any], recipe: Recipe, **parameters: Any) -> Iterator[ArrowTable]:
        """An answer in pieces."""
        yield from function(self.world(recipe), **parameters)

    def whole(self, function: Callable[..., Any], recipe: Recipe, **parameters: Any) -> ArrowTable:
        """An answer as one table."""
        if isgeneratorfunction(function):
            return pa.concat_tables(list(self.parts(function, recipe, **parameters)))
        return function(self.world(recipe), **parameters)


DATASET = Clickstream("clickstream")
