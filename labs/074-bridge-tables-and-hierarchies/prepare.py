"""Areas of any depth with shops at any of them, and accounts that several customers hold; and what is true of them.

A learner's own server has the areas of the retail data set (at most five levels, and a web shop of its own). A verification has
a forest that is made anew, more than a hundred levels deep, in which area numbers say nothing about who is above whom.
"""

import copy
import random
from collections import Counter, defaultdict
from decimal import Decimal

from psycopg2.extras import execute_values

from delab.course import LIVE_SEED
from delab.data import dataset
from delab.services.postgres import connect

UNKNOWN = -1
DEEP = 120  # levels of the branch that no number of joins, and no round bound, reaches
TABLES = """
CREATE SCHEMA raw;
CREATE TABLE raw.areas (area_id bigint, parent_id bigint, name text);
CREATE TABLE raw.stores (store_id bigint PRIMARY KEY, area_id bigint, name text);
CREATE TABLE raw.accounts (account_id bigint PRIMARY KEY, opened_on date);
CREATE TABLE raw.account_holders (account_id bigint, customer_id bigint, share numeric(9, 2));
CREATE TABLE raw.sales (
  sale_id bigint PRIMARY KEY, store_id bigint, account_id bigint, sold_at timestamptz, amount numeric(14, 2));
"""
Pairs = dict[tuple[int, int], int]


