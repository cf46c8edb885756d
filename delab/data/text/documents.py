"""Documents as arrays of integers. Document number d has id d + 1; all of it follows from d.

One document in nine belongs to a *family*: an original and up to four documents that copy it, changed or not. A family lies
within one block of BLOCK documents, in places that a permutation of the block scatters, so that a member knows its original
without a search.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from delab.data.model import Recipe
from delab.data.rng import Bits, Bools, Draws, Ints, Weights
from delab.data.text.lexicon import COMMA, END, STOP, lexicon, table_of
from delab.data.text.words import TOPICS

SITE = 8  # documents of a web site
BLOCK, GROUP = 512, 16  # a group of 16 slots of a block holds one family, or none
SPREAD = np.int64(BLOCK - 1)
LONGEST = 512  # no document has as many words
SHORTEST = 30
FAMILY = Weights.of((0, 30, 40, 18, 8, 4))  # members; 1 is no family
TOPIC = Weights.of((12, 11, 11, 10, 9, 9, 8, 7, 7, 6, 5, 5))
LANGUAGE = Weights.of((70, 18, 12))
KINDS = ("exact", "punctuation", "words", "cut", "moved", "cut and words")
EXACT, PUNCTUATION, WORDS, CUT, MOVED, CUT_AND_WORDS = range(6)
KIND = Weights.of((20, 12, 36, 16, 8, 8))
SECOND, SECOND_SHARE = 0.2, 64  # documents with a second topic; how many of 256 of their words are drawn from it
CHANGED = 112  # words changed, of 1024, at most


@dataclass(frozen=True)
class Tokens:
    """The words of some documents, one after the other."""

    start: Ints  # where each document starts, shape (documents + 1,)
    spelling: NDArray[np.int32]  # see lexicon.Lexicon
    form: NDArray[np.int32]  # see lexicon.FORMS

    @property
    def word(self) -> NDArray[np.int32]:
        """The words in lower case."""
        return lexicon().word[self.spelling]

    @property
    def document(self) -> Ints:
        """The position of each word's document."""
        return np.repeat(np.arange(len(self.start) - 1, dtype=np.int64), np.diff(self.start))

    def of(self, place: int) -> slice:
        """Where the words of one document are."""
        return slice(int(self.start[place]), int(self.start[place + 1]))


