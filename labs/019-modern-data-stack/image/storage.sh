#!/bin/sh
# A PostgreSQL server: user `shop`, database `shop`, the password in the file $PASSWORD_FILE, data in /data.
#
# $GATE, if it is set: the server is not ready until a file of that name is there, as one that recovers from a crash would not be.
# Its port answers all the same.
set -eu
umask 077
[ -z "${GATE:-}" ] || python3 /app/warming_up.py "$GATE"
if [ ! -s "$PGDATA/PG_VERSION" ]; then # in a draft that is renamed: a start that was cut short leaves no half of a database
  rm -rf "$PGDATA.new"
  initdb -D "$PGDATA.new" -U shop --auth=scram-sha-256 --pwfile="${PASSWORD_FILE:?}" --locale=C -E UTF8 >/dev/null
  echo "host all all all scram-sha-256" >>"$PGDATA.new/pg_hba.conf"
  echo "CREATE DATABASE shop" | postgres --single -D "$PGDATA.new" postgres >/dev/null
  mv "$PGDATA.new" "$PGDATA"
fi
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp \
  -c shared_buffers=32MB -c max_connections=30 -c dynamic_shared_memory_type=mmap
