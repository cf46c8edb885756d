"""Checks of lab 72: days of changes are played, the project is built each night, its tables are compared with the log."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from prepare import UNKNOWN, Order, Story, Version, night

from delab.checks import expect, fail, main
from delab.checks.dbt import Project
from delab.services.postgres import connect

NIGHTS = (1, 2, 4)  # of the third day nothing is built: the fourth brings two days at once
SECONDS = 120  # for one build
FAR = "timestamptz '3000-01-01'"
CUSTOMERS = f"""
SELECT customer_key::text, pg_typeof(customer_key)::text, customer_id::bigint, customer_name::text, city::text, segment::text,
       CASE WHEN valid_from BETWEEN timestamptz '1000-01-01' AND {FAR} THEN valid_from::timestamptz END,
       CASE WHEN valid_to < {FAR} THEN valid_to::timestamptz END, is_current::boolean, coalesce(valid_to >= {FAR}, false)
FROM {{dim_customer}} ORDER BY customer_id, valid_from, customer_key::text
"""
PRODUCTS = """
SELECT product_id::bigint, product_name::text, price::numeric, category::text, previous_category::text
FROM {dim_product} ORDER BY 1, 2, 3, 4, 5
"""
ORDERS = """
SELECT order_id::bigint, customer_key::text, pg_typeof(customer_key)::text, product_id::bigint, ordered_at::timestamptz,
       amount::numeric
FROM {fct_orders} ORDER BY 1, 2
"""
NUMBERS = ("numeric", "real", "double precision")  # types in which one number has several texts


@dataclass(frozen=True)
class Member:
    """One row of dim_customer."""

    key: str
    customer: int | None
    name: str
    city: str | None
    segment: str | None
    valid_from: datetime | None
    valid_to: datetime | None
    current: bool | None
    far: bool  # valid_to is a day in the far future, where NULL is asked for

    @property
    def version(self) -> Version:
        """The part that the log tells."""
        return Version(self.city, self.segment, self.valid_from, self.valid_to)

    def holds(self, moment: datetime) -> bool:
        """Whether it is in force at a moment."""
        return self.valid_from is not None and self.valid_from <= moment and (self.valid_to is None or moment < self.valid_to)


@dataclass(frozen=True)
class State:
    """What the tables held after a build."""

    day: int
    members: list[Member]
    orders: list[tuple[Any, ...]]
    products: list[tuple[Any, ...]]
    of: dict[int | None, list[Member]] = field(default_factory=lambda: defaultdict(list))
    by_key: dict[str, Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for member in self.members:
            self.of[member.customer].append(member)
            self.by_key.setdefault(member.key, member)

    def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows by table."""
        return {
            "dim_customer": [tuple(vars(row).values()) for row in self.members],
            "dim_product": self.products,
            "fct_orders": self.orders,
        }


@dataclass(frozen=True)
class Played:
    """The story, the tables after each night, and after one more build without anything new."""

    story: Story
    nights: list[State]
    again: State

    def evenings(self, state: State) -> tuple[int, ...]:
        """The nights on which was built, up to that of a state."""
        return tuple(day for day in NIGHTS if day <= state.day)


@pytest.fixture(scope="module")
def played(seed, stack, dbt) -> Played:
    """Play the days; one build a night, and one more at the end."""
    story, nights = Story(seed), []
    with connect(stack["primary"].endpoint, seconds=60) as session:
        for day in range(1, max(NIGHTS) + 1):
            story.bring(session, day)
            if day in NIGHTS:
                nights.append(built(dbt, day, f"`dbt build` ends well in the night of day {day}"))
    return Played(story, nights, built(dbt, max(NIGHTS), "`dbt build` ends well a second time in the same night"))


def built(dbt: Project, day: int, expected: str) -> State:
    """Build, and read the three tables."""
    dbt.build(expected=expected, seconds=SECONDS)
    members = [Member(key_of(key, kind), *row) for key, kind, *row in dbt.rows(CUSTOMERS)]
    orders = [(number, key_of(key, kind), *row) for number, key, kind, *row in dbt.rows(ORDERS)]
    return State(day, members, orders, dbt.rows(PRODUCTS))


def key_of(key: str, kind: str) -> str:
    """A key as text; of numbers with a fraction, -1 and -1.0 are the same."""
    return f"{Decimal(key).normalize():f}" if key and kind in NUMBERS else key


# Words


def moment(at: datetime | None) -> str:
    """A moment as short as it can be."""
    return "now" if at is None else f"{at:%Y-%m-%d %H:%M:%S.%f}".removesuffix(".000000")


def told(versions: list[Version]) -> str:
    """Versions for a person to compare."""
    lines = [f"{moment(v.valid_from)} to {moment(v.valid_to)}: {v.city or 'no city'}, {v.segment}" for v in versions]
    return "\n  ".join(["", *lines]) if lines else "none"


