"""Where rows go, one module a sink: files (parquet, csv, ndjson; see delab.data.files), and the services postgres and kafka."""

FILES = ("parquet", "csv", "ndjson")
SERVICES = ("postgres", "kafka")
