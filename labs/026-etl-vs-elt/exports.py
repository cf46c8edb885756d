"""Nightly exports of a shop, everything as text, and what the daily revenue must be: computed from the lines that were written."""

import csv
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

ORDERS = ("order_id", "customer_id", "ordered_at", "amount", "status", "updated_at")
CUSTOMERS = ("customer_id", "name", "country")
COUNTRIES = ("DE", "FR", "NL", "AT", "NA")  # the last is Namibia
BERLIN = "Europe/Berlin"
BIG = "70368744177664.01"  # a partner bills in rials; a double has no such number
OFFSETS = (0, 60, 120, -300, 540)  # minutes: how tills and web shops write their times
Row = dict[str, str]
Mart = dict[tuple[date, str], tuple[int, Decimal]]


@dataclass(frozen=True)
class Delivery:
    """What one night delivers: a folder with two files."""

    name: str
    orders: tuple[Row, ...]
    customers: tuple[Row, ...]

    def write(self, place: Path) -> Path:
        """Write the folder."""
        folder = place / self.name
        folder.mkdir(parents=True)
        for file, columns, rows in (("orders", ORDERS, self.orders), ("customers", CUSTOMERS, self.customers)):
            with (folder / f"{file}.csv").open("w", newline="", encoding="utf-8") as stream:
                writer = csv.DictWriter(stream, columns, lineterminator="\n")
                writer.writeheader()
                writer.writerows(rows)
        return folder


