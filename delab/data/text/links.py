"""Links between documents, and what follows from them.

A link goes to a document that many link to already (the copying model: Kumar and others, "Stochastic models for the web graph",
2000): it picks an earlier document, and with probability COPYING takes the target of one of that document's links for its own.
Some documents are liked more than others, so that old ones are not all that count. As a link is a function of its number, the
target that it copies is computed again instead of looked up (Sanders, Schulz, "Scalable generation of scale-free graphs", 2016).
The last link of a document may go to a document of the same site instead: so there are cycles.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from delab.data.arrow import ArrowTable, pa
from delab.data.columns import whole
from delab.data.rng import Floats, Ints, Weights
from delab.data.text.documents import SITE, World
from delab.errors import LabError

SLOTS = 16  # link ids of a document: id × 16 + slot
COUNTS = Weights.of((15, 8, 12, 14, 13, 11, 8, 6, 5, 3, 2, 2, 1))  # 0 to 12 links, before repeated ones are left out
COPYING, INSIDE = 0.6, 0.5
PIONEERS, FIRST = 64, 256  # the first documents link to any of the first 256, if there are so many: so rank flows back from them
TRIES, LIKED, UNLIKED = 4, 0.25, 0.2  # share of documents that whoever finds them links to; chance of each other one
BATCH = 65_536  # documents
STEPS = 1_000  # of the power iteration, at most


@dataclass(frozen=True)
class Links:
    """Links, one entry each, in the order of their documents. No document links to itself, or twice to the same one."""

    source: Ints  # numbers of documents
    slot: Ints
    target: Ints


def popular(world: World, link: Ints) -> Ints:
    """The targets of links by their numbers (document × SLOTS + slot)."""
    coin, pick, other, good = (world.draws("links", name) for name in ("copies", "earlier", "which", "good"))
    target = np.empty(len(link), np.int64)
    left, at, tries = np.arange(len(link), dtype=np.int64), link, np.zeros(len(link), np.int64)
    while len(left):
        before = at // (SLOTS * SITE) * SITE  # documents of earlier sites
        draw = at * TRIES + tries
        found = pick.below(draw, np.where(before < PIONEERS, FIRST, before))
        copies = coin.chance(draw, COPYING) & (before >= PIONEERS)
        liked = good.chance(found, LIKED) | good.chance(draw, UNLIKED) | (tries == TRIES - 1)
        done = liked & ~copies
        target[left[done]] = found[done]
        at = np.where(copies, found * SLOTS + other.below(draw, SLOTS), at)[~done]
        left, tries = left[~done], np.where(copies, 0, tries + 1)[~done]
    return target


def links(world: World, start: int, stop: int) -> Links:
    """The links of documents [start, stop)."""
    number = np.arange(start, stop, dtype=np.int64)
    counts = world.draws("links", "count").pick(number, COUNTS)
    source = np.repeat(number, counts)
    ends = np.cumsum(counts)
    slot = np.arange(len(source), dtype=np.int64) - np.repeat(ends - counts, counts)
    link = source * SLOTS + slot
    target = popular(world, link)
    last = ends[counts > 0] - 1
    inside = last[world.draws("links", "inside").chance(source[last], INSIDE)]
    target[inside] = source[inside] // SITE * SITE + world.draws("links", "sibling").below(source[inside], SITE)
    kept = first_of_pairs(source - start, target) & (source != target) & (target < world.count)
    return Links(source[kept], slot[kept], target[kept])


def first_of_pairs(source: Ints, target: Ints) -> np.ndarray:
    """Which links are the first from their source to their target; sources in ascending order."""
    key = source << 32 | target
    order = np.argsort(key, kind="stable")
    ranked = key[order]
    first = np.ones(len(key), np.bool_)
    first[order[1:]] = ranked[1:] != ranked[:-1]
    return first


def batches(world: World) -> Iterator[Links]:
    """All links; memory holds one batch."""
    for start in range(0, world.count, BATCH):
        yield links(world, start, min(start + BATCH, world.count))


def link_counts(world: World) -> ArrowTable:
    """How many links lead out of and into every document. Holds 16 bytes a document in memory."""
    out, into = (np.zeros(world.count, np.int64) for _ in range(2))
    for some in batches(world):
        out += np.bincount(some.source, minlength=world.count)
        into += np.bincount(some.target, minlength=world.count)
    return pa.table({"document_id": whole(np.arange(1, world.count + 1)), "links_out": whole(out), "links_in": whole(into)})


def pagerank(world: World, damping: float = 0.85, tolerance: float = 1e-12) -> ArrowTable:
    """The PageRank of every document: (1 - damping) / n + damping × (the sum, over documents that link to it, of their rank /
    their number of links, + the rank of all documents without links / n). The ranks sum to 1. By power iteration from 1 / n in
    64-bit floats, until the sum of absolute changes is below tolerance. Holds the graph in memory, about 90 bytes a
    document."""
    if not 0 <= damping < 1 or not tolerance > 0:
        raise LabError(f"expected a damping from 0 to below 1 and a tolerance above 0, got {damping} and {tolerance}")
    source, target = graph(world)
    out = np.bincount(source, minlength=world.count)
    dangling = np.flatnonzero(out == 0)
    share = 1.0 / np.maximum(out, 1)
    rank = np.full(world.count, 1.0 / world.count)
    for _ in range(STEPS):
        received = np.bincount(target, (rank * share)[source], world.count)
        new = damping * (received + total(rank[dangling]) / world.count) + (1 - damping) / world.count
        change, rank = total(np.abs(new - rank)), new
        if change < tolerance:
            break
    return pa.table({"document_id": whole(np.arange(1, world.count + 1)), "rank": pa.array(rank)})


def graph(world: World) -> tuple[np.ndarray, np.ndarray]:
    """All links as sources and targets, 32 bits each."""
    pairs = [(some.source.astype(np.int32), some.target.astype(np.int32)) for some in batches(world)]
    return np.concatenate([source for source, _ in pairs]), np.concatenate([target for _, target in pairs])


def total(values: Floats) -> float:
    """The sum, added from left to right: the same on every machine, unlike `sum`, which groups by the width of its registers."""
    return float(np.cumsum(values)[-1]) if len(values) else 0.0
