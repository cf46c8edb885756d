#!/usr/bin/env bash
# Make the two change logs; a segment is closed after half an hour at the latest.
set -euo pipefail
for topic in customers segments; do
  kafka-topics --bootstrap-server "$KAFKA_BOOTSTRAP_SERVERS" --create --if-not-exists --topic "$topic" --partitions 1 \
    --config cleanup.policy=compact --config max.compaction.lag.ms=1800000 --config min.cleanable.dirty.ratio=0.01
done
