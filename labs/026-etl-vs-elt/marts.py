"""What the daily revenue must be, computed from the lines that were delivered, and what comes of mistakes that are known."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from exports import Delivery, Row

BERLIN = "Europe/Berlin"
SUMMER = datetime(2025, 3, 30, 1, tzinfo=UTC)
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
Mart = dict[tuple[date, str], tuple[int, Decimal]]


def in_zone(zone: str) -> Callable[[str], date]:
    """The day on which something happened, by the clocks of a zone."""
    return lambda text: datetime.fromisoformat(text).astimezone(ZoneInfo(zone)).date()


def by_hand(text: str) -> date:
    """The mistake: Berlin's clock is put forward on 30 March 2025, and never at another time."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return (moment + timedelta(hours=2 if moment >= SUMMER else 1)).date()


def usable(row: Row) -> bool:
    """Whether the amount is a number."""
    return NUMBER.fullmatch(row["amount"]) is not None


def tagged(deliveries: Sequence[Delivery]) -> list[Row]:
    """All lines, each with the place of its delivery."""
    return [{**row, "in": str(place)} for place, delivery in enumerate(deliveries) for row in delivery.orders]


def newest(deliveries: Sequence[Delivery]) -> list[Row]:
    """The newest version of each order."""
    return list({row["order_id"]: row for row in sorted(tagged(deliveries), key=lambda row: row["updated_at"])}.values())


def newest_usable(deliveries: Sequence[Delivery]) -> list[Row]:
    """The mistake: lines that are of no use are left out first, and an older version counts in their place."""
    rows = sorted(tagged(deliveries), key=lambda row: row["updated_at"])
    return list({row["order_id"]: row for row in rows if usable(row)}.values())


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


def keeping(*columns: str) -> Callable[[Sequence[Delivery]], list[Row]]:
    """The mistake: a newer version does not change these columns of a known order."""

    def versions(deliveries: Sequence[Delivery]) -> list[Row]:
        known = {row["order_id"]: row for row in of_first_delivery(deliveries)}
        return [{**row, **{column: known[row["order_id"]][column] for column in columns}} for row in newest(deliveries)]

    return versions


def amount_kept(deliveries: Sequence[Delivery]) -> list[Row]:
    """The mistake: a newer version without a usable amount leaves the known amount as it was."""
    known: dict[str, Row] = {}
    for row in of_each_delivery(deliveries):
        had = known.get(row["order_id"])
        if had is None or row["updated_at"] > had["updated_at"]:
            known[row["order_id"]] = row if had is None or usable(row) else {**row, "amount": had["amount"]}
    return list(known.values())


def usable_kept(deliveries: Sequence[Delivery]) -> list[Row]:
    """The mistake: of each delivery only versions with a usable amount are kept."""
    rows = sorted(of_each_delivery(deliveries), key=lambda row: row["updated_at"])
    return list({row["order_id"]: row for row in rows if usable(row)}.values())


def above(least: Decimal) -> Callable[[Sequence[Delivery]], list[Row]]:
    """The mistake: amounts that are not above this are left out."""
    return lambda deliveries: [row for row in newest(deliveries) if usable(row) and Decimal(row["amount"]) > least]


def by_name(deliveries: Sequence[Delivery]) -> list[Row]:
    """The mistake: an order counts once for each name that its customer ever had."""
    people = {(row["customer_id"], row["name"]) for delivery in deliveries for row in delivery.customers}
    names = Counter(customer for customer, _ in people)
    return [row for row in newest(deliveries) for _ in range(max(1, names[row["customer_id"]]))]


def of_each_delivery(deliveries: Sequence[Delivery]) -> list[Row]:
    """The newest version that each delivery has of an order."""
    return [{**row, "in": str(place)} for place, delivery in enumerate(deliveries) for row in newest([delivery])]


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
        if row["status"] == "completed" and usable(row):
            countries = lists[int(row["in"])] if frozen else everybody
            key = (day(row["ordered_at"]), countries.get(row["customer_id"], "unknown"))
            orders, revenue = found.get(key, (0, Decimal(0)))
            found[key] = (orders + 1, revenue + Decimal(row["amount"]))
    return found


def mistake(seen: Mart, deliveries: Sequence[Delivery], zone: str) -> str:
    """How a mart is wrong, if in a known way."""
    right = mart(deliveries, in_zone(zone))
    for words, made in {**of_clocks(deliveries), **of_versions(deliveries, in_zone(zone)), **of_rows(right)}.items():
        if seen == made and made != right:
            return words
    return of_sums(seen, right)


