#!/bin/sh
# Healthy: a real query over TCP is answered; a replica streams.
set -eu
answer=$(psql -qXtA -h 127.0.0.1 -U postgres -d postgres -c "SELECT NOT pg_is_in_recovery()
  OR EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')")
[ "$answer" = t ]
