"""Put the sample's tables into a DuckDB file, as the sources of the warehouse: `python sample/load.py FILE`."""

import sys
from pathlib import Path

import duckdb

DATA = Path(__file__).parent / "data"


def load(file: Path) -> None:
    """One table a CSV file, in the schema `public`."""
    with duckdb.connect(str(file)) as session:
        session.execute("SET TimeZone = 'UTC'; CREATE SCHEMA IF NOT EXISTS public")
        for table in sorted(DATA.glob("*.csv")):
            rows = f"read_csv('{table}', header = true)"
            session.execute(f"CREATE OR REPLACE TABLE public.{table.stem} AS SELECT * FROM {rows}")


if __name__ == "__main__":
    load(Path(sys.argv[1]))