class Documents:
    """Documents of any numbers, one entry each; a column is computed when it is first asked for."""

    def __init__(self, world: "World", number: Ints) -> None:
        self.world = world
        self.number = number

    def draws(self, column: str) -> Draws:
        """A random column of documents."""
        return self.world.draws("documents", column)

    @cached_property
    def slot(self) -> Ints:
        """Its slot: block × BLOCK + what the block's permutation makes of its place."""
        one, two, add = self.shuffle
        place = self.number & SPREAD
        place = place * one & SPREAD
        place ^= place >> 5
        place = place * two & SPREAD
        place ^= place >> 5
        return (self.number & ~SPREAD) | (place + add & SPREAD)

    @cached_property
    def shuffle(self) -> tuple[Ints, Ints, Ints]:
        """What decides the permutation of each one's block: two odd factors and a shift."""
        bits = self.draws("shuffle").bits(self.number // BLOCK).view(np.int64)
        return bits & SPREAD | 1, bits >> 9 & SPREAD | 1, bits >> 18 & SPREAD

    @cached_property
    def members(self) -> Ints:
        """How many members the family of its group has; 1 if there is none."""
        return self.draws("family").pick(self.slot // GROUP, FAMILY)

    @cached_property
    def copies(self) -> Bools:
        """Whether it copies another one."""
        place = self.slot % GROUP
        return (place > 0) & (place < self.members)

    @cached_property
    def in_family(self) -> Bools:
        """Whether it is a member of a family."""
        return (self.slot % GROUP < self.members) & (self.members > 1)

    @cached_property
    def origin(self) -> Ints:
        """The document that it copies; itself if it copies none. It may lie beyond the last document of the scale."""
        one, two, add = (values[self.copies] for values in self.shuffle)
        place = (self.slot[self.copies] // GROUP * GROUP & SPREAD) - add & SPREAD
        place ^= place >> 5
        place = place * inverse(two) & SPREAD
        place ^= place >> 5
        place = place * inverse(one) & SPREAD
        found = self.number.copy()
        found[self.copies] = (found[self.copies] & ~SPREAD) | place
        return found

    @cached_property
    def kind(self) -> Ints:
        """How a copy differs from its original: a position in KINDS; -1 for one that copies none."""
        return np.where(self.copies, self.draws("kind").pick(self.number, KIND), -1)

    @cached_property
    def language(self) -> Ints:
        """A position in words.LANGUAGES."""
        return self.draws("language").pick(self.origin, LANGUAGE)

    @cached_property
    def topic(self) -> Ints:
        """A position in TOPICS."""
        return self.draws("topic").pick(self.origin, TOPIC)

    @cached_property
    def second(self) -> Ints:
        """Its second topic, never the first; -1 if it has none."""
        other = (self.topic + 1 + self.draws("second").below(self.origin, len(TOPICS) - 1)) % len(TOPICS)
        return np.where(self.draws("has second").chance(self.origin, SECOND), other, -1)

    @cached_property
    def full_length(self) -> Ints:
        """Words of its original: 30 to 282, more often few."""
        draw = self.draws("length").below(self.origin, 128)
        return SHORTEST + (draw * draw >> 6)

    @cached_property
    def length(self) -> Ints:
        """Words; a copy that is cut has half of its original at least."""
        cut = (self.kind == CUT) | (self.kind == CUT_AND_WORDS)
        return np.asarray(self.full_length - cut * self.draws("cut").below(self.number, self.full_length // 2 + 1), np.int64)

    @cached_property
    def offset(self) -> Ints:
        """The word of the original with which it starts; after the last word comes the first."""
        room = np.where(self.kind == MOVED, self.full_length, self.full_length - self.length + 1)
        offset: Ints = np.where(self.kind >= CUT, self.draws("offset").below(self.number, room), 0)
        return offset

    @cached_property
    def changed(self) -> Ints:
        """How many of 1024 of its words are drawn anew."""
        some = (self.kind == WORDS) | (self.kind == CUT_AND_WORDS)
        return np.asarray(some * (1 + self.draws("changed").below(self.number, CHANGED)), np.int64)

    @cached_property
    def style(self) -> Bits:
        """What tells its punctuation from its original's: 0 for the same."""
        return np.where(self.kind == PUNCTUATION, 1 + self.draws("style").below(self.number, 15), 0).astype(np.uint64)

    def tokens(self) -> Tokens:
        """Their words."""
        start = np.concatenate([[0], np.cumsum(self.length)])
        where = np.arange(start[-1]) - np.repeat(start[:-1] - self.offset, self.length)  # place in the original
        if (self.kind == MOVED).any():
            full = np.repeat(self.full_length, self.length)
            where -= full * (where >= full)
        where += np.repeat(self.origin * LONGEST, self.length)
        bits = self.draws("word").bits(where)
        self.change(start, bits)
        spelling = lexicon().draw(bits, self.word_tables(start, bits))
        return Tokens(start, spelling, self.form(start, bits))

    def change(self, start: Ints, bits: Bits) -> None:
        """Draw some words of some copies anew."""
        some = np.flatnonzero(self.changed)
        places, of = spans(start, some)
        own = self.number[of] * LONGEST + (places - start[of])
        hit = self.draws("change").below(own, 1024) < self.changed[of]
        bits[places[hit]] = self.draws("word").bits(own[hit])

    def word_tables(self, start: Ints, bits: Bits) -> NDArray[np.int32]:
        """From which table each word is drawn: that of its document's topic or second topic."""
        tables = np.repeat(table_of(self.language, self.topic), self.length)
        places, of = spans(start, np.flatnonzero(self.second >= 0))
        other = self.draws("of second").below(bits[places], 256) < SECOND_SHARE
        tables[places[other]] = table_of(self.language, self.second)[of[other]]
        return tables

    def form(self, start: Ints, bits: Bits) -> NDArray[np.int32]:
        """How each word is written: a sentence starts with a capital letter and ends after two words at least."""
        nibble = bits & np.uint64(15)
        if self.style.any():
            nibble ^= np.repeat(self.style, self.length)
        stop = nibble == 0
        stop[1:] &= nibble[:-1] != 0
        stop[start[:-1]] = False
        mark = (nibble == 1).view(np.int8) * np.int32(COMMA)
        mark[stop] = STOP
        mark[start[1:] - 1] = END
        first = np.concatenate([[False], stop[:-1]])
        first[start[:-1]] = True
        return np.asarray(mark * 2 + first, np.int32)

    @cached_property
    def crawled(self) -> Ints:
        """When it was read, µs since 1970: one document a second, and up to 0.9 seconds."""
        return START + self.number * SECOND_MICROS + self.draws("crawled").below(self.number, 900) * 1000

    @cached_property
    def published(self) -> Ints:
        """When it was published, µs since 1970: up to five years before its block was read; a copy after its original."""
        root = self.draws("age").below(self.origin, 12_560)
        age = 60 + root * root  # seconds
        age = np.where(self.copies, self.draws("delay").below(self.number, age), age)
        return START + (self.number // BLOCK * BLOCK - age) * SECOND_MICROS


START = 1_704_067_200_000_000  # 2024-01-01 in µs since 1970
SECOND_MICROS = 1_000_000


def spans(start: Ints, some: Ints) -> tuple[Ints, Ints]:
    """The places of all words of the documents `some`, and of each the document."""
    lengths = start[some + 1] - start[some]
    of = np.repeat(some, lengths)
    ends = np.cumsum(lengths)
    return np.arange(len(of), dtype=np.int64) + np.repeat(start[some] - (ends - lengths), lengths), of


def inverse(odd: Ints) -> Ints:
    """The inverses of odd numbers modulo BLOCK (Newton's iteration; each step doubles the bits that are right, 3 at first)."""
    found = odd.copy()
    for _ in range(2):
        found = found * (2 - odd * found)
    return found & SPREAD


@dataclass(frozen=True)
class World:
    """All that one seed and scale decide."""

    version: int
    recipe: Recipe

    @classmethod
    def of_seed(cls, version: int, seed: int) -> "World":
        """A world of any scale, for what does not depend on it."""
        return cls(version, Recipe(1, seed))

    @property
    def count(self) -> int:
        """How many documents there are: whole sites."""
        return SITE * max(2, int(125 * self.recipe.scale))

    def draws(self, table: str, column: str) -> Draws:
        """A random column."""
        return Draws.of("text", self.version, self.recipe.seed, table, column)

    def documents(self, start: int, stop: int) -> Documents:
        """Documents [start, stop)."""
        return Documents(self, np.arange(start, stop, dtype=np.int64))
