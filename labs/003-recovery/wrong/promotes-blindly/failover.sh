#!/usr/bin/env bash
# The primary is dead: make replica1 the primary, and the old primary its replica.
set -euo pipefail

# 2. Promote; the checkpoint makes the new timeline known to pg_rewind.
pg_ctl -D "$REPLICA1_DATA" -w promote
psql "$REPLICA1_DSN" -qc "CHECKPOINT"

# 3. Take back what only the old primary has, and follow the new one.
pg_rewind -D "$PRIMARY_DATA" --source-server="$REPLICA1_DSN" -R
cat >> "$PRIMARY_DATA/postgresql.auto.conf" <<CONF
primary_slot_name = ''
CONF
pg_ctl -D "$PRIMARY_DATA" -l "$PRIMARY_LOG" -o "-p $PRIMARY_PORT" -w start
