"""Text: keys, growth, cuts, copies, the same bytes for ever."""

import hashlib
import json
import math
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delab.data import Recipe, answer_key, dataset
from delab.data.strings import csv_bytes
from delab.data.text import documents, words
from delab.data.text.documents import BLOCK, KINDS, Documents, World
from delab.data.text.lexicon import FORMS, lexicon

TEXT = dataset("text")
SCALES = st.sampled_from([0.001, 0.05, 0.3, 1.0])
SEEDS = st.integers(0, 2**63 - 1)


def rows(table: str, scale: float = 1, seed: int = 1) -> pa.Table:
    return TEXT.rows(table, Recipe(scale, seed))


@given(SCALES, SEEDS)
@settings(max_examples=20, deadline=None)
def test_keys_hold(scale: float, seed: int) -> None:
    tables = {name: rows(name, scale, seed) for name in TEXT.tables}
    for name, table in TEXT.tables.items():
        key = tables[name].select(list(table.key)).to_pylist()
        assert len({tuple(row.values()) for row in key}) == len(key)
        assert len(set(tables[name][table.identity].to_pylist())) == len(key)
        for column in table.columns:
            values = tables[name][column.name]
            assert values.null_count == 0
            if column.references:
                assert set(values.to_pylist()) <= set(tables["documents"]["document_id"].to_pylist())
    assert pc.all(pc.not_equal(tables["links"]["source_id"], tables["links"]["target_id"])).as_py() is not False


@given(SCALES, SEEDS, st.data())
@settings(max_examples=30, deadline=None)
def test_blocks_put_together_give_the_table_however_it_is_cut(scale: float, seed: int, data: st.DataObject) -> None:
    recipe, table = Recipe(scale, seed), data.draw(st.sampled_from(sorted(TEXT.tables)))
    units = TEXT.units(table, recipe)
    cuts = sorted({0, units, *data.draw(st.lists(st.integers(0, units), max_size=5))})
    blocks = [TEXT.clean(table, recipe, start, stop) for start, stop in pairwise(cuts)]
    assert pa.Table.from_batches(blocks).equals(rows(table, scale, seed))


@given(SEEDS, st.sampled_from([(0.3, 1), (1, 2.7)]))
@settings(max_examples=10, deadline=None)
def test_a_larger_scale_keeps_the_earlier_rows(seed: int, scales: tuple[float, float]) -> None:
    for table in TEXT.tables:
        small, large = (rows(table, scale, seed) for scale in scales)
        assert large.slice(0, small.num_rows).equals(small), table


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_the_earlier_documents_are_the_same_at_the_smallest_scale(seed: int) -> None:
    small, large = rows("documents", 0.001, seed), rows("documents", 0.3, seed)
    assert large.slice(0, small.num_rows).equals(small)


def test_sizes_are_as_described() -> None:
    for scale in (1, 10):
        assert rows("documents", scale).num_rows == 1000 * scale
        assert abs(rows("links", scale).num_rows / (3800 * scale) - 1) < 0.05
        totals = {(row["table"], row["what"]): row["total"] for row in answer_key("text", "clean_totals", scale=scale).to_pylist()}
        assert abs(totals["documents", "words"] / (114_000 * scale) - 1) < 0.05
    assert rows("queries").num_rows == rows("queries", 10).num_rows == 60


def test_the_largest_scale_has_documents_of_a_sound_kind() -> None:
    recipe = Recipe(1_000_000, 5)
    last = TEXT.units("documents", recipe)
    assert last == 10**9
    batch = TEXT.clean("documents", recipe, last - 100, last)
    assert batch.column(0).to_pylist() == list(range(last - 99, last + 1))
    assert max(batch.column("crawled_at").to_pylist()).year == 2055
    targets = TEXT.clean("links", recipe, last - 100, last).column("target_id").to_pylist()
    assert all(0 < target <= last for target in targets)


