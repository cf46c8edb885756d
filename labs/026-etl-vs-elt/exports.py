"""Nightly exports of a shop, everything as text."""

import csv
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

ORDERS = ("order_id", "customer_id", "ordered_at", "amount", "status", "updated_at")
CUSTOMERS = ("customer_id", "name", "country")
COUNTRIES = ("DE", "FR", "NL", "AT", "NA")  # the last is Namibia
NUMBERS = ("0.00", "-12.50", "40", "7.5")  # amounts that are rare: nothing to pay, a refund, less than two decimals
NO_NUMBERS = ("free", " ", "n/a ")
BIG = "70368744177664.01"  # a partner bills in rials; a double has no such number
OFFSETS = (0, 60, 120, -300, 540)  # minutes: how tills and web shops write their times
# Orders that are months old and come late, near midnight in Berlin: who counts the hours by hand, or knows one change of the
# clocks only, gets the day of one of them wrong.
OLD = tuple(
    datetime(*day, hour, 30, tzinfo=UTC)
    for day in ((2024, 3, 30), (2024, 7, 15), (2024, 10, 26), (2024, 10, 28), (2024, 12, 10), (2025, 1, 20))
    for hour in (21, 22, 23)
)
Row = dict[str, str]


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
    """The nights. The second one corrects the first; between them are one without orders and one that is delivered too late."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.ids = iter(self.chance.sample(range(10_000, 99_000), 4_000))
        self.people = [self.customer(COUNTRIES[n % 5]) for n in range(25)]
        self.people[3]["name"], self.people[4]["name"] = " Ada", "Piet  "  # as somebody typed them
        self.awaited = [self.customer(self.chance.choice(COUNTRIES)) for _ in range(4)]
        self.single = self.customer("LU")
        self.first = self.first_night()
        self.quiet = Delivery("2025-04-01", (), self.list_of(2))
        self.second = self.second_night()
        self.late = self.late_night()
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
        orders += [*self.old_orders(), *self.rare_amounts(), *self.corrected_later()]
        unusable = self.chance.sample(orders[:110], 4)
        versions = [self.version(row, -60) for row in self.chance.sample(orders[:110], 10) if row not in unusable]
        for row, amount in zip(unusable, ("n/a", "", "n/a", "-"), strict=True):
            row |= {"status": "completed", "amount": amount}
        versions += [self.version(row, -60) for row in unusable[:2]]  # that could be used, and is older
        lines = orders + versions + [dict(row) for row in self.chance.sample(orders, 6)]
        self.chance.shuffle(lines)
        self.before = orders[:110]
        return Delivery("2025-03-31", tuple(lines), self.list_of(0))

    def old_orders(self) -> Iterator[Row]:
        """Orders of last year's summer and winter, completed only now."""
        for place, at in enumerate(OLD):
            yield {
                **self.order(at, self.people[place % 5]["customer_id"], "completed"),
                "updated_at": f"2025-03-30T08:{place:02d}:00Z",
            }

    def rare_amounts(self) -> Iterator[Row]:
        """Amounts that are numbers, and some that are none; one without anything to pay is alone in its row of the mart."""
        whose = [self.single, *self.people[5:]]
        for place, amount in enumerate((*NUMBERS, *NO_NUMBERS)):
            at = datetime(2025, 3, 30, 9, place, tzinfo=UTC)
            yield {**self.order(at, whose[place]["customer_id"], "completed"), "amount": amount}

    def corrected_later(self) -> list[Row]:
        """Orders of which the second night changes more than the amount."""
        one, two, three = (person["customer_id"] for person in self.people[:3])
        at = datetime(2025, 3, 29, 10, tzinfo=UTC)
        self.moved, self.taken, self.given, self.earlier, self.withdrawn, self.waiting = made = [
            self.order(at, customer, "completed") for customer in (one, "", three, two, three, one)
        ]
        self.waiting["amount"] = "n/a"
        return made

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

    def list_of(self, awaited: int, *renamed: Row) -> tuple[Row, ...]:
        """The export of all customers, when so many of the awaited ones have come."""
        return tuple(self.listed(self.people[: len(self.people) - len(renamed)], renamed, self.awaited[:awaited], self.single))

    def second_night(self) -> Delivery:
        """New orders; corrections of the first night, older versions, and lines that it had already; customers who were awaited."""
        orders = [self.order(at, self.somebody()) for at in self.times(datetime(2025, 3, 30, 20, tzinfo=UTC), 26, 50)]
        changed = self.chance.sample(self.before, 24)
        later = [
            self.version(row, 1500, status=status) for row, status in zip(changed[:12], ["completed", "cancelled"] * 6, strict=True)
        ]
        stale = [self.version(row, -300, status="completed") for row in changed[12:]]
        self.known = changed[:12]
        lines = orders + later + stale + [self.version(self.lonely, 1500, status="cancelled"), *self.corrections()]
        lines += [dict(row) for row in self.chance.sample(self.before, 3)]  # as the first night had them already
        self.chance.shuffle(lines)
        return Delivery("2025-04-03", tuple(lines), self.list_of(4, *self.married()))

    def corrections(self) -> Iterator[Row]:
        """Versions with another customer, another time, an amount that is withdrawn; and an older one that had an amount."""
        one, two = self.people[0]["customer_id"], self.people[1]["customer_id"]
        yield self.version(self.moved, 1500, customer_id=two)
        yield self.version(self.taken, 1500, customer_id=one)
        yield self.version(self.given, 1500, customer_id="")
        yield self.version(self.earlier, 1500, ordered_at="2025-03-26T11:00:00+01:00")
        yield self.version(self.withdrawn, 1500, amount="n/a")
        yield self.version(self.waiting, -300)

    def married(self) -> list[Row]:
        """Customers who have a new name; their country stays."""
        return [{**person, "name": f"{person['name']} II"} for person in self.people[-3:]]

    def late_night(self) -> Delivery:
        """A night before the second that is delivered after it: new orders, and versions of which some are corrected already."""
        begin = datetime(2025, 3, 31, 20, tzinfo=UTC)
        orders = [self.order(at, self.chance.choice(self.people)["customer_id"], "completed") for at in self.times(begin, 24, 8)]
        outdated = [self.version(row, 600, status="completed") for row in self.known[:6]]
        lines = [*orders, *outdated, self.version(self.lonely, 700, status="completed")]
        return Delivery("2025-04-02", tuple(lines), self.list_of(3))

    def third_night(self) -> Delivery:
        """A very large order, alone in its row of the mart, and a small one."""
        at, who, other = datetime(2025, 4, 3, 9, tzinfo=UTC), self.people[0]["customer_id"], self.people[1]["customer_id"]
        orders = [self.order(at, other, "completed"), {**self.order(at, who, "completed"), "amount": BIG}]
        return Delivery("2025-04-04", tuple(orders), self.list_of(4, *self.married()))