def cause(truth: list[Version], seen: list[Version]) -> str:
    """What kind of mistake it looks like."""
    if not seen:
        return "the customer is missing"
    same = next((b for a, b in pairwise(seen) if (a.city, a.segment, a.valid_to) == (b.city, b.segment, b.valid_from)), None)
    if same:
        return f"the version of {moment(same.valid_from)} does not differ from the one before"
    wanted, there = Counter(map(start, truth)), Counter(map(start, seen))
    if lost := [v for v in truth if not there[start(v)]]:
        return missing(lost[0], truth)
    if more := [v for v in seen if not wanted[start(v)]]:
        return f"the version of {moment(more[0].valid_from)} should not be there"
    if any(a.valid_to and b.valid_to and b.valid_to < a.valid_to for a, b in zip(truth, seen, strict=False)):
        return "there is a gap: valid_to is the very moment at which the next version begins"
    return "the versions end at other times"


def start(version: Version) -> tuple[Any, ...]:
    """What a version says when it begins."""
    return version.city, version.segment, version.valid_from


def missing(lost: Version, truth: list[Version]) -> str:
    """Words for a version that is not there."""
    before = truth[: truth.index(lost)]
    what = f"the version of {moment(lost.valid_from)} is missing"
    if before and lost.city != before[-1].city and None in (lost.city, before[-1].city):
        return f"{what}: a city that becomes empty, or is filled again, is a change too (NULL <> 'x' is not true)"
    if (lost.city, lost.segment) in [(v.city, v.segment) for v in before]:
        return f"{what}: a change back to what was is a change"
    if any(v.valid_from and lost.valid_from and v.valid_from.date() == lost.valid_from.date() for v in truth if v != lost):
        return f"{what}: each of several changes on one day is a change"
    return what


def compare(played: Played, *kinds: str, why: str = "") -> int:
    """Compare the versions of the customers of some kinds after each night; returns how many versions there were at last."""
    count = 0
    for state in played.nights:
        truths = {who: vs for who, vs in played.story.versions(state.day).items() if played.story.kind[who] in kinds}
        for who, truth in truths.items():
            seen = [member.version for member in state.of.get(who, [])]
            if seen != truth:
                about = f"day {state.day}, versions of customer {who}"
                fail(expected=f"{about}: {told(truth)}", seen=f"{told(seen)}\n{cause(truth, seen)}{why}")
        count = sum(map(len, truths.values()))
    return count


# The checks


def test_builds(played):
    """`dbt build` ends well each night and leaves `dim_customer`, `dim_product` and `fct_orders` with their columns."""
    for state in played.nights:
        for name, rows in state.rows().items():
            expect(rows, expected=f"rows in {name} after day {state.day}", seen="it is empty")


def test_run_again(played):
    """A second build in the same night, with nothing new, changes nothing."""
    before, after = played.nights[-1].rows(), played.again.rows()
    for name in before:
        was, now = Counter(before[name]), Counter(after[name])
        gone, new = list((was - now).elements()), list((now - was).elements())
        example = f"{plain(gone[0])} became " if gone else ""
        seen = f"{len(new)} rows are new or other, {len(gone)} gone: {example}{plain(new[0]) if new else 'nothing'}"
        expect(not (new or gone), expected=f"{name} as after the first build of the night ({len(before[name])} rows)", seen=seen)


def plain(row: tuple[Any, ...]) -> str:
    """A row for a message."""
    return "(" + ", ".join(moment(value) if isinstance(value, datetime) else str(value) for value in row[:8]) + ")"


def test_whole_history(played):
    """Of each customer at most one version holds at any moment, and `is_current` is true for the one without an end."""
    for state in played.nights:
        expect(None not in state.of, expected="a customer_id in each row of dim_customer", seen="one that is empty")
        for who, rows in state.of.items():
            if who != UNKNOWN:
                look_at(rows, f"day {state.day}, customer {who}: ")


def look_at(rows: list[Member], about: str) -> None:
    """The versions of one customer, for themselves."""
    seen = told([row.version for row in rows])
    far = [row for row in rows if row.far]
    expect(not far, expected=f"{about}valid_to NULL while a version holds", seen=f"a day in the far future{seen}")
    for row in rows:
        end = row.valid_from is not None and (row.valid_to is None or row.valid_from < row.valid_to)
        expect(end, expected=f"{about}each version begins before it ends", seen=f"it does not:{seen}")
    current = [row for row in rows if row.valid_to is None]
    expect(len(current) <= 1, expected=f"{about}one version at most is current", seen=f"{len(current)} have no valid_to:{seen}")
    marked = [row for row in rows if bool(row.current) != (row.valid_to is None)]
    expect(not marked, expected=f"{about}is_current is true where valid_to is NULL, else false", seen=f"it is not:{seen}")
    for row, after in pairwise(rows):
        apart = row.valid_to is not None and row.valid_to <= after.valid_from
        expect(apart, expected=f"{about}versions that do not overlap", seen=f"two hold at {moment(after.valid_from)}:{seen}")


