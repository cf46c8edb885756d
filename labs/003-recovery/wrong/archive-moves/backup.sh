#!/usr/bin/env bash
# Archive the primary's WAL into $ARCHIVE, and take a base backup into $BACKUP. Safe to run every night.
set -euo pipefail

# 1. From now on every finished segment goes to the archive, and nothing there is ever overwritten.
psql "$PRIMARY_DSN" -qv ON_ERROR_STOP=1 \
  -c "ALTER SYSTEM SET archive_command = 'test ! -f \"$ARCHIVE/%f\" && mv \"%p\" \"$ARCHIVE/%f\"'" \
  -c "SELECT pg_reload_conf()" >/dev/null

# 2. A fresh backup. It brings the WAL that was written meanwhile (-X stream), so that it is complete without the archive.
find "$BACKUP" -mindepth 1 -delete
pg_basebackup -d "$PRIMARY_DSN" -D "$BACKUP" -X stream -c fast
