#!/usr/bin/env bash
# Print the replication lag of each replica, one JSON object a line, with nothing but psql.
export PGCONNECT_TIMEOUT=2 PGOPTIONS="-c statement_timeout=2s"

for replica in replica1 replica2; do
  dsn=${replica^^}_DSN
  told=$(psql "${!dsn}" -XAtF ' ' -c "
    SELECT pg_last_wal_replay_lsn(),
           coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0),
           CASE WHEN EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming') THEN 'streaming' ELSE 'disconnected' END" 2>/dev/null)
  read -r lsn age state <<<"$told"
  psql "$PRIMARY_DSN" -XAt -v replica="$replica" -v lsn="${lsn:-}" -v age="${age:-0}" -v state="${state:-down}" <<'SQL'
SELECT json_build_object(
  'replica', :'replica',
  'state', :'state',
  'lag_bytes', behind,
  'lag_seconds', CASE WHEN behind = 0 THEN 0 WHEN behind > 0 THEN :age END,
  'retained_bytes', (SELECT pg_current_wal_lsn() - restart_lsn FROM pg_replication_slots WHERE slot_name = :'replica'))
FROM (SELECT greatest(0, pg_current_wal_lsn() - nullif(:'lsn', '')::pg_lsn) * CASE WHEN :'lsn' <> '' THEN 1 END AS behind) AS x;
SQL
done
