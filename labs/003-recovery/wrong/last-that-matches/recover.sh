#!/usr/bin/env bash
# Start a server on $RESTORED_PORT, in $RESTORED_DATA, as the primary was just before $BAD_STATEMENT.
set -euo pipefail

# 1. When was it? The line that is this statement, not one that begins with it; date, time and zone as the log has them.
when=$(grep -F "statement: $BAD_STATEMENT" "$PRIMARY_LOG" | tail -n 1 | cut -d" " -f1-3)
[ -n "$when" ] || { echo "the log does not hold: $BAD_STATEMENT" >&2; exit 1; }
echo "recovering to just before $when"

# 2. The last segment is not full yet: have the primary hand it over, and wait until it is archived.
last=$(psql "$PRIMARY_DSN" -XAtc "SELECT pg_walfile_name(pg_switch_wal())")
for _ in $(seq 200); do
  [ -f "$ARCHIVE/$last" ] && break
  sleep 0.05
done

# 3. A copy of the backup with a target. It must not archive: this is not the real history.
pg_ctl -D "$RESTORED_DATA" stop -m immediate 2>/dev/null || true
rm -rf "$RESTORED_DATA"
cp -a "$BACKUP" "$RESTORED_DATA"
cat >> "$RESTORED_DATA/postgresql.auto.conf" <<CONF
archive_mode = off
restore_command = 'cp "$ARCHIVE/%f" "%p"'
recovery_target_time = '$when'
recovery_target_action = 'promote'
CONF
touch "$RESTORED_DATA/recovery.signal"

# 4. Start, and wait until recovery has ended.
pg_ctl -D "$RESTORED_DATA" -l "$RESTORED_LOG" -o "-p $RESTORED_PORT" -w start
for _ in $(seq 400); do
  [ "$(psql "$RESTORED_DSN" -XAtc "SELECT pg_is_in_recovery()")" = f ] && exit 0
  sleep 0.05
done
echo "still in recovery" >&2
exit 1
