"""Clicks and euro by five minutes, from the files of a folder: `python batch.py FOLDER`."""

import os
import sys
from pathlib import Path

import pandas as pd
from sqlalchemy import create_engine, text


def main(folder):
    """Count all files anew and replace the table's rows in one transaction."""
    files = sorted(Path(folder).glob("*.csv"))
    clicks = pd.concat([pd.read_csv(path) for path in files])
    clicks = clicks.drop_duplicates("event_id")
    clicks["window_start"] = pd.to_datetime(clicks["event_time"], utc=True).dt.floor("5min").dt.tz_localize(None)
    windows = clicks.groupby("window_start").agg(clicks=("event_id", "count"), amount=("amount", "sum"))
    windows["amount"] = windows["amount"].round(2)
    with create_engine(os.environ["WAREHOUSE_URL"]).begin() as connection:
        connection.execute(text("DELETE FROM batch_windows"))
        windows.to_sql("batch_windows", connection, if_exists="append")


if __name__ == "__main__":
    main(sys.argv[1])
