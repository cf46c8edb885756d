"""Checks of lab 74: a bridge for a hierarchy of any depth, one for shared accounts, and totals that are not doubled."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from building import STATEMENT, Refusal, Rows, built, mended, refused
from prepare import UNKNOWN, Company

from delab import wait
from delab.checks import Database, expect, fail, main
from delab.checks.dbt import SPILLED, Project
from delab.services.postgres import connect

CENT = 0.0051
WEIGHT = 0.0000011  # by which a weight may be off, and the sum of an account's
EXACT = 0.00001  # of an amount that is not to be rounded: sums of floating numbers depend on their order


@dataclass(frozen=True)
class Truth:
    """What is true of the raw tables at one time."""

    pairs: Mapping[tuple[int, int], int]
    parents: Mapping[int, int | None]
    tops: set[int]
    bottoms: set[int]
    area_sales: Mapping[int, Any]
    weights: Mapping[tuple[int, int], float]
    customer_sales: Mapping[int, tuple[float, float]]
    sold_on: Mapping[int | None, float]
    sold: float

    @property
    def deepest(self) -> int:
        """How many levels the deepest branch has."""
        return max(self.pairs.values()) + 1


@dataclass(frozen=True)
class Played:
    """What was true and what was built: after the reorganisation, with each of the cycles, after they were mended."""

    first: Truth
    second: Truth
    second_rows: Rows
    branch: int
    cycles: list[Refusal]
    mended_rows: Rows | str  # or why there are none


def truth_of(company: Company) -> Truth:
    """The truth of now."""
    sold_on: defaultdict[int | None, float] = defaultdict(float)
    for _, _, account, _, amount in company.sales:
        sold_on[account] += float(amount)
    return Truth(
        company.pairs(),
        dict(company.areas),
        company.tops(),
        company.bottoms(),
        company.area_sales(),
        company.weights(),
        company.customer_sales(),
        sold_on,
        sum(sold_on.values()),
    )


@pytest.fixture(scope="module")
def project(stack, dbt) -> Project:
    """The project, with a bound on each statement: recursion that does not end is ended by the server."""
    return dbt.on(stack["primary"], PGOPTIONS=f"-c statement_timeout={int(STATEMENT * wait.scale())} {SPILLED}")


@pytest.fixture(scope="module")
def truth(seed) -> Truth:
    """What is true at first."""
    return truth_of(Company(seed))


@pytest.fixture(scope="module")
def early(seed, stack, project) -> tuple[Truth, Rows]:
    """A build of the first days, when nobody was unknown; then the source is as it is at first."""
    company = Company(seed)
    with connect(stack["primary"].endpoint, seconds=60) as session, session.cursor() as cursor:
        company.early().load(cursor)
        rows = built(project, "`dbt build` ends well, also when each sale has an account and each account a holder")
        company.load(cursor)
    return truth_of(company.early()), rows


@pytest.fixture(scope="module")
def first(project, early) -> Rows:
    """The first build."""
    return built(project, "`dbt build` ends well")


@pytest.fixture(scope="module")
def played(seed, stack, project, first) -> Played:
    """Builds after a reorganisation, with two cycles, and when they are mended."""
    company = Company(seed)
    before = truth_of(company)
    with connect(stack["primary"].endpoint, seconds=60) as session, session.cursor() as cursor:
        branch = company.reorganise()
        company.load(cursor)
        after, second_rows = truth_of(company), built(project, "`dbt build` ends well after the areas were reorganised")
        cycles = []
        for fault, parents in faults(company):
            company.fault(parents).load(cursor)
            see_cycle(Database(stack["primary"]), *next(iter(parents.items())))
            cycles.append(refused(project, fault))
            if not cycles[-1].how or cycles[-1].endless:
                break
        company.load(cursor)
    return Played(before, after, second_rows, branch, cycles, mended(project))


def faults(company: Company) -> Iterator[tuple[str, dict[int, int]]]:
    """The cycles, in words and as wrong parents."""
    around = company.round_trip()
    (one, under_two), (two, under_one) = around.items()
    moved = f"area {one} has moved below area {under_two}, far below area {two}, which has moved below area {under_one}"
    yield f"{moved}, far below area {one}", around
    yield f"area {one} has become its own parent", {one: one}


def see_cycle(database: Database, area: int, parent: int) -> None:
    """The fault has taken hold: from the area's parent one comes up to the area itself."""
    up = """
    WITH RECURSIVE up (area) AS (
      SELECT %s::bigint UNION SELECT areas.parent_id FROM up JOIN raw.areas ON areas.area_id = up.area WHERE parent_id IS NOT NULL)
    SELECT count(*) FROM up WHERE area = %s
    """
    assert database.value(up, parent, area) == 1, f"no cycle through area {area}"


