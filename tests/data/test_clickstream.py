"""Click stream: keys, order, cuts, growth, what lies in the stream, faults, and the same bytes for ever."""

import hashlib
import json
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delab.data import Recipe, dataset
from delab.data.clickstream import clock, site
from delab.data.clickstream.clicks import AGAIN, LATE, REACH, Clicks, delays, deliveries, dwells
from delab.data.clickstream.clock import MINUTE
from delab.data.clickstream.visits import DWELL, LENGTHS, LONG_PAUSE, ROUND, World
from delab.data.sinks.kafka import messages
from delab.data.strings import csv_bytes

STREAM = dataset("clickstream")
SCALES = st.sampled_from([0.001, 0.05, 0.5, 3.0, 9.0])
SEEDS = st.integers(0, 2**63 - 1)
RATES = st.sampled_from([0.01, 0.3, 1.0])


def rows(table: str, scale: float = 1, seed: int = 1) -> pa.Table:
    return STREAM.rows(table, Recipe(scale, seed))


def world(scale: float = 1, seed: int = 1) -> World:
    return World(STREAM.version, Recipe(scale, seed))


def micros(column: Any) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.asarray(column.combine_chunks().cast(pa.int64()))


@given(SCALES, SEEDS)
@settings(max_examples=20, deadline=None)
def test_keys_hold(scale: float, seed: int) -> None:
    tables = {name: rows(name, scale, seed) for name in STREAM.tables}
    for name, table in STREAM.tables.items():
        ids = tables[name][table.identity].to_pylist()
        assert len(set(ids)) == len(ids)
        for column in table.columns:
            values = tables[name][column.name]
            assert column.nullable or values.null_count == 0
            if column.references:
                parent, _, parent_key = column.references.partition(".")
                assert set(values.to_pylist()) <= set(tables[parent][parent_key].to_pylist())


@given(SCALES, SEEDS)
@settings(max_examples=20, deadline=None)
def test_rows_come_in_the_order_of_arrival_and_within_the_stream(scale: float, seed: int) -> None:
    clicks = rows("clicks", scale, seed)
    order = list(zip(micros(clicks["arrival_time"]).tolist(), clicks["delivery_id"].to_pylist(), strict=True))
    assert order == sorted(order)
    assert all(clock.START <= at < world(scale, seed).end for at, _ in order)


@given(SCALES, SEEDS, st.data())
@settings(max_examples=40, deadline=None)
def test_blocks_put_together_give_the_table_however_it_is_cut(scale: float, seed: int, data: st.DataObject) -> None:
    recipe, table = Recipe(scale, seed), data.draw(st.sampled_from(sorted(STREAM.tables)))
    units = STREAM.units(table, recipe)
    cuts = sorted({0, units, *data.draw(st.lists(st.integers(0, units), max_size=5))})
    blocks = [STREAM.clean(table, recipe, start, stop) for start, stop in pairwise(cuts)]
    assert pa.Table.from_batches(blocks).equals(rows(table, scale, seed))


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_nothing_is_lost_between_blocks(seed: int) -> None:
    """All deliveries of all visits that ever began, without looking back from a block."""
    stream = world(72, seed)
    clicks = Clicks(stream.visits(0, stream.minutes))
    every = np.arange(len(clicks.number))
    arrivals = np.concatenate([clicks.arrives, clicks.again(clicks.twice)])
    ids = np.concatenate([clicks.number[every] + 1 << 1, (clicks.number[clicks.twice] + 1 << 1) + 1])
    expected = sorted(zip(arrivals[arrivals < stream.end].tolist(), ids[arrivals < stream.end].tolist(), strict=True))
    for step in (7, 384):
        found: list[tuple[int, int]] = []
        for start in range(0, stream.minutes, step):
            some = deliveries(stream, start, min(start + step, stream.minutes))
            keys = (some.clicks.number[some.position] + 1 << 1) + some.second
            found += zip(some.arrival.tolist(), keys.tolist(), strict=True)
        assert found == expected


