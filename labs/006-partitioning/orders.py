"""The orders of a verification: one customer who buys most of it all, orders without a customer, and keys that come in order."""

import random
from datetime import date, timedelta
from typing import Any

CUSTOMERS = 400
ORDERS = 20_000
HOT = 0.7  # the share of the best customer, a wholesaler
NOBODY = 0.03  # the share of orders without a customer
DAYS = 12
KEYS = 12_000


def customers(seed: int) -> list[tuple[str, str]]:
    """Customer and city."""
    chance = random.Random(f"customers {seed}")
    return [(f"C{number:06d}", f"city-{chance.randrange(40)}") for number in range(CUSTOMERS)]


def orders(seed: int) -> list[tuple[int, str | None, str, int]]:
    """Order, customer, day, amount; in no order."""
    chance = random.Random(f"orders {seed}")
    first, best = date(2026, 1, 1) + timedelta(chance.randrange(200)), f"C{chance.randrange(CUSTOMERS):06d}"

    def customer() -> str | None:
        drawn = chance.random()
        if drawn < HOT:
            return best
        return None if drawn < HOT + NOBODY else f"C{chance.randrange(CUSTOMERS):06d}"

    made = [(n, customer(), str(first + timedelta(chance.randrange(DAYS))), chance.randrange(1, 500)) for n in range(ORDERS)]
    chance.shuffle(made)
    return made


def readings(seed: int) -> list[tuple[int | None, int]]:
    """A key and a number. Small keys come first, as they do in a log; many are small, few are large; some are missing."""
    chance = random.Random(f"readings {seed}")
    keys = sorted(int(chance.paretovariate(1.2) * 1000) for _ in range(KEYS))
    return [(None if chance.random() < NOBODY else key, number) for number, key in enumerate(keys)]


def names(seed: int) -> dict[str, list[Any]]:
    """Sets of keys that a hash function should spread: by their kind."""
    chance = random.Random(f"names {seed}")
    first = chance.randrange(1_000_000)
    return {
        "customer numbers": [f"C{first + number:07d}" for number in range(8_000)],
        "multiples of 64": [(first + number) * 64 for number in range(8_000)],
        "towns in many scripts": [f"{chance.choice('äßçžøłāñ')}-{chance.randrange(10**9)}" for _ in range(8_000)],
    }
