"""Queries, and how relevant each document is to each: by its topic, and by which of the query's terms it holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from delab.data.arrow import ArrowTable, pa
from delab.data.columns import whole
from delab.data.rng import Bools, Ints
from delab.data.text.documents import LANGUAGE, World
from delab.data.text.lexicon import lexicon
from delab.data.text.words import LANGUAGES, TOPICS

COUNT = 60
TERMS = 3
SPANS = ((1, 5), (5, 14), (14, 40))  # ranks that the terms are drawn from: a frequent word, a middling one, a rare one
BATCH = 4_096  # documents


@dataclass(frozen=True)
class Query:
    """What somebody looks for. `terms` are spellings (see lexicon.Lexicon)."""

    language: int
    topic: int
    terms: tuple[int, ...]
    text: str


@lru_cache(maxsize=4)
def queries(version: int, seed: int) -> list[Query]:
    """All queries of a seed: as many on each topic. They do not depend on the scale."""
    world_draws = World.of_seed(version, seed).draws
    number = np.arange(COUNT, dtype=np.int64)
    languages = world_draws("queries", "language").pick(number, LANGUAGE).tolist()
    terms = np.stack([low + world_draws("queries", f"term {low}").below(number, high - low) for low, high in SPANS], axis=1)
    order, form = world_draws("queries", "order").below(number, TERMS), world_draws("queries", "form").bits(number).tolist()
    found = []
    for place, language in enumerate(languages):
        topic = place % len(TOPICS)
        chosen = tuple(lexicon().topic_words[language, topic][rank] for rank in np.roll(terms[place], order[place]).tolist())
        asked = LANGUAGES[language].questions[form[place] % len(LANGUAGES[language].questions)]
        found.append(Query(language, topic, chosen, asked.format(*(lexicon().spellings[term].lower() for term in chosen))))
    return found


def of(world: World) -> list[Query]:
    """The queries of a world."""
    return queries(world.version, world.recipe.seed)


def query_terms(world: World) -> ArrowTable:
    """What each query is about: its topic, its language and the three words that count as its terms, in lower case."""
    rows = [
        {
            "query_id": number + 1,
            "language": LANGUAGES[query.language].code,
            "topic": TOPICS[query.topic],
            "terms": " ".join(lexicon().spellings[term].lower() for term in query.terms),
        }
        for number, query in enumerate(of(world))
    ]
    return pa.Table.from_pylist(rows)


def held(world: World, start: int, stop: int, some: list[Query]) -> tuple[Ints, Ints]:
    """For documents [start, stop) and each query: how many of its terms the body holds, and the grade; shape (documents,
    queries)."""
    documents = world.documents(start, stop)
    tokens = documents.tokens()
    wanted, place = np.unique(lexicon().word[np.array([query.terms for query in some])], return_inverse=True)
    column = np.full(len(lexicon().words), -1, np.int64)
    column[wanted] = np.arange(len(wanted))
    columns = column[tokens.word]
    hits: Bools = np.zeros((stop - start, len(wanted)), np.bool_)
    hits[tokens.document[columns >= 0], columns[columns >= 0]] = True
    terms = hits[:, place.reshape(len(some), TERMS)].sum(axis=2)
    language, topic = (np.array([getattr(query, name) for query in some]) for name in ("language", "topic"))
    same = documents.language[:, None] == language
    first, second = (same & (values[:, None] == topic) for values in (documents.topic, documents.second))
    return terms, np.where(first, terms, np.where(second, np.minimum(terms, 1), 0))


def relevance(world: World) -> Iterator[ArrowTable]:
    """Every document that is relevant to a query, and its grade. A document in the query's language whose topic is the query's
    has as grade how many of the three terms its body holds: 3, 2 or 1. One whose second topic it is has 1 if it holds any of
    them. All others are not relevant, whatever terms they hold."""
    for start in range(0, world.count, BATCH):
        _, grade = held(world, start, min(start + BATCH, world.count), of(world))
        query, document = np.nonzero(grade.T)
        columns = {"query_id": query + 1, "document_id": start + document + 1}
        yield pa.table({**{name: whole(values) for name, values in columns.items()}, "grade": whole(grade.T[query, document], 16)})
