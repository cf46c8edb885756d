#!/usr/bin/env bash
# Rebuild replica2: role, slot, base backup, standby. Safe to run again at any point.
set -euo pipefail

password=$(head -c 24 /dev/urandom | base64 | tr -d '/+=\n')

# 1. The old server must not write to the folder while it is replaced.
pg_ctl -D "$REPLICA2_DATA" stop -m fast -w || true # it may not run, or not be there

# 2. A role that can do nothing but replicate; a new password at each rebuild.
psql "$PRIMARY_DSN" -qv ON_ERROR_STOP=1 -v password="$password" <<'SQL'
SELECT 'CREATE ROLE replica2 LOGIN REPLICATION' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'replica2') \gexec
ALTER ROLE replica2 PASSWORD :'password';
-- 3. The slot, made before the backup so that no WAL is lost in between.
SELECT pg_create_physical_replication_slot('replica2', true)
WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = 'replica2');
SQL

# 4. A fresh base backup through this replica's link; -R makes it a standby.
rm -rf "$REPLICA2_DATA"
pg_basebackup -D "$REPLICA2_DATA" -S replica2 -R -X stream -c fast \
  -d "host=$PRIMARY_HOST port=$REPLICA2_PRIMARY_PORT user=replica2 password=$password application_name=replica2"

# 5. Start, and wait until it answers.
pg_ctl -D "$REPLICA2_DATA" -l "$REPLICA2_DATA/server.log" -o "-p $REPLICA2_PORT" -w start
