"""Clicks and euro by five minutes: pandas reads the files, the warehouse keeps each click and counts."""

import os
import sys
from pathlib import Path

import pandas as pd
from sqlalchemy import create_engine, text

KEEP = "INSERT INTO batch_click SELECT event_id, event_time::timestamptz, amount FROM arrived ON CONFLICT DO NOTHING"
COUNT = """
INSERT INTO batch_windows
SELECT date_bin('5 minutes', event_time, 'epoch'), count(*), coalesce(sum(amount), 0)::numeric(14, 2) FROM batch_click GROUP BY 1
ON CONFLICT (window_start) DO UPDATE SET clicks = excluded.clicks, amount = excluded.amount
"""


def main(folder):
    """File by file into a table of clicks, then one statement."""
    with create_engine(os.environ["WAREHOUSE_URL"]).begin() as connection:
        connection.execute(
            text("CREATE TABLE IF NOT EXISTS batch_click (event_id bigint PRIMARY KEY, event_time timestamptz, amount numeric)")
        )
        for path in Path(folder).iterdir():
            clicks = pd.read_csv(path, usecols=["event_id", "event_time", "amount"]).drop_duplicates("event_id")
            clicks.to_sql("arrived", connection, if_exists="replace", index=False)
            connection.execute(text(KEEP))
        connection.execute(text("DROP TABLE arrived"))
        connection.execute(text(COUNT))


if __name__ == "__main__":
    main(sys.argv[1])