def of_clocks(deliveries: Sequence[Delivery]) -> dict[str, Mart]:
    """Marts by wrong clocks."""
    return {
        "the days are those of UTC, not of the shop's clock": mart(deliveries, in_zone("UTC")),
        "the days are those of Berlin, whatever the variable says": mart(deliveries, in_zone(BERLIN)),
        "the day is cut from the text, in which each till has its own offset": mart(
            deliveries, lambda text: date.fromisoformat(text[:10])
        ),
        "the clock is an hour ahead of UTC all year; in summer it is two": mart(deliveries, in_zone("Etc/GMT-1")),
        "the clock is two hours ahead of UTC all year; in winter it is one": mart(deliveries, in_zone("Etc/GMT-2")),
        "the clock is put forward on 30 March 2025, and never back: some orders are older": mart(deliveries, by_hand),
    }


def of_versions(deliveries: Sequence[Delivery], day: Callable[[str], date]) -> dict[str, Mart]:
    """Marts of other versions than the newest."""
    return {
        "each line counts as an order, also second deliveries and older versions": mart(deliveries, day, every_line),
        "an order whose newest version has no usable amount counts by an older one": mart(deliveries, day, newest_usable),
        "of an order with several versions the first line counts": mart(deliveries, day, first_come),
        "of an order with several versions the last line counts, though it is older": mart(deliveries, day, last_come),
        "corrections of orders that were known are not in it": mart(deliveries, day, of_first_delivery),
        "what was delivered last counts, though it is older than what was known": mart(deliveries, day, of_last_delivery),
        "a newer version of a known order does not change its customer": mart(deliveries, day, keeping("customer_id")),
        "a newer version of a known order does not change its day": mart(deliveries, day, keeping("ordered_at")),
        "a newer version of a known order changes neither its customer nor its day": mart(
            deliveries, day, keeping("customer_id", "ordered_at")
        ),
        "an amount that a newer version withdraws (n/a) is kept": mart(deliveries, day, amount_kept),
        "a newer version without a usable amount is left out: the order counts by an older one": mart(deliveries, day, usable_kept),
        "refunds are not in it: a negative amount is a number too": mart(deliveries, day, above(Decimal("-0.01"))),
        "orders with an amount of 0 or less are not in it": mart(deliveries, day, above(Decimal(0))),
        "an order counts once for each name that its customer ever had": mart(deliveries, day, by_name),
        "orders without a number have met the customer without a number": mart(deliveries, day, nameless="DE"),
        "an order's country is what was known when it came; its customer came a night later": mart(deliveries, day, frozen=True),
        "only the last delivery is in it": mart(deliveries[-1:], day),
        "what was delivered later is not in it": mart(deliveries[:1], day),
        left_out(deliveries): mart(deliveries[:-1], day),
    }


def left_out(deliveries: Sequence[Delivery]) -> str:
    """Words for a mart without the last delivery."""
    late = deliveries[-1].name < max(delivery.name for delivery in deliveries)
    return f"the night {deliveries[-1].name}, which {'was late: it came after a newer one' if late else 'came last'}, is not in it"


def of_rows(right: Mart) -> dict[str, Mart]:
    """Marts in which something is lost."""
    return {
        "orders without a known customer are missing: an inner join, or groupby, drops them": without(right, "unknown"),
        "Namibia (NA) is missing: pandas reads NA as no value": without(right, "NA"),
        "Namibia (NA) is among the unknown: pandas reads NA as no value": moved(right, "NA", "unknown"),
    }


def of_sums(seen: Mart, right: Mart) -> str:
    """How a mart is wrong, seen from its sums."""
    doubled = sum(n for n, _ in seen.values()) > 1.2 * sum(n for n, _ in right.values())
    if doubled and seen.keys() == right.keys():
        return (
            "orders are counted more than once: loaded again, several versions, or joined with a customer's line of each delivery"
        )
    if all(seen.get(key, (0, 0))[1] == right.get(key, (0, 0))[1] for key in seen.keys() | right.keys()):
        return "the revenue is right, the number of orders is not: those without a usable amount (NaN is not NULL) count too?"
    if seen.keys() != right.keys():
        return ""
    close = all(seen[key][0] == right[key][0] and abs(seen[key][1] - right[key][1]) < Decimal("0.02") for key in right)
    return "a few cents are missing: the amounts went through floating point" if close else ""


def without(found: Mart, country: str) -> Mart:
    """A mart without a country."""
    return {key: value for key, value in found.items() if key[1] != country}


def moved(found: Mart, country: str, other: str) -> Mart:
    """A mart in which one country's orders are another's."""
    made = without(found, country)
    for (day, name), (orders, amount) in found.items():
        if name == country:
            had = made.get((day, other), (0, Decimal(0)))
            made[day, other] = (had[0] + orders, had[1] + amount)
    return made
