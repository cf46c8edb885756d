#!/usr/bin/env bash
# The primary is dead: make replica1 the primary, and the old primary its replica.
set -euo pipefail

# 1. Is it really dead? Two primaries are worse than none.
if PGCONNECT_TIMEOUT=3 psql "$PRIMARY_DSN" -XAtc "SELECT 1" >/dev/null 2>&1; then
  echo "the primary answers: no failover" >&2
  exit 1
fi
pg_ctl -D "$PRIMARY_DATA" stop -m immediate 2>/dev/null || true # hung rather than dead: now it is dead

# 2. Promote; the checkpoint makes the new timeline known to pg_rewind.
pg_ctl -D "$REPLICA1_DATA" -w promote
psql "$REPLICA1_DSN" -qc "CHECKPOINT"

# 3. Take back what only the old primary has, and follow the new one.
pg_rewind -D "$PRIMARY_DATA" --source-server="$REPLICA1_DSN"
cat >> "$PRIMARY_DATA/postgresql.auto.conf" <<CONF
primary_slot_name = ''
CONF
pg_ctl -D "$PRIMARY_DATA" -l "$PRIMARY_LOG" -o "-p $PRIMARY_PORT" -w start
