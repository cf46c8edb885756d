"""The click stream's answer key against DuckDB on the delivered rows."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delab.data import Recipe, answer_key, dataset
from delab.errors import LabError

RECIPES = [Recipe(0.1, 3), Recipe(4, 1), Recipe(60, 7)]  # the last has many pages and chunks
Ask = Callable[[str], list[tuple[Any, ...]]]
WINDOWS = [(300, 300, 60, 0), (300, 300, 0, 0), (60, 60, 30, 600), (3600, 3600, 900, 7200), (600, 120, 60, 60), (100, 70, 20, 45)]


@pytest.fixture(scope="module", params=RECIPES, ids=str)
def recipe(request: pytest.FixtureRequest) -> Recipe:
    assert isinstance(request.param, Recipe)
    return request.param


@pytest.fixture(scope="module")
def ask(recipe: Recipe, open_warehouse: Callable[..., Ask]) -> Ask:
    return open_warehouse("clickstream", recipe)


def truth(recipe: Recipe, name: str, **parameters: Any) -> list[tuple[Any, ...]]:
    table = answer_key("clickstream", name, scale=recipe.scale, seed=recipe.seed, **parameters)
    return [tuple(row.values()) for row in table.to_pylist()]


MARKED = """
    ordered AS (SELECT *, row_number() OVER (ORDER BY arrival_time, delivery_id) AS n, epoch_us(event_time) AS e FROM clicks),
    marked AS (SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY n) = 1 AS first,
               coalesce(max(e) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS latest FROM ordered)"""


def windowed(size: int, slide: int, distinct: bool) -> str:
    """Common table expressions: `held` has a row for each click and window that holds it; a and b in µs."""
    return f"""WITH {MARKED},
    cut AS (SELECT *, (e // {slide}000000 - back) * {slide}000000 AS a FROM marked, range({-(-size // slide)}) AS t(back)
            WHERE {"first" if distinct else "true"}),
    held AS (SELECT *, a + {size}000000 AS b FROM cut WHERE e < a + {size}000000)"""


def check_windows(recipe: Recipe, ask: Ask, size: int, slide: int, watermark: int, lateness: int, distinct: bool) -> None:
    theirs = ask(f"""{windowed(size, slide, distinct)},
        due AS (SELECT *, latest - {watermark}000000 AS mark FROM held),
        late AS (SELECT *, mark >= b AS late, mark >= b + {lateness}000000 AS gone FROM due)
        SELECT make_timestamptz(a), make_timestamptz(b), count(*) FILTER (NOT gone),
               coalesce(sum(amount) FILTER (NOT gone), 0)::decimal(14,2), count(*) FILTER (NOT late),
               count(*) FILTER (late AND NOT gone), count(*) FILTER (gone), coalesce(sum(amount) FILTER (gone), 0)::decimal(14,2)
        FROM late GROUP BY ALL ORDER BY 1""")
    chosen = {"size": size, "watermark": watermark, "lateness": lateness, "distinct": distinct}
    if slide == size:
        assert truth(recipe, "tumbling_windows", **chosen) == theirs
    assert truth(recipe, "sliding_windows", slide=slide, **chosen) == theirs


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize(("size", "slide", "watermark", "lateness"), WINDOWS)
def test_windows_under_a_watermark(
    recipe: Recipe, ask: Ask, size: int, slide: int, watermark: int, lateness: int, distinct: bool
) -> None:
    check_windows(recipe, ask, size, slide, watermark, lateness, distinct)


@pytest.mark.parametrize(("size", "slide"), [(300, 300), (60, 60), (600, 120), (100, 70)])
@pytest.mark.parametrize("distinct", [True, False])
def test_complete_windows(recipe: Recipe, ask: Ask, size: int, slide: int, distinct: bool) -> None:
    theirs = ask(f"""{windowed(size, slide, distinct)}
        SELECT make_timestamptz(a), make_timestamptz(b), count(*), coalesce(sum(amount), 0)::decimal(14,2)
        FROM held GROUP BY ALL ORDER BY 1""")
    assert truth(recipe, "complete_windows", size=size, slide=slide, distinct=distinct) == theirs


@pytest.mark.parametrize(("watermark", "lateness"), [(60, 0), (0, 0), (600, 300)])
def test_dropped_clicks(recipe: Recipe, ask: Ask, watermark: int, lateness: int) -> None:
    theirs = ask(f"""{windowed(300, 300, True)}
        SELECT event_id, event_time, arrival_time, make_timestamptz(latest - {watermark}000000), make_timestamptz(a)
        FROM held WHERE latest - {watermark}000000 >= b + {lateness}000000 ORDER BY n""")
    assert truth(recipe, "dropped_clicks", watermark=watermark, lateness=lateness) == theirs


def session_rows(gap: int) -> str:
    """A common table expression `sessions`: gaps between distinct clicks by event time."""
    return f"""
    once AS (SELECT DISTINCT ON (event_id) * FROM clicks ORDER BY event_id, arrival_time),
    starts AS (SELECT *, coalesce(event_time - lag(event_time) OVER v > INTERVAL {gap} SECOND, true) AS starts
               FROM once WINDOW v AS (PARTITION BY visitor_id ORDER BY event_time)),
    numbered AS (SELECT *, sum(starts::int) OVER (PARTITION BY visitor_id ORDER BY event_time) AS session FROM starts),
    sessions AS (SELECT visitor_id, session, min(event_time) AS started_at, max(event_time) AS ended_at, count(*) AS clicks,
                 coalesce(sum(amount), 0)::decimal(14,2) AS amount, list(DISTINCT action) AS actions FROM numbered GROUP BY ALL)"""


@pytest.mark.parametrize("gap", [1800, 1740, 3300, 900, 60, 1])
def test_sessions(recipe: Recipe, ask: Ask, gap: int) -> None:
    theirs = ask(f"WITH {session_rows(gap)} SELECT visitor_id, started_at, ended_at, clicks, amount FROM sessions")
    assert sorted(row[:-1] for row in truth(recipe, "sessions", gap=gap)) == sorted(theirs)


def test_visits_are_the_sessions_of_a_30_minute_gap() -> None:
    counts = {gap: len(truth(Recipe(24, 1), "sessions", gap=gap)) for gap in (900, 1740, 1800, 3300)}
    assert counts[900] > counts[1740] == counts[1800] == counts[3300]


def test_funnel_and_bots(recipe: Recipe, ask: Ask) -> None:
    bots = truth(recipe, "bots")
    known = ", ".join(str(visitor) for visitor, *_ in bots) or "0"
    steps = {"view": "'view' OR s = 'search'", "cart": "'cart'", "checkout": "'checkout'", "buy": "'buy'"}
    for step, sessions, without in truth(recipe, "funnel"):
        [theirs] = ask(f"""WITH {session_rows(1800)} SELECT count(*), count(*) FILTER (visitor_id NOT IN ({known}))
            FROM sessions WHERE len(list_filter(actions, lambda s: s = {steps[step]})) > 0""")
        assert (sessions, without) == theirs
    crawling = ask(f"WITH {session_rows(1800)} SELECT DISTINCT visitor_id FROM sessions WHERE clicks > 24")
    assert {visitor for (visitor,) in crawling} <= {visitor for visitor, *_ in bots}
    assert {visitor for visitor, clicks, _ in bots if clicks >= 40} <= {visitor for (visitor,) in crawling}
    declared = ask("SELECT visitor_id, count(DISTINCT event_id) FROM clicks WHERE user_agent ILIKE '%bot%' GROUP BY 1 ORDER BY 1")
    assert [(visitor, clicks) for visitor, clicks, said in bots if said] == declared
    counts = dict(ask("SELECT visitor_id, count(DISTINCT event_id) FROM clicks GROUP BY 1"))
    assert all(counts[visitor] == clicks for visitor, clicks, _ in bots)


def test_wrong_clocks(recipe: Recipe, ask: Ask) -> None:
    clocks = truth(recipe, "wrong_clocks")
    known = {visitor: seconds for visitor, _, seconds in clocks}
    counts = dict(ask("SELECT visitor_id, count(DISTINCT event_id) FROM clicks GROUP BY 1"))
    assert all(counts[visitor] == clicks for visitor, clicks, _ in clocks)
    quickest = ask("SELECT visitor_id, min(epoch_us(arrival_time) - epoch_us(event_time)) / 1e6 FROM clicks GROUP BY 1")
    for visitor, seconds in quickest:
        assert seconds + known.get(visitor, 0) > 0.019
    early = ask("SELECT DISTINCT visitor_id FROM clicks WHERE arrival_time < event_time")
    assert all(known[visitor] > 0 for (visitor,) in early)


def test_duplicates(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("SELECT event_id, min(arrival_time), max(arrival_time) FROM clicks GROUP BY 1 HAVING count(*) > 1 ORDER BY 3, 1")
    assert truth(recipe, "duplicates") == theirs


def test_arrivals_by_minute(recipe: Recipe, ask: Ask) -> None:
    mine = truth(recipe, "minute_arrivals")
    assert len(mine) == int(60 * recipe.scale)
    theirs = ask("""SELECT date_trunc('minute', arrival_time), count(*), count(*) FILTER (delivery_id % 2 = 0)
        FROM clicks GROUP BY 1 ORDER BY 1""")
    assert [row[:3] for row in mine if row[1]] == theirs
    spans = truth(recipe, "bursts")
    assert [row[3] for row in mine] == [any(begin <= row[0] < end for begin, end, _ in spans) for row in mine]


def test_lateness(recipe: Recipe, ask: Ask) -> None:
    mine = truth(recipe, "lateness")
    for lower, upper, deliveries in mine:
        limits = [f"{op} {bound}000000" for op, bound in ((">=", lower), ("<", upper)) if bound is not None]
        where = " AND ".join(f"epoch_us(arrival_time) - epoch_us(event_time) {limit}" for limit in limits)
        assert ask(f"SELECT count(*) FROM clicks WHERE {where}") == [(deliveries,)]
    assert [(sum(deliveries for *_, deliveries in mine),)] == ask("SELECT count(*) FROM clicks")


def test_schema_versions(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("SELECT schema_version, count(*), min(arrival_time), max(arrival_time) FROM clicks GROUP BY 1 ORDER BY 1")
    assert truth(recipe, "schema_versions") == theirs


def test_page_views(recipe: Recipe, ask: Ask) -> None:
    known = ", ".join(str(visitor) for visitor, *_ in truth(recipe, "bots")) or "0"
    theirs = ask(f"""SELECT page_id, count(DISTINCT event_id), count(DISTINCT event_id) FILTER (visitor_id NOT IN ({known}))
        FROM clicks GROUP BY 1 ORDER BY 1""")
    assert truth(recipe, "page_views") == theirs


def test_clean_totals(recipe: Recipe, ask: Ask) -> None:
    theirs = ask("""
        SELECT action, count(*), count(DISTINCT event_id),
               coalesce(sum(amount) FILTER (delivery_id % 2 = 0), 0)::decimal(14,2),
               (sum(load_ms) FILTER (delivery_id % 2 = 0))::bigint
        FROM clicks GROUP BY 1 ORDER BY 1""")
    assert [row for row in truth(recipe, "clean_totals") if row[1]] == theirs


@given(
    scale=st.sampled_from([0.05, 1.0, 9.0]),
    seed=st.integers(0, 2**63 - 1),
    size=st.integers(1, 4000),
    share=st.integers(1, 12),
    watermark=st.integers(0, 20_000),
    lateness=st.integers(0, 20_000),
    gap=st.integers(1, 3300),
)
@settings(max_examples=10, deadline=None)
def test_every_answer_holds_at_any_scale_seed_and_parameters(
    open_warehouse: Callable[..., Ask],
    scale: float,
    seed: int,
    size: int,
    share: int,
    watermark: int,
    lateness: int,
    gap: int,
) -> None:
    recipe = Recipe(scale, seed)
    ask = open_warehouse("clickstream", recipe)
    check_windows(recipe, ask, size, max(1, size // share), watermark, lateness, distinct=True)
    test_dropped_clicks(recipe, ask, watermark, lateness)
    test_sessions(recipe, ask, gap)
    for check in (test_funnel_and_bots, test_wrong_clocks, test_duplicates, test_arrivals_by_minute, test_lateness):
        check(recipe, ask)
    for check in (test_schema_versions, test_page_views, test_clean_totals):
        check(recipe, ask)


@pytest.mark.parametrize("hours", [0.02, 1, 6, 24, 72, 168])
def test_something_is_later_than_any_watermark(hours: float) -> None:
    dropped = answer_key("clickstream", "dropped_clicks", scale=400, watermark=round(hours * 3600))
    assert dropped.num_rows > 100


def test_a_later_watermark_drops_less_and_lateness_makes_up_for_it() -> None:
    recipe = Recipe(12, 1)

    def dropped(**parameters: int) -> int:
        return sum(row[6] for row in truth(recipe, "tumbling_windows", **parameters))

    assert dropped(watermark=0) > dropped(watermark=60) > dropped(watermark=1800) > 0
    assert dropped(watermark=60, lateness=600) == dropped(watermark=660)


@given(seed=st.integers(0, 2**63 - 1), rate=st.sampled_from([0.01, 0.2, 1.0]))
@settings(max_examples=6, deadline=None)
def test_a_repaired_load_comes_to_the_clean_totals(open_warehouse: Callable[..., Ask], seed: int, rate: float) -> None:
    data = dataset("clickstream")
    recipe = data.recipe(1, seed, dict.fromkeys(data.faults, rate))
    ask = open_warehouse("clickstream", recipe, planted=True)

    def was(column: str) -> str:
        return f"""coalesce((SELECT was FROM planted p WHERE p.key = rows.delivery_id AND p."table" = 'clicks'
                   AND p."column" = '{column}'), {column}::varchar)"""

    theirs = ask(f"""
        WITH rows AS (SELECT DISTINCT ON (delivery_id) * FROM clicks),
        fixed AS (SELECT {was("action")} AS action, {was("amount")}::decimal(14,2) AS amount, {was("load_ms")}::int AS load_ms,
                  event_id, delivery_id % 2 = 0 AS first FROM rows)
        SELECT action, count(*), count(DISTINCT event_id), coalesce(sum(amount) FILTER (first), 0)::decimal(14,2),
               (sum(load_ms) FILTER (first))::bigint FROM fixed GROUP BY 1 ORDER BY 1""")
    assert [row for row in truth(recipe, "clean_totals") if row[1]] == theirs


def test_faults_do_not_change_the_truth() -> None:
    data = dataset("clickstream")
    for answer in data.answers().values():
        faulty = data.recipe(2, 1, dict.fromkeys(data.faults, 0.1))
        assert answer.compute(faulty, **answer.parameters).equals(answer.compute(Recipe(2, 1), **answer.parameters))


@pytest.mark.parametrize(
    ("answer", "parameters", "words"),
    [
        ("sessions", {"gap": 3301}, "expected a gap from 1 to 3300 seconds, got 3301"),
        ("sessions", {"gap": 0}, "expected a gap"),
        ("sliding_windows", {"size": 60, "slide": 61}, "expected 0 < slide ≤ size"),
        ("tumbling_windows", {"size": 0}, "expected 0 < slide ≤ size"),
        ("tumbling_windows", {"watermark": -1}, "expected seconds from 0"),
        ("dropped_clicks", {"lateness": -1}, "expected seconds from 0"),
    ],
)
def test_bad_parameters_are_explained(answer: str, parameters: dict[str, int], words: str) -> None:
    with pytest.raises(LabError, match=words):
        answer_key("clickstream", answer, **parameters)


def test_times_are_in_utc() -> None:
    begins = answer_key("clickstream", "minute_arrivals")["minute"][0].as_py()
    assert begins == dt.datetime(2025, 3, 3, 8, tzinfo=dt.UTC)
