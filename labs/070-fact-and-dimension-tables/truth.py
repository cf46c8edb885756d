"""The truth of lab 70, from what was put into the sources: what was sold, what was kept in stock, and the stock by month."""

from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from prepare import Shop

Key = tuple[Any, ...]
Found = dict[Key, tuple[Any, ...]]


def sold(delivered: Shop) -> Found:
    """By order and line: day, store, product, and the measures without shipping."""
    orders = {row["order_id"]: row for row in delivered.orders if row["status"] == "completed"}
    found = {}
    for row in delivered.order_lines:
        if head := orders.get(row["order_id"]):
            gross = row["quantity"] * row["unit_price"]
            measures = row["quantity"], row["unit_price"], gross, row["discount"], gross - row["discount"]
            found[row["order_id"], row["line_number"]] = (head["ordered_at"].date(), head["store_id"], row["product_id"], *measures)
    return found


def kept(delivered: Shop) -> Found:
    """By store, product and day, each day from the first movement on: received, sold, written off, on hand."""
    moved: dict[tuple[int, int], dict[date, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for row in delivered.stock_movements:
        moved[row["store_id"], row["product_id"]][row["moved_at"].date()][row["kind"]] += row["quantity"]
    last = max(row["moved_at"].date() for row in delivered.stock_movements)
    found = {}
    for (store, product), days in moved.items():
        on_hand, day = 0, min(days)
        while day <= last:
            came, went, lost = (days[day][kind] if day in days else 0 for kind in ("receipt", "sale", "write_off"))
            on_hand += came - went - lost
            found[store, product, day] = (came, went, lost, on_hand)
            day += timedelta(days=1)
    return found


def by_month(stock: Found) -> Found:
    """By month and store: the stock at the end, the average over the days, and what comes of adding up or averaging rows."""
    totals: dict[tuple[int, date], int] = defaultdict(int)
    rows: dict[tuple[date, int], list[int]] = defaultdict(list)
    for (store, _, day), values in stock.items():
        totals[store, day] += values[3]
        rows[day.replace(day=1), store].append(values[3])
    found = {}
    for month, store in rows:
        days = {day: total for (at, day), total in totals.items() if at == store and day.replace(day=1) == month}
        added = sum(days.values())
        found[month, store] = (days[max(days)], Decimal(added) / len(days), added, Decimal(added) / len(rows[month, store]))
    return found
