"""Checks of lab 71: a star with dimensions that both facts share, members for what is not known, and keys that stay."""

from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

import pytest
from later import later
from prepare import Shop, lay, shop
from truth import DIMENSIONS, Key, Truth, answers

from delab.checks import CheckFailed, expect, fail, main
from delab.checks.dbt import Project

MODELS = ("dim_date", "dim_customer", "dim_product", "dim_store", "fct_order_lines", "fct_returns")
CENT = Decimal("0.005")
CALENDAR = [date(2024, 1, 1) + timedelta(days=n) for n in range((date(2027, 1, 1) - date(2024, 1, 1)).days)]
MANY = 3  # keys: more are not computed from the source's number by chance, once members have come between
LONG = 8  # digits: no hash holds such a number by chance


@pytest.fixture(scope="module")
def delivered(seed) -> Shop:
    """What lies in the sources."""
    return shop(seed)


@pytest.fixture(scope="module")
def truth(delivered) -> Truth:
    """What must come of it."""
    return Truth(delivered)


# Looking at the learner's tables


def as_number(value: Any, what: str) -> Decimal:
    """A measure as a number."""
    if value is None or isinstance(value, bool | str):
        fail(expected=f"{what} is a number", seen=f"{value!r}" if value is not None else "NULL")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        fail(expected=f"{what} is a number", seen=f"{value!r}")
    expect(found.is_finite(), expected=f"{what} is a number", seen=f"{value!r}")
    return found


def whole(value: Any) -> Any:
    """A number of the source as a number, however it is stored."""
    return int(value) if isinstance(value, str | Decimal) and str(value).isdigit() else value


def natural_key(values: Key) -> Key | None:
    """A natural key as the truth has it; None for the unknown member."""
    return None if values[-1] is None else (*values[:-1], whole(values[-1]))


def rows_of(dbt: Project, model: str) -> list[tuple[Any, Key | None, Key]]:
    """The rows of a dimension: surrogate key, natural key, attributes."""
    thing, natural, attributes = DIMENSIONS[model]
    rows = dbt.rows(f"SELECT {thing}_key, {', '.join((*natural, *attributes))} FROM {{{model}}}")
    rows = [tuple(map(plain, row)) for row in rows]
    return [(row[0], natural_key(row[1 : 1 + len(natural)]), row[1 + len(natural) :]) for row in rows]


def plain(key: Any) -> Any:
    """A key that can be looked up, whatever its type; blanks at the end are no part of it, as in a join of char(n) with text."""
    if isinstance(key, memoryview):
        return bytes(key).decode("latin-1")
    return str(key) if isinstance(key, list | dict) else key.rstrip(" ") if isinstance(key, str) else key


def named(model: str, key: Key | None) -> str:
    """A member in words: `customer till 1003`."""
    return f"the unknown {DIMENSIONS[model][0]}" if key is None else f"{DIMENSIONS[model][0]} {' '.join(str(part) for part in key)}"


def test_builds(dbt: Project):
    """`dbt build` builds the six models on a new database, and all the tests that you wrote pass."""
    warned = dbt.fired(dbt.build(), "warn")
    expect(not warned, expected="all your tests pass", seen=f"{warned[0].name} warns" if warned else "")
    manifest = dbt.manifest()
    for name in MODELS:
        manifest.model(name)


def judge_members(dbt: Project, truth: Truth) -> None:
    """Each dimension has each member once, with its attributes."""
    for model in DIMENSIONS:
        right, rows = truth.known[model], [row for row in rows_of(dbt, model) if row[1] is not None]
        there = Counter(key for _, key, _ in rows)
        twice = [key for key, times in there.items() if times > 1]
        seen = (
            f"{named(model, twice[0])} has {there[twice[0]]} rows: it was delivered twice, or a join multiplies it" if twice else ""
        )
        expect(not twice, expected=f"{model}: one row for each member", seen=seen)
        for what, keys in (("is missing", right.keys() - there.keys()), ("is in no source", there.keys() - right.keys())):
            seen = f"{len(keys)} differ: {named(model, next(iter(keys), None))} {what}"
            expect(not keys, expected=f"{model} has the {len(right)} members of the source", seen=seen)
        for _, key, values in rows:
            for name, value, wanted in zip(DIMENSIONS[model][2], values, right[key], strict=True):
                expect(value == wanted, expected=f"{model}: {name} of {named(model, key)} is {wanted!r}", seen=f"{value!r}")


