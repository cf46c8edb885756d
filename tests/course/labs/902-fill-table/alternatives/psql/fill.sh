psql "$PRIMARY_DSN" -qc "INSERT INTO numbers SELECT generate_series(1, $N)"
