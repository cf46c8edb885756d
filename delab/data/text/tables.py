"""The tables as Arrow rows, built from the arrays of the other modules."""

from collections.abc import Callable
from functools import cache

import numpy as np

from delab.data.arrow import Array, pa
from delab.data.columns import joined, times, whole, words
from delab.data.rng import Ints
from delab.data.text import queries
from delab.data.text.documents import PUNCTUATION, SITE, Documents, Tokens, World
from delab.data.text.lexicon import FORMS, lexicon
from delab.data.text.links import SLOTS, links
from delab.data.text.words import LANGUAGES, TOPICS

CODES = [language.code for language in LANGUAGES]
JOINTS = len(LANGUAGES[0].joints)
TITLE_WORDS = 64  # titles and anchors are made of so many of a topic's most frequent words
Columns = dict[str, Array]


@cache
def title_words() -> tuple[Array, Array]:
    """The words that titles are made of, by (language × topics + topic) × TITLE_WORDS + rank: as at the start, and as inside."""
    spellings = np.array([some[:TITLE_WORDS] for some in lexicon().topic_words.values()], np.int64).ravel()
    inside = lexicon().forms.take(pa.array(spellings * FORMS + 0))
    first = lexicon().forms.take(pa.array(spellings * FORMS + 1))
    return tuple(pa.compute.utf8_rtrim_whitespace(some) for some in (first, inside))


def titles(documents: Documents) -> Array:
    """Two different words of the topic; a copy has its original's, unless its words are not its original's."""
    same = documents.kind <= PUNCTUATION
    number = np.where(same, documents.origin, documents.number)
    start = (documents.language * len(TOPICS) + documents.topic) * TITLE_WORDS
    one = documents.draws("title").below(number * 2, TITLE_WORDS)
    other = (one + 1 + documents.draws("title").below(number * 2 + 1, TITLE_WORDS - 1)) % TITLE_WORDS
    joints = [joint for language in LANGUAGES for joint in language.joints]
    joint = documents.language * JOINTS + documents.draws("joint").below(number, JOINTS)
    first, inside = title_words()
    return joined(first.take(pa.array(start + one)), words(joints, joint), inside.take(pa.array(start + other)))


def bodies(tokens: Tokens) -> Array:
    """The texts: all forms one after the other, cut where documents start. No text is copied twice."""
    pieces = lexicon().forms.take(pa.array(tokens.spelling * np.int32(FORMS) + tokens.form))
    _, ends, letters = pieces.buffers()
    cuts = np.frombuffer(ends, np.int32)[tokens.start]
    return pa.StringArray.from_buffers(len(tokens.start) - 1, pa.py_buffer(cuts), letters)


def documents(world: World, start: int, stop: int) -> Columns:
    """Documents [start, stop)."""
    some = world.documents(start, stop)
    site, page = np.divmod(some.number, SITE)
    return {
        "document_id": whole(some.number + 1),
        "url": joined("https://site", whole(site + 1).cast(pa.string()), ".example.org/", whole(page + 1).cast(pa.string())),
        "title": titles(some),
        "body": bodies(some.tokens()),
        "language": words(CODES, some.language),
        "published_at": times(some.published),
        "crawled_at": times(some.crawled),
    }


def anchors(world: World, target: Ints, link: Ints) -> Array:
    """The texts of links: a word of what their targets are about."""
    to = Documents(world, target)
    rank = world.draws("links", "anchor").below(link, TITLE_WORDS)
    return title_words()[1].take(pa.array((to.language * len(TOPICS) + to.topic) * TITLE_WORDS + rank))


def link_rows(world: World, start: int, stop: int) -> Columns:
    """The links of documents [start, stop)."""
    some = links(world, start, stop)
    return {
        "link_id": whole((some.source + 1) * SLOTS + some.slot),
        "source_id": whole(some.source + 1),
        "target_id": whole(some.target + 1),
        "anchor": anchors(world, some.target, some.source * SLOTS + some.slot),
    }


def query_rows(world: World, start: int, stop: int) -> Columns:
    """Queries [start, stop)."""
    some = queries.of(world)[start:stop]
    return {
        "query_id": whole(np.arange(start + 1, stop + 1)),
        "text": pa.array([query.text for query in some], pa.string()),
        "language": pa.array([CODES[query.language] for query in some], pa.string()),
    }


MAKERS: dict[str, Callable[[World, int, int], Columns]] = {"documents": documents, "links": link_rows, "queries": query_rows}


def units(world: World, table: str) -> int:
    """How many units a table has: queries, or the documents that its rows are or belong to."""
    return queries.COUNT if table == "queries" else world.count
