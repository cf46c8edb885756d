set -eu
stamp=$(awk -v s=": $BAD_STATEMENT" 'substr($0, length($0) - length(s) + 1) == s { print $1 " " $2 " " $3; exit }' "$PRIMARY_LOG")
psql "$PRIMARY_DSN" -Xqc 'SELECT pg_switch_wal()' >/dev/null
psql "$PRIMARY_DSN" -Xqc 'CHECKPOINT'
until [ "$(psql "$PRIMARY_DSN" -XAtc "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready'")" = 0 ]; do sleep 0.1; done
rm -rf "$RESTORED_DATA"
cp -a "$BACKUP" "$RESTORED_DATA"
touch "$RESTORED_DATA/recovery.signal"
pg_ctl -D "$RESTORED_DATA" -l "$RESTORED_LOG" -w start -o "-p $RESTORED_PORT -c archive_command='' -c restore_command='cp $ARCHIVE/%f %p' -c recovery_target_time='$stamp' -c recovery_target_action=promote"
