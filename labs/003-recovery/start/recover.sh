#!/usr/bin/env bash
# Start a server on $RESTORED_PORT, in $RESTORED_DATA, as the primary was just before $BAD_STATEMENT.
set -euo pipefail

echo "nothing restored yet" >&2
exit 1
