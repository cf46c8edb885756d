#!/bin/sh
# Put the warehouse's password where libpq finds it, then wait for `docker compose exec dbt dbt build`.
set -eu
umask 077
printf '*:*:*:postgres:%s\n' "$(cat /run/secrets/postgres)" >"$PGPASSFILE"
exec sleep infinity