def test_members(dbt, truth):
    """`dim_customer`, `dim_product` and `dim_store` have each member of the source once, with all its attributes, flattened."""
    judge_members(dbt, truth)


def judge_unknown(dbt: Project, _: Truth) -> None:
    """One row for what is not known, with its labels."""
    for model, (_, _, names) in DIMENSIONS.items():
        rows = [row for row in rows_of(dbt, model) if row[1] is None]
        expect(
            len(rows) == 1,
            expected=f"{model} has one row for the unknown member",
            seen=f"{len(rows)} rows without a number of the source",
        )
        for name, value in zip(names, rows[0][2], strict=True):
            expect(value == "unknown", expected=f"{model}: {name} of the unknown member is 'unknown'", seen=f"{value!r}")


def test_unknown(dbt, truth):
    """Each of the three has one row for what is not known: no number of the source, and `unknown` in each attribute."""
    judge_unknown(dbt, truth)


def judge_surrogate_keys(dbt: Project, _: Truth) -> None:
    """A key for each row, another one for each, and none that holds the source's number."""
    for model, (thing, _, _) in DIMENSIONS.items():
        rows = rows_of(dbt, model)
        by_key: dict[Any, list[Key | None]] = defaultdict(list)
        for key, natural, _ in rows:
            expect(key is not None, expected=f"{model}: {named(model, natural)} has a {thing}_key", seen="NULL")
            by_key[key].append(natural)
        shared = [found for found in by_key.values() if len(found) > 1]
        seen = f"{' and '.join(named(model, natural) for natural in shared[0])} have the same" if shared else ""
        expect(not shared, expected=f"{model}: each row has a {thing}_key of its own", seen=seen)
        known = [(str(key), natural) for key, natural, _ in rows if natural is not None and len(str(natural[-1])) >= LONG]
        held = [(key, natural) for key, natural in known if str(natural[-1]) in key]
        seen = (
            f"{len(held)} of {len(known)} keys hold the source's number: {held[0][0]} is that of {named(model, held[0][1])}"
            if held
            else ""
        )
        expect(len(held) < 2, expected=f"{model}: {thing}_key is a surrogate key, without the number of the source", seen=seen)


def judge_arithmetic(dbt: Project, _: Truth) -> None:
    """No key is the source's number plus something, or times something: of that all lie on a line."""
    for model, (thing, _, _) in DIMENSIONS.items():
        lines: dict[Key, list[tuple[int, int]]] = defaultdict(list)
        for key, natural, _ in rows_of(dbt, model):
            if natural is not None and isinstance(whole(key), int):
                lines[natural[:-1]].append((natural[-1], whole(key)))
        for natural, points in lines.items():
            (number, key), (other, far) = points[0], points[-1]
            straight = all((k - key) * (other - number) == (n - number) * (far - key) for n, k in points) and len(points) > MANY
            seen = f"each is computed from it: {key} is that of {named(model, (*natural, number))}, {far} of {other}"
            expect(not straight, expected=f"{model}: {thing}_key is a surrogate key, without the number of the source", seen=seen)


def test_surrogate_keys(dbt, truth):
    """Each row of a dimension has a surrogate key of its own, and the number of the source is not in it."""
    judge_surrogate_keys(dbt, truth)