def test_versions(played, evidence):
    """Type 2: a change of city or segment begins a version at `changed_at` and ends the one before; what was stays as it was.

    A change back to a former value, one to or from an empty city, and a second one on the same day are changes like any other.
    """
    evidence.note(f"{compare(played, 'on_time', 'without_city', 'to_and_fro', 'busy_day')} versions after the last night")
    for state in played.nights:
        more = set(state.of) - set(played.story.versions(state.day)) - {UNKNOWN}
        expect(not more, expected="customers of the log alone, and the unknown one", seen=f"customer {sorted(more)[:3]}")


def test_only_changes(played):
    """A row of the log that changes neither city nor segment begins no version, nor does one that is delivered twice."""
    compare(played, "same_again")


def test_late_changes(played, evidence):
    """A change that is delivered late takes its place in time: `changed_at` counts, not `recorded_at`."""
    late = [row for row in played.story.changes if (row.recorded_at - row.changed_at).days]
    evidence.note(f"{len(late)} rows of the log came a day or more after they took effect")
    compare(played, "late_between", "late_same", "late_first", why=" (rows of the log came late)")


def test_left_and_back(played):
    """A deleted customer has no version from then on; their history stays. One who comes back gets a new version."""
    compare(played, "left", "back", why=" (they left, or left and came back)")


def test_names(played):
    """Type 1: every version of a customer has the newest name, the old ones too."""
    for state in played.nights:
        names, log = played.story.names(state.day), played.story.known(state.day)
        for row in state.members:
            if row.customer in names:
                about = f"day {state.day}, customer {row.customer}: the name {names[row.customer]!r} in all versions"
                seen = f"{row.name!r} in the version of {moment(row.valid_from)}"
                older = ", an older name" if row.name in [change.name for change in log[row.customer]] else ""
                expect(row.name == names[row.customer], expected=about, seen=f"{seen}{older}")


def test_keys(played):
    """`customer_key` is unique, and a version (customer and `valid_from`) keeps its key from build to build."""
    for state in played.nights:
        counts = Counter(row.key for row in state.members)
        key, most = counts.most_common(1)[0]
        expect(None not in counts, expected="a customer_key in each row", seen="one that is empty")
        if most > 1:
            fail(expected=f"day {state.day}: each customer_key once", seen=f"{key} {most} times{clash(state, key)}")
    for before, after in pairwise([*played.nights, played.again]):
        now = {(row.customer, row.valid_from): row.key for row in after.members}
        for row in before.members:
            key = now.get((row.customer, row.valid_from), row.key)
            about = f"customer {row.customer}, version of {moment(row.valid_from)}: the key of day {before.day}, {row.key}"
            seen = f"{key} after day {after.day}: facts and reports that hold the old key now mean somebody else"
            expect(key == row.key, expected=about, seen=seen)


def clash(state: State, key: str) -> str:
    """Which rows have the same key, two of them."""
    one, two = [row for row in state.members if row.key == key][:2]
    same = one.valid_from and two.valid_from and one.customer == two.customer and one.valid_from.date() == two.valid_from.date()
    return f": {told_member(one)}; {told_member(two)}{': both begin on one day' if same else ''}"


def test_orders(played, evidence):
    """`fct_orders` has each order once, with the key of the version that was in force when it was placed.

    Where none was, it points to the one member with `customer_id` -1.
    """
    for state in played.nights:
        unknown = state.of.get(UNKNOWN, [])
        expect(len(unknown) == 1, expected=f"one row of dim_customer with customer_id {UNKNOWN}", seen=f"{len(unknown)}")
        delivered = {order.order_id: order for order in played.story.orders if order.recorded_at < night(state.day)}
        count_orders(state, delivered)
        without = [judge_order(played, state, delivered[row[0]], row) for row in state.orders].count(True)
        evidence.note(f"day {state.day}: {len(delivered)} orders, {without} of nobody who was known then")


def count_orders(state: State, delivered: dict[int, Order]) -> None:
    """Each order once."""
    counts = Counter(row[0] for row in state.orders)
    lost = sorted(delivered.keys() - counts.keys())
    expect(not lost, expected=f"day {state.day}: all {len(delivered)} orders", seen=f"{len(lost)} are missing, such as {lost[:3]}")
    more = sorted(counts.keys() - delivered.keys(), key=str)
    expect(not more, expected="orders of the source alone", seen=f"others too: {more[:3]}")
    twice = [number for number, times in counts.items() if times > 1]
    example = (
        twice and f"{len(twice)} are there more than once, such as {twice[0]}, placed {moment(delivered[twice[0]].ordered_at)}"
    )
    expect(not twice, expected=f"day {state.day}: each order once", seen=f"{example} (does a version include its end?)")