# The checks


def test_builds(first):
    """`dbt build` ends well and leaves the two bridges and the two reports with their columns."""
    for name, rows in first.items():
        expect(rows, expected=f"rows in {name}", seen="it is empty")


def test_every_pair(first, truth, evidence):
    """`bridge_area` has a row for each area with itself and with every area above it, however many there are, and no other."""
    evidence.note(f"{len(truth.parents)} areas, {truth.deepest} levels, {len(truth.tops)} tops, {len(truth.pairs)} pairs")
    compare_pairs(truth, first["bridge_area"], "")


def compare_pairs(truth: Truth, rows: list[tuple[Any, ...]], about: str) -> None:
    """The pairs of the bridge, each once."""
    counts = Counter((row[0], row[1]) for row in rows)
    lost = sorted(truth.pairs.keys() - counts.keys(), key=lambda pair: (truth.pairs[pair], pair))
    if lost:
        depth = truth.pairs[lost[0]]
        what = "an area and itself (depth 0)" if depth == 0 else f"area {lost[0][1]} with area {lost[0][0]}, {depth} steps above"
        deep = f"; all that are missing lie {depth} or more steps apart" if depth > 1 else ""
        tops = f"; the tree has {truth.deepest} levels" if deep else ""
        fail(expected=f"{about}{len(truth.pairs)} pairs, {what} among them", seen=f"{len(lost)} are missing{deep}{tops}")
    more = sorted(counts.keys() - truth.pairs.keys(), key=str)
    seen = f"{len(more)} more, such as ancestor {more[0][0]}, area {more[0][1]}" if more else ""
    expect(not more, expected=f"{about}only pairs in which the ancestor is above the area, or is the area", seen=seen)
    twice = [pair for pair, times in counts.items() if times > 1]
    expect(not twice, expected=f"{about}each pair once", seen=f"{len(twice)} more than once, such as {twice[:1]}: sums are doubled")


def test_depth(first, truth):
    """`depth` is the number of steps from the ancestor down to the area: 0 for itself, 1 for its parent."""
    compare_depth(truth, first["bridge_area"], "")


def compare_depth(truth: Truth, rows: list[tuple[Any, ...]], about: str) -> None:
    """The depths of the pairs."""
    levels = Counter(area for _, area in truth.pairs)  # each area has one ancestor a level, itself among them
    for ancestor, area, depth, *_ in rows:
        right = truth.pairs[ancestor, area]
        level = ", the area's level below the top" if depth in (levels[area] - 1, levels[area]) else ""
        expected = f"{about}area {area} lies {right} steps below area {ancestor}"
        expect(depth == right, expected=expected, seen=f"depth {depth}{level if ancestor not in truth.tops else ''}")


def test_ends(first, truth):
    """`is_top`: nothing lies above the ancestor; `is_bottom`: nothing lies below the area. They do not depend on a level."""
    compare_ends(truth, first["bridge_area"], "")


def compare_ends(truth: Truth, rows: list[tuple[Any, ...]], about: str) -> None:
    """The flags of the pairs."""
    for ancestor, area, depth, top, bottom in rows:
        row = f"{about}ancestor {ancestor}, area {area}, depth {depth}: "
        expect(top == (ancestor in truth.tops), expected=f"{row}is_top {ancestor in truth.tops}", seen=f"is_top {top}")
        right = area in truth.bottoms
        expect(bottom == right, expected=f"{row}is_bottom {right} (areas end at many levels)", seen=f"is_bottom {bottom}")


def test_area_sales(first, truth, evidence):
    """`area_sales` has each area with what was sold there and anywhere below, 0 if nothing; the tops add up to all sales."""
    evidence.note(f"sold: {truth.sold:,.2f}")
    compare_area_sales(truth, first["area_sales"], "")


def compare_area_sales(truth: Truth, rows: list[tuple[Any, ...]], about: str) -> None:
    """The report by area."""
    found = keyed(rows, "area_sales")
    lost = sorted(truth.area_sales.keys() - found.keys())
    none = [area for area in lost if not truth.area_sales[area]]
    seen = f"{len(lost)} areas are missing, such as {lost[:2]}{' (nothing was sold there)' if none else ''}"
    expect(not lost, expected=f"{about}all {len(truth.area_sales)} areas", seen=seen)
    more = sorted(found.keys() - truth.area_sales.keys(), key=str)
    expect(not more, expected=f"{about}areas of the source alone", seen=f"{more[:3]} too")
    for area, (amount,) in found.items():
        expect(amount is not None, expected=f"{about}area {area}: {truth.area_sales[area]:,.2f}", seen="NULL, which is no number")
    total = sum(float(found[top][0]) for top in truth.tops)
    wrong = [area for area in sorted(found) if abs(float(found[area][0]) - float(truth.area_sales[area])) > CENT]
    if wrong:
        area = max(wrong, key=lambda number: abs(float(found[number][0]) - float(truth.area_sales[number])))
        less = "less: some sales meet no area, or equal ones are taken for one"
        kind = "doubled: a sale meets an area more than once" if total > truth.sold + CENT else less
        whole = f" (the tops add up to {total:,.2f} of {truth.sold:,.2f}: {kind})" if abs(total - truth.sold) > CENT else ""
        seen = f"{float(found[area][0]):,.2f}{whole}"
        fail(expected=f"{about}area {area}: {truth.area_sales[area]:,.2f}", seen=seen)


