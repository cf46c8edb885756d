"""Truth about topics and words: counted from the generator's integers, never from the delivered rows."""

from collections.abc import Iterator

import numpy as np

from delab.data.arrow import ArrowTable, pa
from delab.data.columns import whole, words
from delab.data.text import links, queries
from delab.data.text.documents import Documents, World
from delab.data.text.lexicon import lexicon
from delab.data.text.words import TOPICS

BATCH = 4_096  # documents


def batches(world: World) -> Iterator[Documents]:
    """All documents; memory holds one batch."""
    for start in range(0, world.count, BATCH):
        yield world.documents(start, min(start + BATCH, world.count))


def topics(world: World) -> Iterator[ArrowTable]:
    """What every document is about: its topic, from which most of its words come, and its second one, if it has one."""
    for documents in batches(world):
        yield pa.table(
            {
                "document_id": whole(documents.number + 1),
                "topic": words(TOPICS, documents.topic),
                "second_topic": words([*TOPICS, None], documents.second % (len(TOPICS) + 1)),
            }
        )


def document_words(world: World) -> Iterator[ArrowTable]:
    """How many words the body of every document has, and how many different ones. Words are runs of letters, in lower case."""
    for documents in batches(world):
        of = different(documents) // len(lexicon().words)
        counts = {"words": documents.length, "different": np.bincount(of, minlength=len(documents.number))}
        yield pa.table({"document_id": whole(documents.number + 1), **{name: whole(values) for name, values in counts.items()}})


def different(documents: Documents) -> np.ndarray:
    """Every document with every word that it holds, once: position × number of words + word."""
    tokens = documents.tokens()
    return np.unique(tokens.document * len(lexicon().words) + tokens.word)


def word_counts(world: World) -> ArrowTable:
    """How often every word is used in all bodies (of all languages), and in how many documents (its document frequency)."""
    count = len(lexicon().words)
    uses, documents_with = (np.zeros(count, np.int64) for _ in range(2))
    for documents in batches(world):
        uses += np.bincount(documents.tokens().word, minlength=count)
        documents_with += np.bincount(different(documents) % count, minlength=count)
    seen = np.flatnonzero(uses)
    return pa.table({"word": words(lexicon().words, seen), "uses": whole(uses[seen]), "documents": whole(documents_with[seen])})


def clean_totals(world: World) -> ArrowTable:
    """Rows of the clean tables, and words of all bodies: what a repaired load must come to."""
    totals = {
        ("documents", "rows"): world.count,
        ("documents", "words"): sum(int(documents.length.sum()) for documents in batches(world)),
        ("links", "rows"): sum(len(some.source) for some in links.batches(world)),
        ("queries", "rows"): queries.COUNT,
    }
    names = {"table": [table for table, _ in totals], "what": [what for _, what in totals]}
    return pa.table({**names, "total": pa.array(list(totals.values()), pa.int64())})
