"""The words as numbers: how often each is used in a text on a topic, and how it is written."""

from dataclasses import dataclass
from functools import cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from delab.data.arrow import Array, pa
from delab.data.rng import Bits, Ints, Weights, scaled
from delab.data.text.words import LANGUAGES, TOPICS, Language

SHARES = (45, 15, 40)  # of 100 words: function words, general words, words of the topic; each by Zipf's law
MARKS = (" ", ", ", ". ", ".")  # what follows a word; the last one ends a body
COMMA, STOP, END = 1, 2, 3  # positions in MARKS
FORMS = 2 * len(MARKS)  # form = 2 × mark + 1 if the word starts a sentence


@dataclass(frozen=True)
class Lexicon:
    """A *spelling* is a word as written inside a sentence ("Stern"), a *word* is it in lower case ("stern"). Both are
    numbered."""

    words: list[str]  # sorted
    spellings: list[str]
    word: NDArray[np.int32]  # the word of each spelling
    forms: Array  # spelling × FORMS + form, as text
    topic_words: dict[tuple[int, int], list[int]]  # by (language, topic): spellings, most frequent first
    width: int  # slots of a table
    threshold: NDArray[np.uint32]  # alias tables (see rng.Weights), one after the other: table × width + slot
    own: NDArray[np.int32]  # the spelling of a slot
    other: NDArray[np.int32]  # of its alias

    def draw(self, bits: Bits, table: NDArray[np.int32]) -> NDArray[np.int32]:
        """Spellings from random bits, each from its own table: see `table_of`."""
        cell = scaled(bits, self.width)
        cell += table * np.int64(self.width)
        return np.where(bits.astype(np.uint32) < self.threshold[cell], self.own[cell], self.other[cell])


def table_of(language: Ints, topic: Ints) -> NDArray[np.int32]:
    """The table for texts of a language on a topic."""
    return (language * len(TOPICS) + topic).astype(np.int32)


def harmonic(count: int, share: int) -> list[int]:
    """Integer weights by Zipf's law, `share` × 2³² all together but for rounding."""
    parts = [(1 << 40) // rank for rank in range(1, count + 1)]
    return [(part * share << 32) // sum(parts) for part in parts]


def weighted(language: Language, topic: int) -> list[tuple[str, int]]:
    """The words of a text on a topic, each with its weight."""
    groups = (language.function, language.general, language.topic_words(topic))
    weights = [harmonic(len(words), share) for words, share in zip(groups, SHARES, strict=True)]
    return [*zip(chain(*groups), chain(*weights), strict=True)]


def capital(word: str) -> str:
    """The word at the start of a sentence."""
    return word[0].upper() + word[1:]


@cache
def lexicon() -> Lexicon:
    """All words. Takes some tens of milliseconds once."""
    mixtures = [weighted(language, topic) for language in LANGUAGES for topic in range(len(TOPICS))]
    spellings = list(dict.fromkeys(word for mixture in mixtures for word, _ in mixture))
    words = sorted({spelling.lower() for spelling in spellings})
    number, order = ({text: place for place, text in enumerate(some)} for some in (spellings, words))
    width = max(len(mixture) for mixture in mixtures)
    tables = [Weights.of([weight for _, weight in mixture] + [0] * (width - len(mixture))) for mixture in mixtures]
    owns = [np.array([number[word] for word, _ in mixture] + [0] * (width - len(mixture)), np.int32) for mixture in mixtures]
    topic_words = {
        (place, topic): [number[word] for word in language.topic_words(topic)]
        for place, language in enumerate(LANGUAGES)
        for topic in range(len(TOPICS))
    }
    return Lexicon(
        words=words,
        spellings=spellings,
        word=np.array([order[spelling.lower()] for spelling in spellings], np.int32),
        forms=pa.array([text + mark for spelling in spellings for mark in MARKS for text in (spelling, capital(spelling))]),
        topic_words=topic_words,
        width=width,
        threshold=np.concatenate([table.threshold for table in tables]),
        own=np.concatenate(owns),
        other=np.concatenate([own[table.alias] for own, table in zip(owns, tables, strict=True)]),
    )
