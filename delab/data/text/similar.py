"""Truth about copies: from the words of the members of each family, which are drawn again; nothing is compared but members."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from delab.data.arrow import ArrowTable, pa
from delab.data.columns import whole
from delab.data.rng import Ints
from delab.data.text.documents import BLOCK, GROUP, Documents, Tokens, World
from delab.data.text.lexicon import FORMS, lexicon
from delab.errors import LabError

BATCH = 16 * BLOCK  # documents
LEAST = 0.3  # documents that copy nothing stay far below it: 0.06 was the most among 50 million pairs
WIDTHS = (3, 4)  # two successive words may be the same by chance, more than four do not fit into 64 bits


@dataclass(frozen=True)
class Families:
    """All families of some blocks: their members' numbers and words, and the positions of the members of each family, in
    order."""

    number: Ints
    tokens: Tokens
    members: list[list[int]]


def batches(world: World) -> Iterator[Families]:
    """All families; memory holds those of one batch. A family of which one member only lies within the scale is left out."""
    for start in range(0, world.count, BATCH):
        some = world.documents(start, min(start + BATCH, world.count))
        within = Documents(world, some.number[some.in_family])
        groups: dict[int, list[int]] = {}
        for place, group in enumerate((within.slot // GROUP).tolist()):
            groups.setdefault(group, []).append(place)
        yield Families(within.number, within.tokens(), [members for members in groups.values() if len(members) > 1])


def shingles(words: Ints, width: int) -> Ints:
    """All different runs of `width` words, as sorted numbers; the whole text if it has fewer words."""
    width = min(width, len(words))
    runs, base = np.zeros(len(words) - width + 1, np.int64), len(lexicon().words)
    for place in range(width):
        runs = runs * base + words[place : place + len(runs)]
    return np.unique(runs)


def near_duplicates(world: World, width: int = 3, least: float = 0.5) -> Iterator[ArrowTable]:
    """Every pair of documents (the smaller id first) whose bodies have a Jaccard similarity of least (0.5) or more: how many
    different runs of width (3) successive words both have, how many they have together, and the one divided by the other. Words are
    runs of letters, in lower case. Exact for a width of 3 or 4 words and a similarity of 0.3 or more."""
    if width not in WIDTHS or not LEAST <= least <= 1:
        raise LabError(f"expected a width of 3 or 4 words and `least` from {LEAST} to 1, got {width} and {least}")
    for families in batches(world):
        words = families.tokens.word.astype(np.int64)
        rows = sorted(pair for members in families.members for pair in alike(words, families, members, width, least))
        a, b, shared, together = (np.array([row[place] for row in rows], np.int64) for place in range(4))
        jaccard = shared / np.maximum(together, 1)
        columns = {"document_a": a, "document_b": b, "shared": shared, "together": together}
        yield pa.table({**{name: whole(values) for name, values in columns.items()}, "jaccard": pa.array(jaccard, pa.float64())})


def alike(words: Ints, families: Families, members: list[int], width: int, least: float) -> Iterator[tuple[int, int, int, int]]:
    """The pairs of one family: two ids, how many shingles they share and have together."""
    runs = {place: shingles(words[families.tokens.of(place)], width) for place in members}
    for one, other in combinations(members, 2):
        shared = len(np.intersect1d(runs[one], runs[other], assume_unique=True))
        together = len(runs[one]) + len(runs[other]) - shared
        if shared / together >= least:
            yield int(families.number[one]) + 1, int(families.number[other]) + 1, shared, together


def exact_duplicates(world: World) -> Iterator[ArrowTable]:
    """Every document whose body is that of an earlier one, byte for byte, and the first of those."""
    for families in batches(world):
        written = families.tokens.spelling.astype(np.int64) * FORMS + families.tokens.form
        rows: list[tuple[int, int]] = []
        for members in families.members:
            first: dict[bytes, int] = {}
            for place in members:
                number = int(families.number[place]) + 1
                original = first.setdefault(written[families.tokens.of(place)].tobytes(), number)
                if original != number:
                    rows.append((number, original))
        document, original_of = (np.array([row[place] for row in sorted(rows)], np.int64) for place in range(2))
        yield pa.table({"document_id": whole(document), "first_id": whole(original_of)})