def judge_order(played: Played, state: State, order: Order, row: tuple[Any, ...]) -> bool:
    """One order; returns whether it belongs to the unknown customer."""
    same = row[2:] == (order.product_id, order.ordered_at, order.amount)
    about = f"day {state.day}, order {order.order_id}"
    expect(same, expected=f"{about}: product_id, ordered_at and amount of the source", seen=plain(row))
    members = state.of.get(order.customer_id, [])
    holding = [member for member in members if member.holds(order.ordered_at)] or state.of[UNKNOWN]
    pointed = state.by_key.get(row[1])
    right = f"{told_member(holding[0])}{f' ({order.customer_id} was none)' if holding[0].customer == UNKNOWN else ''}"
    expected = f"{about}, placed {moment(order.ordered_at)}: {right}{near_end(holding[0], order)}"
    if pointed is None:
        fail(expected=expected, seen=f"the key {row[1]}, which dim_customer does not have")
    current = ", the current one, not the one in force then" if pointed.current and pointed.customer != UNKNOWN else ""
    if pointed.customer == UNKNOWN and members and not any(member.current for member in members):
        current = f": {order.customer_id} is gone now; what counts is the version in force then, not the current one"
    late = f", in force when the order was delivered, {moment(order.recorded_at)}" if pointed.holds(order.recorded_at) else ""
    expect(pointed.key == holding[0].key, expected=expected, seen=f"{told_member(pointed)}{current}{late}")
    return holding[0].customer == UNKNOWN


def told_member(member: Member) -> str:
    """A row of dim_customer in words."""
    known = f"customer {member.customer}, version of {moment(member.valid_from)}"
    return "the unknown customer" if member.customer == UNKNOWN else known


def near_end(member: Member, order: Order) -> str:
    """Words for an order in the last second of a version."""
    near = member.valid_to is not None and member.valid_to - order.ordered_at < timedelta(seconds=1)
    return f", in force until {moment(member.valid_to)}" if near else ""


def test_products(played):
    """Type 1: one row for each product that was ever seen, with the last name, price and category; no old rows."""
    for state in played.nights:
        truth = played.story.products(played.evenings(state))
        counts = Counter(row[0] for row in state.products)
        twice = [number for number, times in counts.items() if times > 1]
        rows = [plain(row) for row in state.products if twice and row[0] == twice[0]]
        expect(not twice, expected=f"day {state.day}: a row a product", seen=f"old rows are kept: {'; '.join(rows)}")
        lost = sorted(truth.keys() - counts.keys())
        gone = [number for number in lost if number not in played.story.shelves[state.day]]
        back = [number for number in lost if "back" in played.story.product_kind[number]]
        why = ", which have left the catalogue" if gone else ", which came back with an old updated_at" if back else ""
        seen = f"{lost[:3]} are missing{why}"
        expect(not lost, expected=f"day {state.day}: all {len(truth)} products", seen=seen)
        for number, *values in look_up(state, truth):
            product = truth[number]
            wanted = (product.name, product.price, product.category)
            expect(
                tuple(values[:3]) == wanted, expected=f"day {state.day}, product {number}: {wanted}", seen=plain(tuple(values[:3]))
            )


def look_up(state: State, truth: dict[int, Any]) -> Iterator[tuple[Any, ...]]:
    """The rows of the products, each of which the source must have."""
    for row in state.products:
        expect(row[0] in truth, expected="products of the source alone", seen=plain(row))
        yield row


def test_previous_category(played):
    """Type 3: `previous_category` is the category before the last change; NULL if it never changed.

    Nights without a change, changes of other columns, leaving the catalogue and coming back leave it as it is.
    """
    for state in played.nights:
        truth = played.story.previous(played.evenings(state))
        for row in state.products:
            number, category, previous = row[0], row[3], row[4]
            about = f"day {state.day}, product {number} ({category} now): previous_category {truth[number] or 'NULL'}"
            because = reason(played.story.product_kind[number], category, previous)
            expect(previous == truth[number], expected=about, seen=f"{previous or 'NULL'}{because}")


def reason(kind: str, category: str, previous: str | None) -> str:
    """Words for a previous category that is not right."""
    if previous is None:
        return ": it is forgotten"
    if previous == category:
        days = kind.replace("A", "category A").replace("B", "category B").replace("C", "category C")
        return f": the present one; a night, an update or a return without a change of category has overwritten it ({days})"
    return ""


if __name__ == "__main__":
    main(__file__)
