set -eu
if pg_isready -q -t 3 -h 127.0.0.1 -p "$PRIMARY_PORT"; then echo "alive" >&2; exit 2; fi
psql "$REPLICA1_DSN" -XAtqc "SELECT pg_promote()" | grep -q t
psql "$REPLICA1_DSN" -XAtqc "SELECT pg_create_physical_replication_slot('replica1'); CHECKPOINT"
pg_rewind --target-pgdata="$PRIMARY_DATA" --source-server="$REPLICA1_DSN" --write-recovery-conf
pg_ctl -D "$PRIMARY_DATA" -l "$PRIMARY_LOG" -o "-p $PRIMARY_PORT" start