def keyed(rows: list[tuple[Any, ...]], name: str) -> dict[Any, tuple[Any, ...]]:
    """Rows by their first column, which each has alone."""
    twice = [key for key, times in Counter(row[0] for row in rows).items() if times > 1]
    expect(not twice, expected=f"{name} has one row for each {name.split('_')[0]}", seen=f"several for {twice[:3]}")
    return {row[0]: row[1:] for row in rows}


def test_weights(first, truth):
    """`bridge_account_customer` has each account's holders once, with the part that is theirs; the parts add up to 1.

    Without shares all have the same part; an account that nobody holds belongs to customer -1.
    """
    compare_weights(truth, first["bridge_account_customer"], "")


def compare_weights(truth: Truth, rows: list[tuple[Any, ...]], about: str) -> None:
    """The bridge of accounts and customers."""
    counts = Counter((row[0], row[1]) for row in rows)
    lost, more = sorted(truth.weights.keys() - counts.keys()), sorted(counts.keys() - truth.weights.keys(), key=str)
    nobody = [pair for pair in lost if pair[1] == UNKNOWN]
    held = f", such as account {(nobody or lost)[0][0]}{', which nobody holds' if nobody else ''}" if lost else ""
    expect(not lost, expected=f"{about}all {len(truth.weights)} pairs of account and holder", seen=f"{len(lost)} are missing{held}")
    expect(not more, expected=f"{about}only accounts with their holders", seen=f"others too: {more[:2]}")
    twice = [pair for pair, times in counts.items() if times > 1]
    expect(
        not twice,
        expected=f"{about}each holder once",
        seen=f"account and customer {twice[:1]} twice: delivered twice, counted twice",
    )
    sums: Counter[int] = Counter()
    for account, customer, weight in rows:
        expect(weight is not None, expected=f"{about}a weight in each row", seen=f"none for account {account}, customer {customer}")
        sums[account] += float(weight)
    for account, customer, weight in sorted(rows, key=lambda row: -abs(sums[row[0]] - 1)):  # first an account that does not add up
        right, whole = truth.weights[account, customer], sums[account]
        off = f"; the weights of the account add up to {whole:.6f}" if abs(whole - 1) > WEIGHT else ""
        expected = f"{about}account {account}, customer {customer}: weight {right:.6f}"
        expect(abs(float(weight) - right) <= WEIGHT and not off, expected=expected, seen=f"{float(weight):.6f}{off}")


def test_customer_sales(first, truth, early, evidence):
    """`customer_sales`: `amount_weighted` adds up to all sales; `amount_full` is all of what was sold on accounts they hold.

    Sales without an account, or on one that nobody holds, are customer -1's, who is there also when there are none.
    A customer of the bridge without sales has 0. Nothing is rounded.
    """
    full = sum(full for _, full in truth.customer_sales.values())
    evidence.note(f"sold: {truth.sold:,.2f}; amount_full adds up to {full:,.2f}: it answers another question")
    compare_customer_sales(truth, first, "")
    compare_customer_sales(*early, "in the first days, when each account had a holder: ")


