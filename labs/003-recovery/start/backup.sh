#!/usr/bin/env bash
# Archive the primary's WAL into $ARCHIVE, and take a base backup into $BACKUP.
set -euo pipefail

pg_basebackup -d "$PRIMARY_DSN" -D "$BACKUP" -c fast
