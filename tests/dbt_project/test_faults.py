"""Every fault that the data set can plant, and every harm done to a mart, is found by the test meant for it and by no other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCALE, SEED = 1, 4
HERE = Path(__file__).parent

# What each fault must set off. Warnings: staging or the unknown member takes it. Failures: the marts would be wrong.
EXPECTED: dict[str, tuple[set[str], set[str]]] = {
    "missing": (
        {"source_not_null_retail_customers_name", "source_not_null_retail_orders_customer_id"},
        {"source_not_null_retail_order_lines_unit_price"},
    ),
    "duplicate": (
        {
            "source_unique_retail_customers_customer_id",
            "source_unique_retail_orders_order_id",
            "source_unique_retail_order_lines_line_id",
            "source_unique_retail_payments_payment_id",
        },
        set(),
    ),
    "orphan_key": (
        {
            "source_relationships_retail_orders_store_id__store_id__source_retail_stores_",
            "source_relationships_retail_order_lines_product_id__product_id__source_retail_products_",
            "source_relationships_retail_payments_order_id__order_id__source_retail_orders_",
            "orders_are_paid_in_full",  # one of the payments of an order that was paid in two
        },
        set(),
    ),
    "wrong_type": (
        {"source_castable_retail_customers_birth_date__date"},
        {"source_castable_retail_order_lines_quantity__integer"},
    ),
    "encoding_damage": (
        {"source_not_garbled_retail_customers_name", "source_not_garbled_retail_customers_city"},
        set(),
    ),
    "unit_mixup": (
        set(),
        {
            "source_accepted_range_retail_products_weight__10",
            "source_retail_order_lines_amount_is_quantity_by_price_less_discount",
        },
    ),
    "late": ({"source_recorded_in_time_retail_orders_ordered_at__recorded_at__3600"}, set()),
    "out_of_range": (
        set(),
        {"accepted_range_stg_order_lines_quantity__1", "source_accepted_range_retail_returns_refund__0"},
    ),
    "stray_space": (
        {
            "source_no_stray_space_retail_customers_email",
            "source_no_stray_space_retail_products_category",
            "source_no_stray_space_retail_payments_method",
        },
        set(),
    ),
}


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_planted_fault(house: Any, truth: Callable[..., Any], in_order: Callable[..., Any], fault: str) -> None:
    house.load(scale=SCALE, seed=SEED, faults={fault: 0.02}, keys=True)
    built = house.dbt.build()
    warnings, failures = EXPECTED[fault]
    assert set(built.with_status("warn")) == warnings
    assert {node.name for node in built.bad()} == failures
    assert built.success == (not failures)
    if not failures:
        for answer in ("clean_totals", "monthly_revenue", "daily_sales", "order_totals"):
            assert in_order(house.rows((HERE / "answers" / f"{answer}.sql").read_text())) == truth(answer, SCALE, SEED)


def test_payments_in_another_unit_do_not_add_up(house: Any) -> None:
    """The fault is planted in other tables too, whose failures come first: here it is alone."""
    house.load(scale=SCALE, seed=SEED, keys=True)
    house.execute("UPDATE payments SET amount = amount * 100 WHERE status = 'captured' AND payment_id % 50 = 2")
    built = house.dbt.build()
    assert [node.name for node in built.bad()] == ["no_order_is_paid_more_than_it_costs"]


@pytest.fixture(scope="module")
def built(house: Any) -> Any:
    """A clean warehouse."""
    house.load(scale=SCALE, seed=SEED)
    house.build()
    return house


UNKNOWN = "'00000000000000000000000000000000'"
HARM: dict[str, tuple[str, str, set[str]]] = {
    "a line is lost": (
        "fct_order_lines",
        "DELETE FROM fct_order_lines WHERE order_line_id = (SELECT min(order_line_id) FROM fct_order_lines WHERE amount > 0)",
        {
            "same_rows_as_fct_order_lines_order_line_id__order_line_id__ref_stg_order_lines_",
        },
    ),
    "an order is made up": (
        "fct_orders",
        "INSERT INTO fct_orders SELECT (made_up).* FROM (SELECT jsonb_populate_record(f, '{\"order_id\": -5}') AS made_up "
        "FROM fct_orders AS f LIMIT 1) AS one",
        {"same_rows_as_fct_orders_order_id__order_id__ref_stg_orders_"},
    ),
    "a key leads nowhere": (
        "fct_order_lines",
        "UPDATE fct_order_lines SET store_key = md5('nowhere') WHERE order_line_id = 11",
        {"relationships_fct_order_lines_store_key__store_key__ref_dim_store_"},
    ),
    "a fact points to another version": (
        "fct_order_lines",
        "UPDATE fct_order_lines AS f SET customer_key = other.customer_key FROM dim_customer AS mine JOIN dim_customer AS other "
        "USING (customer_id) WHERE mine.customer_key = f.customer_key AND other.version > mine.version",
        {"facts_point_to_the_version_in_force"},
    ),
    "versions overlap": (
        "dim_customer",
        "UPDATE dim_customer SET valid_to = valid_to + interval '1 microsecond' WHERE version = 1 AND valid_to IS NOT NULL",
        {"valid_history_dim_customer_customer_id"},
    ),
    "two versions are current": (
        "dim_product",
        "UPDATE dim_product SET is_current = true WHERE product_id = (SELECT min(product_id) FROM dim_product WHERE version = 2)",
        {"valid_history_dim_product_product_id"},
    ),
    "the unknown member is gone": (
        "dim_promotion",
        f"DELETE FROM dim_promotion WHERE promotion_key = {UNKNOWN}",
        {"has_unknown_member_dim_promotion_promotion_key"},
    ),
    "a row of the bridge is twice": (
        "bridge_promotion_product",
        "INSERT INTO bridge_promotion_product SELECT * FROM bridge_promotion_product ORDER BY promotion_key LIMIT 1",
        {"unique_grain_bridge_promotion_product_promotion_key__product_key", "weights_of_a_promotion_add_up_to_one"},
    ),
    "the bridge lacks what was sold": (
        "bridge_promotion_product",
        "DELETE FROM bridge_promotion_product",
        {"discounts_come_from_a_promotion_that_covers_the_product"},
    ),
    "a refund is more than was paid": (
        "fct_returns",
        "UPDATE fct_returns SET refund = refund + 1000000",
        {"refunds_do_not_exceed_what_was_paid"},
    ),
    "a payment is lost": (
        "fct_payments",
        "DELETE FROM fct_payments WHERE payment_status = 'declined'",
        {"same_rows_as_fct_payments_payment_id__payment_id__ref_stg_payments_"},
    ),
    "a month is twice": (
        "monthly_revenue",
        "INSERT INTO monthly_revenue SELECT * FROM monthly_revenue LIMIT 1",
        {"unique_monthly_revenue_month_start"},
    ),
    "a rate is missing": (
        "",
        "DELETE FROM retail_intermediate.int_exchange_rates_daily; "
        "INSERT INTO retail_intermediate.int_exchange_rates_daily VALUES ('2024-01-01', 'USD', null, false)",
        {"not_null_int_exchange_rates_daily_per_euro"},
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_harm_done_to_a_mart(built: Any, harm: str) -> None:
    """In place, and undone at the end."""
    table, statement, expected = HARM[harm]
    name = f"retail_marts.{table}" if table else "retail_intermediate.int_exchange_rates_daily"
    built.execute(
        f"CREATE TABLE public.kept AS SELECT * FROM {name}",
        f"SET search_path = retail_marts; {statement}",
    )
    try:
        tested = built.dbt.run("test", "--select", table or "int_exchange_rates_daily", "--exclude", "test_type:unit")
    finally:
        built.execute(f"TRUNCATE {name}", f"INSERT INTO {name} SELECT * FROM public.kept", "DROP TABLE public.kept")
    assert {node.name for node in tested.bad()} == expected
