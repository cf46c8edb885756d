#!/bin/sh
# A primary, or a replica of $FOLLOWS. Data, slots and roles are made once; a second start finds them.
set -eu
umask 077
data=${PGDATA:?}
password() { cat "/run/secrets/$1"; }
# Secrets are copied to memory: libpq refuses a password file that others may read, and files from Compose keep the host's mode.
printf '*:*:*:postgres:%s\n*:*:*:replicator:%s\n' "$(password postgres)" "$(password replicator)" >"${PGPASSFILE:?}"

settings() {
  cat <<END
listen_addresses = '*'
unix_socket_directories = ''
shared_buffers = '64MB'
max_connections = 60
max_prepared_transactions = 20
wal_level = replica
hot_standby = on
max_slot_wal_keep_size = '1GB'
password_encryption = 'scram-sha-256'
scram_iterations = 1
dynamic_shared_memory_type = mmap
jit = off
log_line_prefix = '%m [%p] %q%u@%d '
END
}

create() {  # in a draft that is renamed when it is whole: a start that was cut short leaves no half of a database
  draft=$data.new
  rm -rf "$draft"
  if [ -z "${FOLLOWS:-}" ]; then
    password postgres >/tmp/first
    initdb -D "$draft" -U postgres --auth=scram-sha-256 --set=scram_iterations=1 --pwfile=/tmp/first --locale=C -E UTF8 >/dev/null
    rm /tmp/first
    echo "host all,replication all samenet scram-sha-256" >>"$draft/pg_hba.conf"
    # The role, before anyone can connect: single-user mode listens nowhere.
    echo "CREATE ROLE replicator LOGIN REPLICATION PASSWORD '$(password replicator)'" | postgres --single -D "$draft" postgres >/dev/null
  else
    # The slot is made by itself, if it is not there: `pg_basebackup --create-slot` fails on a second try.
    psql -qXtA -h "$FOLLOWS" -U postgres -d postgres -v ON_ERROR_STOP=1 -v name="$NAME" >/dev/null <<'END'
SELECT pg_create_physical_replication_slot(:'name', true)
WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = :'name');
END
    pg_basebackup -D "$draft" -d "host=$FOLLOWS user=replicator application_name=$NAME passfile=$PGPASSFILE" -R -S "$NAME" -c fast
  fi
  settings >"$draft/delab.conf"
  grep -q delab.conf "$draft/postgresql.conf" || echo "include 'delab.conf'" >>"$draft/postgresql.conf"
  mv "$draft" "$data"
}

[ -s "$data/PG_VERSION" ] || create
exec postgres -D "$data"