def test_a_block_looks_back_as_far_as_the_longest_visit() -> None:
    """The bounds hold for what is possible, however rarely it happens."""
    assert dwells().max() + 1023 * clock.MS < DWELL
    assert delays().max() + 65_535 < LATE * MINUTE
    longest = (len(LENGTHS) - 1) * DWELL + LONG_PAUSE * MINUTE
    assert longest < 72 * MINUTE
    assert longest + (LATE + AGAIN) * MINUTE < REACH * MINUTE
    assert LONG_PAUSE * MINUTE + DWELL < 29 * MINUTE
    assert longest > 63 * (20 * 250 * clock.MS)  # bots


def test_a_block_far_into_a_long_stream_is_what_its_neighbours_make_of_it() -> None:
    recipe = Recipe(5000, 3)
    whole = STREAM.clean("clicks", recipe, 290_000, 290_600)
    parts = [STREAM.clean("clicks", recipe, start, start + 200) for start in (290_000, 290_200, 290_400)]
    assert pa.Table.from_batches(parts).equals(pa.Table.from_batches([whole]))
    oldest = (micros(pa.table(whole)["arrival_time"]) - micros(pa.table(whole)["event_time"])).max()
    assert oldest > 5 * 24 * 60 * MINUTE


@given(SEEDS, st.sampled_from([(0.05, 0.5), (1.0, 2.7), (2.7, 31.0), (20.0, 260.0)]))
@settings(max_examples=8, deadline=None)
def test_a_longer_stream_keeps_every_earlier_row(seed: int, scales: tuple[float, float]) -> None:
    for table in STREAM.tables:
        small, large = (rows(table, scale, seed) for scale in scales)
        assert large.slice(0, small.num_rows).equals(small), table


def test_sizes_are_as_described() -> None:
    week = rows("clicks", 168).num_rows / 168
    assert abs(week / 3650 - 1) < 0.05
    assert rows("visitors").num_rows == 8192
    assert rows("visitors", 250).num_rows == 2 * 8192
    assert rows("pages").num_rows == site.PAGES == 616


@given(SEEDS)
@settings(max_examples=6, deadline=None)
def test_visits_of_a_visitor_are_far_apart_and_their_clicks_close_together(seed: int) -> None:
    visits = world(150, seed).visits(0, 9000)
    assert visits.place.max() < 4096
    last: dict[int, tuple[int, int]] = {}
    clicks = Clicks(visits)
    ends = clicks.at[clicks.first + visits.clicks - 1]
    assert (ends - visits.begins).max() < 72 * MINUTE
    pauses = np.diff(clicks.at)[np.diff(clicks.visit) == 0]
    assert pauses.min() > 0
    assert pauses.max() < 29 * MINUTE
    order = np.argsort(visits.begins, kind="stable")
    rounds = visits.minute // ROUND
    for visitor, round_, begin, end in np.stack([visits.visitor, rounds, visits.begins, ends])[:, order].T.tolist():
        if visitor in last:
            assert begin - last[visitor][0] > 55 * MINUTE
            assert round_ != last[visitor][1]
        last[visitor] = (end, round_)


def test_visits_of_a_minute_are_a_poisson_number() -> None:
    for quarters in (1, 26, 100, 255):
        mean, below = quarters / 4, 0.0
        for k in range(clock.MOST):
            below += math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1))
            assert abs(int(clock.poisson()[quarters, k]) / 2**64 - below) < 1e-11
    minute = np.arange(400_000, dtype=np.int64)
    bursts = world().bursts
    expected, counts = clock.rate(minute, bursts) / 4, clock.visits(minute, world().draws("visits", "count"), bursts)
    assert abs((counts - expected).sum()) < 4 * math.sqrt(expected.sum())
    spread = ((counts - expected) ** 2 / expected).mean()  # 1 for Poisson numbers
    assert abs(spread - 1) < 0.015