def judge_lines(dbt: Project, truth: Truth) -> None:
    """Each line of a completed order, once, with its measures."""
    rows = dbt.rows("SELECT order_id, line_number, quantity, amount FROM {fct_order_lines}")
    there = Counter((whole(order), whole(line)) for order, line, *_ in rows)
    expected = f"{len(truth.lines):,} rows: one for each line of each completed order"
    more, missing = there.keys() - truth.lines.keys(), truth.lines.keys() - there.keys()
    expect(not more, expected=expected, seen=f"{len(more)} of cancelled orders, or of none, such as {next(iter(more), '')}")
    cause = dropped(truth, missing)
    expect(not missing, expected=expected, seen=f"{len(missing)} are missing, such as {next(iter(missing), '')}{cause}")
    twice = [key for key, times in there.items() if times > 1]
    if twice:
        money, right = sum(as_number(row[3], "amount") for row in rows), sum(row["amount"] for row in truth.lines.values())
        seen = f"{len(twice)} are there more than once, so that {money:,} is earned and not {right:,}"
        fail(expected=expected, seen=f"{seen}: a join multiplies rows, or a second delivery was kept")
    for order, line, quantity, amount in rows:
        row, where = truth.lines[whole(order), whole(line)], f"order {order}, line {line}"
        for name, seen, wanted in (("quantity", quantity, row["quantity"]), ("amount", amount, row["amount"])):
            near = abs(as_number(seen, f"{where}: {name}") - wanted) < CENT
            expect(near, expected=f"{where}: {name} is {wanted}", seen=f"{seen}")


def dropped(truth: Truth, missing: set[Key]) -> str:
    """Why lines are missing: all of them, and none that is there, lead to an unknown member."""
    for model, (thing, _, _) in DIMENSIONS.items():
        unknown = {key for key in truth.lines if truth.led_to(*key)[model] is None}
        if unknown and unknown == missing:
            return f": the lines whose {thing} is not known; an inner join has dropped them"
    one_a_order = len(truth.lines) - len(missing) <= len(truth.orders)
    return ": that is one row an order" if one_a_order else ""


def test_lines(dbt, truth):
    """`fct_order_lines` has each line of each completed order, none dropped, none twice, with quantity and amount."""
    judge_lines(dbt, truth)


LINES = """
SELECT f.order_id, f.line_number, d.date_day::date, f.customer_key, f.product_key, f.store_key
FROM {fct_order_lines} AS f LEFT JOIN {dim_date} AS d ON d.date_key = f.order_date_key
"""
RETURNS = """
SELECT f.order_id, f.line_number, o.date_day::date, f.customer_key, f.product_key, f.store_key,
       f.return_id, r.date_day::date, f.quantity, f.refund_amount
FROM {fct_returns} AS f LEFT JOIN {dim_date} AS o ON o.date_key = f.order_date_key
LEFT JOIN {dim_date} AS r ON r.date_key = f.return_date_key
"""


def judge_keys(dbt: Project, truth: Truth, query: str, what: Callable[[Key], str]) -> list[Key]:
    """Every row leads to its members and to the day of its order; returns the rows."""
    found = {model: {key: natural for key, natural, _ in rows_of(dbt, model)} for model in DIMENSIONS}
    rows = dbt.rows(query)
    for row in rows:
        order, line = whole(row[0]), whole(row[1])
        where, day = what(row), truth.day(order)
        expect(row[2] == day, expected=f"{where}: order_date_key leads to {day}", seen=f"{row[2] or 'no day'}")
        for key, (model, natural) in zip(map(plain, row[3:6]), truth.led_to(order, line).items(), strict=True):
            name = f"{DIMENSIONS[model][0]}_key"
            expect(
                key is not None,
                expected=f"{where}: {name} leads to {named(model, natural)}",
                seen="NULL: an inner join will lose it",
            )
            expect(
                key in found[model],
                expected=f"{where}: {name} leads to {named(model, natural)}",
                seen=f"{key}, which {model} does not have",
            )
            expect(
                found[model][key] == natural,
                expected=f"{where}: {name} leads to {named(model, natural)}",
                seen=f"it leads to {named(model, found[model][key])}",
            )
    return rows