def test_the_words_of_a_language_are_many_and_written_in_one_way() -> None:
    for language in words.LANGUAGES:
        assert len(language.stems) == len(words.TOPICS)
        everything = [*language.function, *language.general, *(w for topic in range(12) for w in language.topic_words(topic))]
        assert not set(language.function) & set(language.general)
        assert all(re.fullmatch(r"[^\W\d_]+", word) for word in everything)
        written = set(everything)
        assert len({word.lower() for word in written}) == len(written) > 4000
        assert {len(language.topic_words(topic)) for topic in range(12)} == {400}
    assert all(len(language.joints) == len(words.ENGLISH.joints) for language in words.LANGUAGES)
    assert len(lexicon().forms) == len(lexicon().spellings) * FORMS


def test_bodies_are_sentences() -> None:
    for body in rows("documents", 2)["body"].to_pylist():
        assert re.fullmatch(r"(?:[^\W\d_]+(?:, |\. | ))*[^\W\d_]+\.", body)
        for sentence in re.split(r"\. ", body):
            assert sentence[0] == sentence[0].upper()
        assert 15 <= len(body.split()) <= 282
        assert all(" " in sentence for sentence in re.split(r"\. ", body)[:-1])


def test_letters_beyond_ascii_are_in_all_three_languages() -> None:
    table = rows("documents", 2)
    for code in ("en", "de", "fr"):
        some = table.filter(pc.equal(table["language"], code))["body"].to_pylist()
        assert sum(not body.isascii() for body in some) > 0.2 * len(some)


def test_words_follow_zipfs_law() -> None:
    world = World(1, Recipe(30, 6))
    every = world.documents(0, world.count)
    alone = Documents(world, every.number[(every.language == 0) & (every.topic == 0) & (every.second < 0)])
    uses = np.bincount(alone.tokens().spelling, minlength=len(lexicon().spellings)).astype(float)
    function = [lexicon().spellings.index(word) for word in words.ENGLISH.function]
    for some in (function, lexicon().topic_words[0, 0]):
        ranked = uses[some]
        slope, _ = np.polyfit(np.log(np.arange(1, 51)), np.log(ranked[:50]), 1)
        assert -1.05 < slope < -0.95
    assert abs(uses[function].sum() / uses.sum() - 0.45) < 0.01
    assert abs(uses[lexicon().topic_words[0, 0]].sum() / uses.sum() - 0.40) < 0.01


def test_a_few_documents_get_most_links_and_some_have_none() -> None:
    counts = answer_key("text", "link_counts", scale=10)
    into, out = (np.sort(np.array(counts[name]))[::-1] for name in ("links_in", "links_out"))
    assert into[:100].sum() > 0.25 * into.sum()
    assert 0.3 < (into == 0).mean() < 0.5
    assert 0.1 < (out == 0).mean() < 0.2
    assert out.max() <= 12


def test_near_duplicates_are_spread_over_all_similarities() -> None:
    jaccard = np.array(answer_key("text", "near_duplicates", scale=10)["jaccard"])
    counts, _ = np.histogram(jaccard, np.arange(0.5, 1.01, 0.1))
    assert counts.min() > 0.08 * counts.sum()
    exact = answer_key("text", "exact_duplicates", scale=10).num_rows
    assert 100 < exact < (jaccard == 1).sum()


def test_kinds_of_copies_are_as_named() -> None:
    world = World(1, Recipe(8, 3))
    every = world.documents(0, 8000)
    tokens = every.tokens()
    original = Documents(world, every.origin)
    theirs = original.tokens()
    seen = Counter(every.kind.tolist())
    assert all(seen[kind] > 20 for kind in range(len(KINDS)))
    for place in np.flatnonzero(every.copies).tolist():
        mine, its = tokens.spelling[tokens.of(place)], theirs.spelling[theirs.of(place)]
        forms = tokens.form[tokens.of(place)], theirs.form[theirs.of(place)]
        kind = KINDS[every.kind[place]]
        offset, length = int(every.offset[place]), int(every.length[place])
        if kind in ("exact", "punctuation"):
            assert mine.tolist() == its.tolist()
            assert kind == "punctuation" or forms[0].tolist() == forms[1].tolist()
        if kind == "words":
            assert len(mine) == len(its)
            assert (mine != its).mean() < 0.25
        if kind == "cut":
            assert mine.tolist() == its[offset : offset + length].tolist()
            assert 2 * length >= len(its)
        if kind == "moved":
            assert mine.tolist() == [*its[offset:], *its[:offset]]
        assert every.language[place] == original.language[place]
        assert every.topic[place] == original.topic[place]
        assert every.published[place] >= original.published[place]
        assert every.origin[place] // BLOCK == every.number[place] // BLOCK