class Shop:
    """Three nights; the second one corrects the first, the third has a very large order."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ids = iter(self.chance.sample(range(10_000, 99_000), 4_000))
        self.people = [self.customer(COUNTRIES[n % 5]) for n in range(25)]
        self.awaited = [self.customer(self.chance.choice(COUNTRIES)) for _ in range(4)]
        self.single = self.customer("LU")
        self.first = self.first_night()
        self.second = self.second_night()
        self.third = self.third_night()

    def customer(self, country: str) -> Row:
        """Somebody; numbers have leading zeros."""
        first, last = (
            self.chance.choice(("Zoë", "Jörg", "Anaïs", "Max")),
            self.chance.choice(("Müller", "Dupont", "de Vries, jr.", "Null")),
        )
        return {"customer_id": f"{next(self.ids):08d}", "name": f'{last} "{first}"', "country": country}

    def order(self, at: datetime, customer: str, status: str = "") -> Row:
        """An order as it is exported."""
        zone = timezone(timedelta(minutes=self.chance.choice(OFFSETS)))
        drawn = self.chance.choices(("completed", "cancelled", "open"), (8, 1, 1))[0]
        changed = at + timedelta(minutes=self.chance.randint(1, 30))
        return {
            "order_id": f"{next(self.ids):07d}",
            "customer_id": customer,
            "ordered_at": at.astimezone(zone).isoformat(),
            "amount": f"{self.chance.randint(100, 90_000) / 100:.2f}",
            "status": status or drawn,
            "updated_at": changed.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    def somebody(self) -> str:
        """The customer that an order names: a known one, a guest, one who is delivered later, or one nobody knows."""
        kind = self.chance.choices(("known", "guest", "awaited", "nobody"), (16, 2, 1, 1))[0]
        known = self.chance.choice(self.people)["customer_id"]
        return {"known": known, "guest": "", "awaited": self.chance.choice(self.awaited)["customer_id"], "nobody": "99999999"}[kind]

    def times(self, begin: datetime, hours: int, count: int) -> list[datetime]:
        """Moments, many of them round midnight."""
        return [begin + timedelta(seconds=self.chance.randrange(hours * 3600)) for _ in range(count)]

    def first_night(self) -> Delivery:
        """Orders of three days over the change to summer time, with lines that are there twice or in two versions."""
        orders = [self.order(at, self.somebody()) for at in self.times(datetime(2025, 3, 28, 12, tzinfo=UTC), 56, 110)]
        midnights = [datetime(2025, 3, 28, 23, 30, tzinfo=UTC), datetime(2025, 3, 30, 22, 30, tzinfo=UTC)]
        orders += [self.order(at, person["customer_id"], "completed") for at in midnights for person in self.people[:5]]
        orders += [self.order(midnights[0], "", "completed"), self.order(midnights[0], self.awaited[0]["customer_id"], "completed")]
        orders.append(self.order(midnights[0] + timedelta(hours=9), self.single["customer_id"], "completed"))
        self.lonely = orders[-1]
        unusable = self.chance.sample(orders[:110], 4)
        versions = [self.version(row, -60) for row in self.chance.sample(orders[:110], 10) if row not in unusable]
        for row, amount in zip(unusable, ("n/a", "", "n/a", "-"), strict=True):
            row |= {"status": "completed", "amount": amount}
        versions += [self.version(row, -60) for row in unusable[:2]]  # that could be used, and is older
        lines = orders + versions + [dict(row) for row in self.chance.sample(orders, 6)]
        self.chance.shuffle(lines)
        self.before = orders[:110]
        return Delivery("2025-03-30", tuple(lines), tuple(self.listed(self.people, self.single)))

    def version(self, row: Row, minutes: int, **changes: str) -> Row:
        """Another version of an order, with another amount."""
        at = datetime.fromisoformat(row["updated_at"]) + timedelta(minutes=minutes, seconds=self.chance.randrange(50))
        amount = f"{self.chance.randint(100, 90_000) / 100:.2f}"
        return {**row, "amount": amount, "updated_at": at.strftime("%Y-%m-%dT%H:%M:%SZ"), **changes}

    def listed(self, *people: Iterable[Row] | Row) -> list[Row]:
        """The export of all customers, with one line without a number."""
        rows = [row for part in people for row in ([part] if isinstance(part, dict) else part)]
        rows.insert(len(rows) // 2, {"customer_id": "", "name": "test", "country": "DE"})
        return rows

    def second_night(self) -> Delivery:
        """New orders; corrections of the first night; versions that are older than what is known; customers who were awaited."""
        orders = [self.order(at, self.somebody()) for at in self.times(datetime(2025, 3, 30, 20, tzinfo=UTC), 26, 50)]
        changed = self.chance.sample(self.before, 24)
        later = [
            self.version(row, 1500, status=status) for row, status in zip(changed[:12], ["completed", "cancelled"] * 6, strict=True)
        ]
        stale = [self.version(row, -300, status="completed") for row in changed[12:]]
        lines = orders + later + stale + [self.version(self.lonely, 1500, status="cancelled")]
        self.chance.shuffle(lines)
        return Delivery("2025-03-31", tuple(lines), tuple(self.listed(self.people, self.awaited, self.single)))

    def third_night(self) -> Delivery:
        """A very large order among small ones."""
        at, who, other = datetime(2025, 4, 1, 9, tzinfo=UTC), self.people[0]["customer_id"], self.people[1]["customer_id"]
        orders = [self.order(at, other, "completed"), {**self.order(at, who, "completed"), "amount": BIG}]
        return Delivery("2025-04-01", tuple(orders), tuple(self.listed(self.people, self.awaited, self.single)))


def in_zone(zone: str) -> Callable[[str], date]:
    """The day on which something happened, by the clocks of a zone."""
    return lambda text: datetime.fromisoformat(text).astimezone(ZoneInfo(zone)).date()


def tagged(deliveries: Sequence[Delivery]) -> list[Row]:
    """All lines, each with the place of its delivery."""
    return [{**row, "in": str(place)} for place, delivery in enumerate(deliveries) for row in delivery.orders]


def newest(deliveries: Sequence[Delivery]) -> list[Row]:
    """The newest version of each order."""
    return list({row["order_id"]: row for row in sorted(tagged(deliveries), key=lambda row: row["updated_at"])}.values())


def newest_usable(deliveries: Sequence[Delivery]) -> list[Row]:
    """The mistake: lines that are of no use are left out first, and an older version counts in their place."""
    rows = sorted(tagged(deliveries), key=lambda row: row["updated_at"])
    return list({row["order_id"]: row for row in rows if row["amount"][:1].isdigit()}.values())


def every_line(deliveries: Sequence[Delivery]) -> list[Row]:
    """The mistake: each line is an order."""
    return tagged(deliveries)


def first_come(deliveries: Sequence[Delivery]) -> list[Row]:
    """The mistake: the version that was delivered first."""
    return list({row["order_id"]: row for row in reversed(tagged(deliveries))}.values())


def last_come(deliveries: Sequence[Delivery]) -> list[Row]:
    """The mistake: the version that was delivered last, though it may be older."""
    return list({row["order_id"]: row for row in tagged(deliveries)}.values())


def of_first_delivery(deliveries: Sequence[Delivery]) -> list[Row]:
    """The mistake: what a later delivery says of a known order is ignored."""
    return list({row["order_id"]: row for delivery in reversed(deliveries) for row in newest([delivery])}.values())


def of_last_delivery(deliveries: Sequence[Delivery]) -> list[Row]:
    """The mistake: what a later delivery says of a known order replaces it, though it may be older."""
    return list({row["order_id"]: row for delivery in deliveries for row in newest([delivery])}.values())


def mart(
    deliveries: Sequence[Delivery],
    day: Callable[[str], date] | None = None,
    versions: Callable[[Sequence[Delivery]], list[Row]] = newest,
    frozen: bool = False,
    nameless: str = "unknown",
) -> Mart:
    """Completed orders with an amount, by day and country; the other arguments make the marts of known mistakes."""
    day = day or in_zone(BERLIN)
    lists = [{row["customer_id"]: row["country"] for row in delivery.customers} | {"": nameless} for delivery in deliveries]
    everybody = {customer: country for known in lists for customer, country in known.items()}
    found: Mart = {}
    for row in versions(deliveries):
        if row["status"] == "completed" and row["amount"][:1].isdigit():
            countries = lists[int(row["in"])] if frozen else everybody
            key = (day(row["ordered_at"]), countries.get(row["customer_id"], "unknown"))
            orders, revenue = found.get(key, (0, Decimal(0)))
            found[key] = (orders + 1, revenue + Decimal(row["amount"]))
    return found