def compare_customer_sales(truth: Truth, rows: Rows, about: str) -> None:
    """The report by customer."""
    found = keyed(rows["customer_sales"], "customer_sales")
    lost = sorted(truth.customer_sales.keys() - found.keys())
    seen = f"{len(lost)} are missing, such as {lost[:2]}"
    expect(not lost, expected=f"{about}all {len(truth.customer_sales)} customers, -1 among them", seen=seen)
    more = sorted(found.keys() - truth.customer_sales.keys(), key=str)
    expect(not more, expected=f"{about}customers of the bridge alone", seen=f"{more[:3]} too")
    for customer, amounts in found.items():
        right = truth.customer_sales[customer]
        expected = f"{about}customer {customer}: {right[0]:,.2f} weighted and {right[1]:,.2f} in full"
        expect(None not in amounts, expected=expected, seen="NULL, which is no number")
    total = sum(float(weighted) for weighted, _ in found.values())
    seen = f"{total:,.2f}: {'sales are counted for each holder' if total > truth.sold else 'sales are lost'}"
    whole = f"{about}amount_weighted adds up to {truth.sold:,.2f}"
    expect(abs(total - truth.sold) <= 1, expected=whole, seen=seen)  # what is off by less is rounded: the rows show it
    by_their_bridge = weighted_by(rows["bridge_account_customer"], truth)
    for customer, (weighted, full) in found.items():
        right = truth.customer_sales[customer]
        near = min(abs(float(weighted) - amount) for amount in (right[0], by_their_bridge[customer]))
        rounded = ": it is rounded" if near <= CENT else ""
        expected = f"{about}customer {customer}: amount_weighted {right[0]:,.6f}"
        expect(near <= EXACT, expected=expected, seen=f"{float(weighted):,.6f}{rounded}")
        expected = f"{about}customer {customer}: amount_full {right[1]:,.2f}"
        expect(abs(float(full) - right[1]) <= CENT, expected=expected, seen=f"{float(full):,.2f}")


def weighted_by(bridge: list[tuple[Any, ...]], truth: Truth) -> Mapping[int, float]:
    """By customer, their part of the sales by the weights of the bridge, which may be off a little."""
    found = defaultdict(float, {UNKNOWN: truth.sold_on[None]})
    for account, customer, weight in bridge:
        found[customer] += float(weight or 0) * truth.sold_on[account]
    return found


def test_reorganised(played, evidence):
    """After areas have moved, come and gone, and holders have changed, the next build has what is true now, and nothing else."""
    truth, rows = played.second, played.second_rows
    evidence.note(f"area {played.branch} has moved with all below; there are {len(truth.tops)} tops and {truth.deepest} levels now")
    about = f"after area {played.branch} and others have moved: "
    old = {(row[0], row[1]) for row in rows["bridge_area"]} & (played.first.pairs.keys() - truth.pairs.keys())
    example = sorted(old)[:1]
    expect(not old, expected=f"{about}pairs of now alone", seen=f"{len(old)} pairs of before are still there, such as {example}")
    compare_pairs(truth, rows["bridge_area"], about)
    compare_depth(truth, rows["bridge_area"], about)
    compare_ends(truth, rows["bridge_area"], about)
    compare_area_sales(truth, rows["area_sales"], about)
    compare_weights(truth, rows["bridge_account_customer"], "after holders have changed: ")
    compare_customer_sales(truth, rows, "after holders have changed: ")


def test_cycle_refused(played, evidence):
    """If an area lies, over others, above itself, or is its own parent, `dbt build` fails by a test or an error of your own.

    The four tables stay as they were before, also that of the holders, of whom some have changed.
    """
    for cycle in played.cycles:
        judge_cycle(cycle, played.second_rows)
        evidence.note(f"refused: {cycle.how.splitlines()[0]}")


def judge_cycle(cycle: Refusal, before: Rows) -> None:
    """One cycle: the build ended by itself, and badly; the tables are as they were."""
    expected = f"`dbt build` fails, and says why: {cycle.fault}"
    if not cycle.how:
        fewer = len(cycle.rows["bridge_area"]) < len(before["bridge_area"])
        seen = "it ended well: what lies in the cycle is lost without a word" if fewer else "it ended well, as if nothing were"
        fail(expected=expected, seen=seen)
    expect(not cycle.endless, expected=expected, seen=f"it went round and round until something stopped it: {cycle.how}")
    for name, rows in before.items():
        about, now = f"when {cycle.fault}: {name} as it was before the build that failed ({len(rows)} rows)", cycle.rows[name]
        if isinstance(now, str):
            fail(
                expected=about,
                seen=f"{now} (a view keeps no rows: it shows what is above whom now, and goes with what it is made from)",
            )
        new = list((Counter(now) - Counter(rows)).elements())
        seen = f"{len(now)} rows, {len(new)} new or other, such as {tuple(map(str, new[0])) if new else None}"
        expect(now == rows, expected=about, seen=f"{seen}: it was built first and judged after, or not judged, or is a view")


def test_mended(played):
    """When the cycle is mended, the next build has the rows of before: building again changes nothing."""
    if isinstance(played.mended_rows, str):
        fail(expected="`dbt build` ends well when the cycle is mended", seen=played.mended_rows)
    for name, rows in played.second_rows.items():
        now = played.mended_rows[name]
        more = len((Counter(now) - Counter(rows)).keys())
        seen = f"{len(now)} rows, {more} of them new or other"
        expect(Counter(now) == Counter(rows), expected=f"{name} as before the cycle ({len(rows)} rows)", seen=seen)


if __name__ == "__main__":
    main(__file__)
