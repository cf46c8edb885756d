"""What the tables have of a day, and what they should have."""

from collections import Counter

from truth import FILLS, FROM_RAW, PUBLISHED, SALES, STAGED, TASKS, of, truth

from delab.checks import fail


def ordered(rows):
    """Rows in an order that does not matter; a column may hold none."""
    return sorted(rows, key=lambda row: tuple((value is not None, str(value)) for value in row))


def wanted(shop, table, day, sales=SALES, columns="*"):
    """The rows that a table should have of a day, made from these sales."""
    return ordered(shop.rows(f"SELECT {columns} FROM ({of(day, truth(table, sales))}) AS wanted"))


def there(shop, table, day, columns="*"):
    """The rows that a table has of a day."""
    return ordered(shop.rows(f"SELECT {columns} FROM {table} WHERE day = %s", day))


def same(table, day, what, rows, seen, again=True):
    """Compare a table's rows of a day; `again`: the day has been there before."""
    if seen == rows:
        return
    extra, lacking = (list((Counter(one) - Counter(other)).elements()) for one, other in ((seen, rows), (rows, seen)))
    much = f"{len(seen)} rows"
    if again and rows and extra and not lacking:
        much += ": the right ones were added to those of an earlier attempt"
    else:
        much += f", among them a wrong one: {readable(extra[0])}" if extra else ""
        much += f"; one that is not there: {readable(lacking[0])}" if lacking else ""
    fail(expected=f"{what}: {table} has {len(rows)} rows of {day}, as it should be", seen=much)


def readable(row):
    """A row for a message."""
    return f"({', '.join('none' if value is None else str(value) for value in row)})"


def plant(shop, table, days):
    """Put a row of each of some days into a table, another one than into those before it; what is there then: {day: rows}."""
    sales, sums = "(day, category, quantity) SELECT unnest(%s), 'Toys', 1", "(day, orders) SELECT unnest(%s), 7"
    values = {"stage.sales": sales, **dict.fromkeys(PUBLISHED, sums)}.get(table, "(day) SELECT unnest(%s)")
    shop.execute(f"INSERT INTO {table} {values}", days)
    return {day: there(shop, table, day) for day in days}


def fill(shop, day, tasks):
    """What the first tasks would have left of a day."""
    for task in TASKS[:tasks]:
        for table in FILLS[task]:
            shop.execute(of(day, f"INSERT INTO {table} {truth(table, STAGED if task == 'transform' else SALES)}"))


def made_from(shop, table, day):
    """What a table should have, made from the one before it as it is now."""
    if table in PUBLISHED:
        return there(shop, table.replace("published", "stage"), day)
    return wanted(shop, table, day, FROM_RAW if table == "stage.sales" else STAGED)