class Company:
    """Areas (number: parent), shops (number: area), accounts (number: customers with their shares), sales."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.names: dict[int, str] = {}
        self.areas: dict[int, int | None] = {}
        if seed == LIVE_SEED:
            self.real_areas()
        else:
            self.grow()
        self.stores = {number: self.chance.choice(sorted(self.areas)) for number in range(1, 61)}
        self.stores |= {number + 61: area for number, area in enumerate(self.inner()[:4])}  # shops in the middle of the tree too
        self.holders: dict[int, dict[int, Decimal | None]] = {number: self.people() for number in range(1, 51)}
        for number in (7, 21, 40):
            self.holders[number] = {}
        self.sold_on = sorted(self.holders)
        self.holders[51] = {901: None, 902: None}  # nothing is sold to them
        self.holders[52] = dict.fromkeys(range(911, 917))  # a sixth each: six decimals add up to 1.000002
        self.sales: list[tuple[int, int, int | None, str, Decimal]] = []
        self.sell(500)

    # Areas

    def real_areas(self) -> None:
        """The areas of the retail data set, and one that stands alone."""
        recipe = dataset("retail").recipe(1, LIVE_SEED)
        for row in dataset("retail").clean("areas", recipe, 0, dataset("retail").units("areas", recipe)).to_pylist():
            self.areas[row["area_id"]], self.names[row["area_id"]] = row["parent_id"], row["name"]
        alone = max(self.areas) + 1
        self.areas[alone], self.names[alone] = None, "Online"

    def grow(self) -> None:
        """Three trees, one of them a single area, one with a branch of very many levels; numbers are drawn."""
        numbers = self.chance.sample(range(100, 999), 70 + DEEP)
        self.areas = {numbers[0]: None, numbers[1]: None, numbers[2]: None}
        deep = numbers[0]
        for number in numbers[3:13]:
            self.areas[number], deep = deep, number
        for number in numbers[13:70]:
            self.areas[number] = self.chance.choice([area for area in self.areas if area != numbers[2]])
        for number in numbers[70:]:
            self.areas[number], deep = deep, number
        self.names = {number: f"Area {number}" for number in numbers}

    def children(self) -> dict[int, list[int]]:
        """By area: those directly below."""
        found = defaultdict(list)
        for area, parent in self.areas.items():
            if parent is not None:
                found[parent].append(area)
        return found

    def inner(self) -> list[int]:
        """Areas with an area above and two levels below, the ones with most below first."""
        below = Counter(up for (up, _), depth in self.pairs().items() if depth > 1)
        return sorted((area for area in self.areas if below[area] and self.areas[area] is not None), key=lambda area: -below[area])

    def pairs(self) -> Pairs:
        """By (ancestor, area): how many steps lie between; 0 for an area and itself."""
        found = {}
        for area in self.areas:
            above: int | None = area
            depth = 0
            while above is not None:
                found[above, area] = depth
                above, depth = self.areas[above], depth + 1
        return found

    def tops(self) -> set[int]:
        """Areas with nothing above."""
        return {area for area, parent in self.areas.items() if parent is None}

    def bottoms(self) -> set[int]:
        """Areas with nothing below."""
        return set(self.areas) - set(self.children())

    # Accounts and sales

    def people(self) -> dict[int, Decimal | None]:
        """One to five holders: all with shares, or all without."""
        who = self.chance.sample(range(1, 91), self.chance.choice((1, 2, 2, 3, 3, 5)))
        if self.chance.random() < 0.4:
            return dict.fromkeys(who)
        return {customer: Decimal(self.chance.choice((1, 1, 2, 3, 7, 50))) for customer in who}

    def sell(self, count: int) -> None:
        """More sales; one in ten to nobody's account, and one in ten just as the one before."""
        for number in range(len(self.sales) + 1, len(self.sales) + count + 1):
            if number % 10 == 0:
                self.sales.append((number, *self.sales[-1][1:]))
                continue
            account = self.chance.choice(self.sold_on) if self.chance.random() < 0.9 else None
            day = f"2025-{self.chance.randint(1, 9):02}-{self.chance.randint(1, 28):02} 12:00+00"
            store = self.chance.choice(sorted(self.stores)[:-12] + sorted(self.stores)[-4:])  # some shops sell nothing
            self.sales.append((number, store, account, day, Decimal(self.chance.randint(100, 99_999)) / 100))

    # What is true

    def area_sales(self) -> dict[int, Decimal]:
        """By area: what was sold there and anywhere below."""
        own: dict[int, Decimal] = defaultdict(Decimal)
        for _, store, _, _, amount in self.sales:
            own[self.stores[store]] += amount
        found = dict.fromkeys(self.areas, Decimal(0))
        for ancestor, area in self.pairs():
            found[ancestor] += own[area]
        return found

    def weights(self) -> dict[tuple[int, int], float]:
        """By (account, customer): the part of the account that is theirs."""
        found = {}
        for account, holders in self.holders.items():
            total = sum(share for share in holders.values() if share is not None)
            for customer, share in holders.items():
                found[account, customer] = float(share / total) if share is not None else 1 / len(holders)
            if not holders:
                found[account, UNKNOWN] = 1.0
        return found

    def customer_sales(self) -> dict[int, tuple[float, float]]:
        """By customer: their part of what was sold, and all of what was sold on accounts that they hold."""
        weights = self.weights()
        of: dict[int | None, list[tuple[int, float]]] = defaultdict(list)
        for (account, customer), weight in weights.items():
            of[account].append((customer, weight))
        found = {customer: (0.0, 0.0) for _, customer in [*weights, (0, UNKNOWN)]}
        for _, _, account, _, amount in self.sales:
            for customer, weight in of[account] if account is not None else [(UNKNOWN, 1.0)]:
                part, full = found.get(customer, (0.0, 0.0))
                found[customer] = part + float(amount) * weight, full + float(amount)
        return found

    # What happens

    def early(self) -> "Company":
        """As it was in its first days: each account had a holder, each sale an account, and nobody was unknown."""
        early = copy.copy(self)
        early.holders = {account: people for account, people in self.holders.items() if people}
        early.sales = [sale for sale in self.sales if sale[2] in early.holders]
        return early

    def reorganise(self) -> int:
        """A branch moves, a tree goes under another, one becomes a tree, an area changes places with the one above it.

        Areas and holders come and go. Returns the branch.
        """
        tops, pairs = sorted(self.tops()), self.pairs()
        places = set(self.areas) - set(tops)
        free = {area: [to for to in sorted(places) if (area, to) not in pairs and to != self.areas[area]] for area in self.inner()}
        branch = next(area for area in free if len(free[area]) > 3)
        self.areas[branch] = self.chance.choice(free[branch])
        pairs = self.pairs()
        self.areas[tops[-1]] = next(area for area in sorted(self.areas) if (tops[-1], area) not in pairs)
        self.areas[next(area for area in self.inner() if area not in (branch, *tops))] = None
        self.swap(next(area for area in reversed(self.inner()) if area not in (branch, *tops)))
        self.areas[5001], self.names[5001] = min(self.bottoms()), "New"
        for empty in [area for area in sorted(self.bottoms()) if area not in self.stores.values() and area != 5001][:1]:
            del self.areas[empty]
        for number in (3, 4, 5):
            self.holders[number] = self.people()
        self.holders[7], self.holders[8] = self.people(), {}
        self.sell(50)
        return branch

    def swap(self, area: int) -> None:
        """An area with something below changes places with one of those directly below it."""
        below = min(self.children()[area])
        self.areas[below], self.areas[area] = self.areas[area], below

    def fault(self, parents: dict[int, int]) -> "Company":
        """The company with a mistake in its areas; the same delivery brings other holders of some accounts."""
        wrong = copy.copy(self)
        wrong.areas = {**self.areas, **parents}
        wrong.holders = {**self.holders, 10: {903: None}, 11: {}, 12: {904: Decimal(1), 905: Decimal(3)}}
        return wrong

    def round_trip(self) -> dict[int, int]:
        """Two moves that together put an area above itself: each of two goes under the deepest area below the other."""
        inner, pairs = self.inner(), self.pairs()
        apart = ((one, two) for one in inner for two in inner if (one, two) not in pairs and (two, one) not in pairs)
        one, two = next(apart)
        return {one: self.deepest_below(two), two: self.deepest_below(one)}

    def deepest_below(self, area: int) -> int:
        """The area that lies most steps below."""
        return max((depth, down) for (up, down), depth in self.pairs().items() if up == area)[1]

    # Into the raw tables

    def load(self, cursor) -> None:
        """All rows as they are now; some holders are delivered twice."""
        cursor.execute("TRUNCATE raw.areas, raw.stores, raw.accounts, raw.account_holders, raw.sales")
        insert(cursor, "areas", [(area, parent, self.names[area]) for area, parent in self.areas.items()])
        insert(cursor, "stores", [(store, area, f"Shop {store}") for store, area in self.stores.items()])
        insert(cursor, "accounts", [(account, "2024-01-01") for account in self.holders])
        rows = [(account, who, share) for account, holders in self.holders.items() for who, share in holders.items()]
        insert(cursor, "account_holders", [*rows, *rows[3:60:4]])
        insert(cursor, "sales", self.sales)


def insert(cursor, table: str, rows: list) -> None:
    """Rows into a raw table."""
    execute_values(cursor, f"INSERT INTO raw.{table} VALUES %s", rows, page_size=1000)


def prepare(stack, seed):
    """Load the company."""
    with connect(stack["primary"].endpoint, seconds=60) as session, session.cursor() as cursor:
        cursor.execute(TABLES)
        Company(seed).load(cursor)
