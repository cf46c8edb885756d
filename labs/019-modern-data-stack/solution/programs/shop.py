"""The connection to the storage, for all programs."""

import os
from pathlib import Path

import psycopg2


def connect():
    """A session at the server that PGHOST names; the password is in the file that PASSWORD_FILE names."""
    password = Path(os.environ["PASSWORD_FILE"]).read_text().strip()
    return psycopg2.connect(host=os.environ["PGHOST"], user="shop", dbname="shop", password=password, connect_timeout=5)
