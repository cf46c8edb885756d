"""The retail shop, small."""

from delab.data.sinks.postgres import load
from delab.services.postgres import dsn

TABLES = ["customers", "products", "orders", "order_lines"]


def prepare(stack, seed):
    """Load the shop into the primary; the replicas get it from there."""
    load(dsn(stack["primary"].endpoint), "retail", scale=1, seed=seed, tables=TABLES)
