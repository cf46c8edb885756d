"""An Iceberg catalog of this verification's own: which metadata file a table points at, in SQLite."""

from pathlib import Path


def local(folder):
    """The catalog in a folder, which is also the warehouse."""
    from pyiceberg.catalog.sql import SqlCatalog

    Path(folder).mkdir(exist_ok=True)
    return SqlCatalog("local", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
