"""Where rows go: one module a sink. Files (parquet, csv, ndjson) can be resumed; postgres and kafka are live services."""