def test_there_are_nights_weekends_and_bursts() -> None:
    minute = np.arange(60 * 24 * 28, dtype=np.int64)
    counts, bursts = clock.visits(minute, world().draws("visits", "count"), world().bursts), world().bursts.cover(minute)
    hour = (minute // 60 + 8) % 24
    assert counts[hour == 19].mean() > 4 * counts[hour == 3].mean()
    assert counts[bursts].mean() > 2 * counts[~bursts].mean()
    assert 0.02 < bursts.mean() < 0.05


def test_the_stream_is_out_of_order_late_doubled_and_wrong() -> None:
    clicks = rows("clicks", 72)
    late = (micros(clicks["arrival_time"]) - micros(clicks["event_time"])) / 1e6
    event = micros(clicks["event_time"])
    assert (np.diff(event) < 0).mean() > 0.05
    assert 0.8 < (late < 0.6).mean() < 0.9
    assert 0.08 < ((late > 1) & (late < 31)).mean() < 0.14
    assert 0.015 < ((late > 60) & (late < 900)).mean() < 0.05
    assert late.max() > 2 * 86_400
    assert late.min() < -19
    events = Counter(clicks["event_id"].to_pylist())
    assert set(events.values()) == {1, 2}
    assert 0.015 < sum(count == 2 for count in events.values()) / len(events) < 0.025


def test_second_deliveries_are_later_and_otherwise_the_same() -> None:
    first: dict[int, dict[str, Any]] = {}
    seconds = 0
    for row in rows("clicks", 10).to_pylist():
        if row["event_id"] not in first:
            first[row["event_id"]] = row
            continue
        seconds += 1
        before = first[row["event_id"]]
        assert row["arrival_time"] > before["arrival_time"]
        assert row["delivery_id"] == before["delivery_id"] + 1
        rest = set(row) - {"arrival_time", "delivery_id"}
        assert all(row[name] == before[name] for name in rest)
    assert seconds > 300


def test_columns_follow_the_schema_version() -> None:
    versions: dict[int, set[tuple[bool, bool]]] = {}
    campaigns: set[int] = set()
    for row in rows("clicks", 24).to_pylist():
        versions.setdefault(row["schema_version"], set()).add((row["country"] is not None, row["country_code"] is not None))
        if row["campaign"]:
            campaigns.add(row["schema_version"])
    assert versions == {1: {(True, False)}, 2: {(False, True)}, 3: {(False, True)}}
    assert campaigns == {3}


def test_what_is_bought_was_looked_at_and_put_in_the_cart() -> None:
    prices = {page["page_id"]: page["price"] for page in rows("pages").to_pylist()}
    visits: dict[int, list[dict[str, Any]]] = {}
    for row in rows("clicks", 12).to_pylist():
        visits.setdefault((row["event_id"] - 1) // 64, []).append(row)
    bought = 0
    for visit in visits.values():
        steps = {row["action"]: row for row in visit}
        assert all((row["amount"] is not None) == (row["action"] == "buy") for row in visit)
        assert all((row["query"] is not None) == (row["action"] == "search") for row in visit)
        if {"cart", "buy"} <= set(steps):
            bought += 1
            cart, paid = steps["cart"], steps["buy"]["amount"]
            assert paid / prices[cart["page_id"]] in (1, 2, 3)
            assert cart["event_time"] < steps["buy"]["event_time"]
            before = [row for row in visit if row["event_id"] == cart["event_id"] - 1]
            assert all(row["page_id"] == cart["page_id"] for row in before)
    assert bought > 300


def test_the_site_has_popular_pages_and_titles_beyond_ascii() -> None:
    views = [count for _, count in Counter(rows("clicks", 48)["page_id"].to_pylist()).most_common()]
    assert sum(views[:30]) > 0.35 * sum(views)
    assert sum(not title.isascii() for title in rows("pages")["title"].to_pylist()) > 300


@given(SEEDS, st.sampled_from([0.05, 0.5, 9.0]), RATES, st.data())
@settings(max_examples=25, deadline=None)
def test_what_is_planted_is_recorded_and_nothing_else(seed: int, scale: float, rate: float, data: st.DataObject) -> None:
    chosen = data.draw(st.sets(st.sampled_from(sorted(STREAM.faults)), min_size=1))
    recipe = STREAM.recipe(scale, seed, dict.fromkeys(chosen, rate))
    for name, table in STREAM.tables.items():
        clean = {row[table.identity]: row for row in as_text(rows(name, scale, seed))}
        delivered = as_text(STREAM.rows(name, recipe))
        planted = STREAM.planted(recipe, [name]).to_pylist()
        recorded = {(entry["key"], entry["column"]): entry["is"] for entry in planted if entry["column"]}
        assert len(recorded) == sum(bool(entry["column"]) for entry in planted)
        times = Counter(row[table.identity] for row in delivered)
        twice = {key for key, count in times.items() if count == 2}
        assert twice == {entry["key"] for entry in planted if entry["fault"] == "duplicate"}
        assert set(times) == set(clean)
        assert all(clean[key][column] != value for (key, column), value in recorded.items())
        first: dict[int, dict[str, Any]] = {}
        for row in delivered:
            key = row[table.identity]
            if key in first:
                assert row.get("arrival_time", "") >= first[key].get("arrival_time", "")
                assert {**row, "arrival_time": None} == {**first[key], "arrival_time": None}
            else:
                assert row == {column: recorded.get((key, column), value) for column, value in clean[key].items()}
            first.setdefault(key, row)
        if name == "clicks":
            arrivals = [row["arrival_time"] for row in delivered]
            assert arrivals == sorted(arrivals)


def as_text(table: pa.Table) -> list[dict[str, Any]]:
    """Rows of which all but the keys are text, as in the record."""
    keys = {"delivery_id"} & set(table.column_names) or {table.column_names[0]}
    columns = {name: table[name] if name in keys else table[name].cast(pa.string()) for name in table.column_names}
    return pa.table(columns).to_pylist()


@given(SEEDS)
@settings(max_examples=5, deadline=None)
def test_a_higher_rate_only_adds(seed: int) -> None:
    def hit(rate: float) -> set[tuple[Any, ...]]:
        planted = STREAM.planted(STREAM.recipe(2, seed, dict.fromkeys(("clock_skew", "late", "missing"), rate)), ["clicks"])
        return {(entry["fault"], entry["column"], entry["key"]) for entry in planted.to_pylist()}

    assert hit(0.02) <= hit(0.2)


def test_a_skewed_device_is_always_ahead_by_the_same() -> None:
    recipe = STREAM.recipe(24, 1, {"clock_skew": 0.05})
    clean = dict(zip(*(rows("clicks", 24)[name].to_pylist() for name in ("delivery_id", "event_time")), strict=True))
    ahead: dict[int, set[Any]] = {}
    for row in STREAM.rows("clicks", recipe).to_pylist():
        ahead.setdefault(row["visitor_id"], set()).add(row["event_time"] - clean[row["delivery_id"]])
    assert all(len(offsets) == 1 for offsets in ahead.values())
    hours = Counter(next(iter(offsets)).total_seconds() / 3600 for offsets in ahead.values())
    assert set(hours) == {0, 1, 2, 5, 9, 24, 168}
    assert 0.03 < 1 - hours[0] / len(ahead) < 0.07


def test_messages_are_stamped_with_their_arrival() -> None:
    page = next(STREAM.pages("clicks", STREAM.recipe(0.2)))
    sent = list(messages(STREAM.table("clicks"), page.rows))
    assert len(sent) > 300
    for message, row in zip(sent, page.rows.to_pylist(), strict=True):
        value = json.loads(message.value)
        assert message.key == str(row["delivery_id"]).encode()
        assert message.at == round(row["arrival_time"].timestamp() * 1e6)
        assert value["event_time"].startswith(row["event_time"].strftime("%Y-%m-%dT%H:%M:%S"))
    assert [message.at for message in sent] == sorted(message.at for message in sent)


CHECKSUMS: dict[str, list[str]] = json.loads(Path(__file__).with_name("clickstream_checksums.json").read_text())


def checksum(table: str, faults: dict[str, float]) -> str:
    """Of the bytes that COPY, CSV and everything else are made of."""
    digest = hashlib.sha256()
    for page in STREAM.pages(table, STREAM.recipe(30, 42, faults)):
        digest.update(csv_bytes(page.rows))
        digest.update(csv_bytes(page.planted))
    return digest.hexdigest()[:16]


@pytest.mark.parametrize("table", sorted(STREAM.tables))
def test_the_same_recipe_gives_the_same_bytes_for_ever(table: str) -> None:
    clean, faulty = checksum(table, {}), checksum(table, dict.fromkeys(STREAM.faults, 0.05))
    assert [clean, faulty] == CHECKSUMS[table], "if this is meant, raise the version in schema.toml"
