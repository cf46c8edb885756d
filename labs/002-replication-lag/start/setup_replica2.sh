#!/usr/bin/env bash
# Rebuild replica2: role, slot, base backup, standby. The variables are listed in the task.
set -euo pipefail

echo "replica2 is still the one that was made by hand" >&2
