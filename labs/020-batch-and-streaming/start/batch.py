"""Clicks and euro by five minutes, from the files of a folder: `python batch.py FOLDER`."""

import os
import sys
from pathlib import Path

import pandas as pd
from sqlalchemy import create_engine


def main(folder):
    """Count the clicks of all files into batch_windows."""
    engine = create_engine(os.environ["WAREHOUSE_URL"])
    for path in sorted(Path(folder).glob("*.csv")):
        clicks = pd.read_csv(path, parse_dates=["event_time", "arrival_time"])
        clicks["window_start"] = clicks["arrival_time"].dt.floor("5min")
        windows = clicks.groupby("window_start").agg(clicks=("event_id", "count"), amount=("amount", "sum"))
        windows.to_sql("batch_windows", engine, if_exists="append")


if __name__ == "__main__":
    main(sys.argv[1])
