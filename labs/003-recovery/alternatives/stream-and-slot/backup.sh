set -e
psql "$PRIMARY_DSN" -q <<SQL
ALTER SYSTEM SET archive_command TO 'if [ -f $ARCHIVE/%f ]; then cmp -s %p $ARCHIVE/%f; else cp %p $ARCHIVE/%f; fi';
SELECT pg_reload_conf() \g /dev/null
SQL
rm -rf "$BACKUP"/*
pg_basebackup --dbname="$PRIMARY_DSN" --pgdata="$BACKUP" --wal-method=stream --checkpoint=fast