def judge_line_keys(dbt: Project, truth: Truth) -> None:
    """The keys of the order lines."""
    judge_keys(dbt, truth, LINES, lambda row: f"order {row[0]}, line {row[1]}")


def test_line_keys(dbt, truth):
    """Each key of `fct_order_lines` leads to the right member; what is missing or not in its dimension leads to the unknown one."""
    judge_line_keys(dbt, truth)


def judge_returns(dbt: Project, truth: Truth) -> None:
    """Each return once, by the same dimensions, with two roles of the date."""
    ids = Counter(whole(number) for (number,) in dbt.rows("SELECT return_id FROM {fct_returns}"))
    expected = f"{len(truth.returns)} rows: one for each return"
    missing, more = truth.returns.keys() - ids.keys(), ids.keys() - truth.returns.keys()
    expect(not missing and not more, expected=expected, seen=f"{len(missing)} are missing, {len(more)} too many")
    twice = [number for number, times in ids.items() if times > 1]
    expect(
        not twice,
        expected=expected,
        seen=f"return {twice[:1]} has {ids[twice[0]] if twice else 0} rows: a join multiplies it, or it came twice",
    )
    for row in dbt.rows(RETURNS):
        right = truth.returns[whole(row[6])]
        told = (whole(row[0]), whole(row[1]))
        expect(
            told == (right["order_id"], right["line_number"]),
            expected=f"return {row[6]} is of order line {right['order_id'], right['line_number']}",
            seen=f"{told}",
        )
    for row in judge_keys(dbt, truth, RETURNS, lambda row: f"return {row[6]}"):
        right = truth.returns[whole(row[6])]
        day = right["returned_at"].date()
        expect(row[7] == day, expected=f"return {row[6]}: return_date_key leads to {day}", seen=f"{row[7] or 'no day'}")
        for name, seen, wanted in (("quantity", row[8], right["quantity"]), ("refund_amount", row[9], right["refund"])):
            near = abs(as_number(seen, f"return {row[6]}: {name}") - wanted) < CENT
            expect(near, expected=f"return {row[6]}: {name} is {wanted}", seen=f"{seen}")


def test_returns(dbt, truth):
    """`fct_returns` has one row for each return; it leads to the members of its order line, and to the days of order and return."""
    judge_returns(dbt, truth)


BY_MONTH = """
SELECT d.year::int, d.month::int, sum(f.amount) FROM {fct_order_lines} AS f JOIN {dim_date} AS d ON d.date_key = f.order_date_key
GROUP BY 1, 2 ORDER BY 1, 2
"""
BY_LABELS = """
SELECT s.region, p.department, c.segment, sum(f.amount), count(*) FROM {fct_order_lines} AS f
JOIN {dim_store} AS s ON s.store_key = f.store_key JOIN {dim_product} AS p ON p.product_key = f.product_key
JOIN {dim_customer} AS c ON c.customer_key = f.customer_key GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
ACROSS = """
WITH sold AS (SELECT p.department, sum(f.amount) AS amount FROM {fct_order_lines} AS f
    JOIN {dim_product} AS p ON p.product_key = f.product_key GROUP BY 1),
came_back AS (SELECT p.department, sum(f.refund_amount) AS refund FROM {fct_returns} AS f
    JOIN {dim_product} AS p ON p.product_key = f.product_key GROUP BY 1)