@given(st.integers(0, 2**40), SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_block_is_permuted_and_every_copy_finds_its_original(block: int, seed: int) -> None:
    some = World(1, Recipe(1, seed)).documents(block * BLOCK, (block + 1) * BLOCK)
    assert sorted(some.slot.tolist()) == some.number.tolist()
    slot = dict(zip(some.number.tolist(), some.slot.tolist(), strict=True))
    for number, origin, copies in zip(some.number.tolist(), some.origin.tolist(), some.copies.tolist(), strict=True):
        if copies:
            assert slot[origin] == slot[number] // documents.GROUP * documents.GROUP
        else:
            assert origin == number


def test_documents_come_in_the_order_of_the_crawl_after_they_were_published() -> None:
    table = rows("documents", 3)
    crawled, published = table["crawled_at"].to_pylist(), table["published_at"].to_pylist()
    assert crawled == sorted(crawled)
    assert all(early < late for early, late in zip(published, crawled, strict=True))
    assert (max(published) - min(published)).days > 1500


@given(SEEDS, st.sampled_from([0.02, 0.3, 1.0]), st.sets(st.sampled_from(sorted(TEXT.faults)), min_size=1))
@settings(max_examples=20, deadline=None)
def test_faults_planted_are_faults_recorded(seed: int, rate: float, faults: set[str]) -> None:
    recipe = TEXT.recipe(0.3, seed, dict.fromkeys(sorted(faults), rate))
    for name, table in TEXT.tables.items():
        clean, dirty = rows(name, 0.3, seed), TEXT.rows(name, recipe)
        record = TEXT.planted(recipe, [name]).to_pylist()
        twice = Counter(entry["key"] for entry in record if entry["fault"] == "duplicate")
        times = Counter(dirty[table.identity].to_pylist())
        assert times == Counter({key: 1 + twice[key] for key in clean[table.identity].to_pylist()})
        cells = {(entry["key"], entry["column"]): entry["is"] for entry in record if entry["fault"] != "duplicate"}
        changed = {}
        for column in table.columns:
            before = dict(zip(clean[table.identity].to_pylist(), text(clean[column.name]), strict=True))
            for key, value in zip(dirty[table.identity].to_pylist(), text(dirty[column.name]), strict=True):
                if value != before[key]:
                    changed[key, column.name] = value
        assert changed == cells


def text(column: pa.ChunkedArray) -> list[str | None]:
    return column.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]


CHECKSUMS: dict[str, list[str]] = json.loads(Path(__file__).with_name("text_checksums.json").read_text())


def checksum(table: str, faults: dict[str, float]) -> str:
    """Of the bytes that COPY, CSV and everything else are made of."""
    digest = hashlib.sha256()
    for page in TEXT.pages(table, TEXT.recipe(1.5, 42, faults)):
        digest.update(csv_bytes(page.rows))
        digest.update(csv_bytes(page.planted))
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("table", sorted(TEXT.tables))
def test_the_same_recipe_gives_the_same_bytes_for_ever(table: str) -> None:
    clean, faulty = checksum(table, {}), checksum(table, dict.fromkeys(TEXT.faults, 0.05))
    assert [clean, faulty] == CHECKSUMS[table], "if this is meant, raise the version in schema.toml"


def test_pagerank_is_the_same_to_the_last_bit() -> None:
    ranks = answer_key("text", "pagerank", scale=1.5, seed=42)["rank"]
    assert hashlib.sha256(np.array(ranks).astype("<f8").tobytes()).hexdigest()[:16] == CHECKSUMS["pagerank"][0]
    assert math.isclose(sum(ranks.to_pylist()), 1, abs_tol=1e-12)
