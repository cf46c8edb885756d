"""Documents on known topics, their links and queries. See `datasets/text/`."""

from collections.abc import Callable, Mapping
from typing import Any

from delab.data.arrow import RecordBatch, pa
from delab.data.model import Answer, Dataset, Recipe, answers_of
from delab.data.text import counts, links, queries, similar, tables
from delab.data.text.documents import World

ANSWERS: tuple[Callable[..., Any], ...] = (
    counts.topics,
    counts.document_words,
    counts.word_counts,
    similar.near_duplicates,
    similar.exact_duplicates,
    links.link_counts,
    links.pagerank,
    queries.query_terms,
    queries.relevance,
    counts.clean_totals,
)


class Text(Dataset):
    """A unit is a document (of `links`: with all links that lead out of it), or a query."""

    def world(self, recipe: Recipe) -> World:
        """What all tables of a recipe share; faults do not change it."""
        return World(self.version, Recipe(recipe.scale, recipe.seed))

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


DATASET = Text("text")