SELECT department, amount, coalesce(refund, 0) FROM sold FULL JOIN came_back USING (department) ORDER BY 1
"""
ROLES = """
SELECT o.month::int, r.month::int, count(*) FROM {fct_returns} AS f JOIN {dim_date} AS o ON o.date_key = f.order_date_key
JOIN {dim_date} AS r ON r.date_key = f.return_date_key GROUP BY 1, 2 ORDER BY 1, 2
"""
DAYS = """
SELECT d.date_day::date, d.date_key, d.year::int, d.month::int, d.weekday::int FROM {dim_date} AS d
WHERE d.date_day::date BETWEEN '2024-01-01' AND '2026-12-31'
"""


def test_questions(dbt, truth, evidence):
    """A BI tool, which joins by the keys alone, gets right answers: by month, label, two dates, across facts; each day is there."""
    for (asked, right), query in zip(answers(truth).items(), (BY_MONTH, BY_LABELS, ACROSS, ROLES), strict=True):
        rows = dbt.rows(query)
        differ = {comparable(row) for row in right} ^ {comparable(row) for row in rows}
        evidence.note(f"{asked}: {len(right)} rows")
        seen = f"{len(rows)} rows, {len(differ)} differ, such as {next(iter(differ), '')}"
        expect(not differ, expected=f"{asked}: {len(right)} rows, as the shop's books have them", seen=seen)
    judge_calendar(dbt, truth)


def judge_calendar(dbt: Project, _: Truth) -> None:
    """Each day once, sold or not, with its own key, year, month and weekday."""
    rows = dbt.rows(DAYS)
    times = Counter(row[0] for row in rows)
    missing, twice = [day for day in CALENDAR if day not in times], [day for day in CALENDAR if times[day] > 1]
    expected = f"dim_date has the {len(CALENDAR):,} days from 2024 to 2026, each once"
    seen = f"{len(missing)} are missing, {missing[0]} first: a day without a sale is not there" if missing else ""
    expect(not missing, expected=expected, seen=seen)
    expect(not twice, expected=expected, seen=f"{twice[0]} has {times[twice[0]]} rows" if twice else "")
    keys = len({plain(row[1]) for row in rows} - {None})
    expect(keys == len(rows), expected="dim_date: each day has a date_key of its own", seen=f"{keys} keys of {len(rows)} days")
    for day, _, *said in rows:
        right = [day.year, day.month, day.isoweekday()]
        seen = f"{', '.join(map(str, said))}"
        expect(
            said == right,
            expected=f"dim_date: year, month, weekday of {day:%A, %Y-%m-%d} are {', '.join(map(str, right))}",
            seen=seen,
        )


def comparable(row: Key) -> Key:
    """Amounts to the cent, whatever number they are stored as."""
    return tuple(round(Decimal(str(value)), 2) if isinstance(value, Decimal | float | int) else value for value in row)


def test_again(dbt, delivered, seed):
    """After members, orders and returns have come and some rows were corrected, the next `dbt build` has it; no key has moved."""
    before = {model: {natural: key for key, natural, _ in rows_of(dbt, model)} for model in DIMENSIONS}
    grown = later(delivered, seed)
    with dbt.database.session() as session:
        lay(session, grown)
    dbt.build(expected="a second `dbt build`, with more rows in the sources, ends well")
    now = {model: {natural: key for key, natural, _ in rows_of(dbt, model)} for model in DIMENSIONS}
    for model, keys in before.items():
        moved = [natural for natural, key in keys.items() if now[model].get(natural, key) != key]
        first = f"{named(model, moved[0])} first ({now[model][moved[0]]}, it was {keys[moved[0]]})" if moved else ""
        seen = f"{len(moved)} of {len(keys)} have another one, {first}: what was kept elsewhere leads to others"
        expect(not moved, expected=f"{model}: after the second build each member has the key that it had", seen=seen)
    dimensions = judge_members, judge_unknown, judge_surrogate_keys, judge_arithmetic, judge_calendar
    for look in (*dimensions, judge_lines, judge_line_keys, judge_returns):
        try:
            look(dbt, Truth(grown))
        except CheckFailed as error:
            come = "members have come, some of which facts had waited for, and orders and returns; some names were corrected"
            fail(expected=f"after the second build: {error.failure.expected}", seen=f"{error.failure.seen} ({come})")


if __name__ == "__main__":
    main(__file__)
