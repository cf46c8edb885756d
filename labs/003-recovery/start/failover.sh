#!/usr/bin/env bash
# The primary is dead: make replica1 the primary, and the old primary its replica.
set -euo pipefail

echo "nothing done yet" >&2
exit 1
