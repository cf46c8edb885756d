"""A delivery that the gate has let through, in the schema `raw`: lines and products, without keys or promises."""

import csv
import io

import batch as batches

from delab.services.postgres import connect

TABLES = """
DROP SCHEMA IF EXISTS raw CASCADE;
CREATE SCHEMA raw;
CREATE TABLE raw.products (product_id bigint);
CREATE TABLE raw.lines (
    line_id bigint, order_id bigint, product_id bigint, quantity integer, unit_price numeric(14, 2), discount numeric(14, 2),
    amount numeric(14, 2), status text, ordered_at timestamp, recorded_at timestamp
);
"""


def prepare(stack, seed):
    """Load it; the size is another one for each seed."""
    batch = batches.make(seed, 0.2 + seed % 7 / 100)
    with connect(stack["warehouse"].endpoint) as session, session.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.copy_expert("COPY raw.products FROM STDIN WITH (FORMAT csv)", as_csv([key] for key in batch.products))
        cursor.copy_expert("COPY raw.lines FROM STDIN WITH (FORMAT csv)", as_csv(row.values() for row in batch.rows))


def as_csv(rows):
    """Rows as a file."""
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    file.seek(0)
    return file
