"""What orders must be like: each expectation with its reason, which people read when it is not met."""

import great_expectations as gx
from great_expectations import expectations as expect
from great_expectations.expectations.expectation import Expectation

STATUSES = ["completed", "cancelled"]
CURRENCIES = ["BRL", "CHF", "DKK", "EUR", "GBP", "JPY", "NOK", "PLN", "SEK", "USD"]
COLUMNS = ["order_id", "ordered_at", "customer_id", "currency", "status", "amount"]


def expectations() -> list[Expectation]:
    """The whole list."""
    needed = ("order_id", "ordered_at", "customer_id", "currency", "status", "amount")
    return [
        expect.ExpectTableRowCountToBeBetween(min_value=1, meta={"why": "an empty delivery is a broken delivery"}),
        *(expect.ExpectColumnToExist(column=name, meta={"why": "it is read by what comes after"}) for name in COLUMNS),
        *(
            expect.ExpectColumnValuesToNotBeNull(column=name, meta={"why": "an order without it can't be booked"})
            for name in needed
        ),
        expect.ExpectColumnValuesToBeUnique(column="order_id", meta={"why": "an order that came twice would be counted twice"}),
        expect.ExpectColumnValuesToBeInSet(column="status", value_set=STATUSES, meta={"why": "only completed orders are sales"}),
        expect.ExpectColumnValuesToBeInSet(column="currency", value_set=CURRENCIES, meta={"why": "others have no exchange rate"}),
        expect.ExpectColumnValuesToBeBetween(
            column="amount", min_value=0, max_value=100_000, meta={"why": "cents taken for euros"}
        ),
    ]


def suite(name: str = "orders") -> gx.ExpectationSuite:
    """The list as a suite of Great Expectations."""
    return gx.ExpectationSuite(name=name, expectations=expectations())
