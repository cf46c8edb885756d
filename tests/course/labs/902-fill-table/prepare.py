"""The data of the lab."""

from delab.services.postgres import connect


def prepare(stack, seed):
    """An empty table, and one row that holds the seed."""
    with connect(stack["primary"].endpoint) as session, session.cursor() as cursor:
        cursor.execute("CREATE TABLE numbers (n int); CREATE TABLE wanted AS SELECT 100 + %s %% 100 AS n", (seed,))
