#!/bin/sh
# A KRaft broker that is a controller too: number $NODE of the brokers in $VOTERS ("1@kafka1:9093,…").
# Two listeners for clients: `kafka:19092`-like names inside, the moved loopback port outside ($OUTSIDE).
set -eu
config=/tmp/server.properties
replicas=$(echo "$VOTERS" | tr , '\n' | wc -l)
[ "$replicas" -gt 3 ] && replicas=3
cat >"$config" <<END
process.roles=broker,controller
node.id=$NODE
controller.quorum.voters=$VOTERS
controller.listener.names=CONTROLLER
inter.broker.listener.name=INSIDE
listeners=INSIDE://:19092,OUTSIDE://:9092,CONTROLLER://:9093
advertised.listeners=INSIDE://$(hostname):19092,OUTSIDE://$OUTSIDE
listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=/data/log
default.replication.factor=$replicas
min.insync.replicas=$((replicas / 2 + 1))
offsets.topic.replication.factor=$replicas
transaction.state.log.replication.factor=$replicas
transaction.state.log.min.isr=$((replicas / 2 + 1))
share.coordinator.state.topic.replication.factor=$replicas
share.coordinator.state.topic.min.isr=$((replicas / 2 + 1))
offsets.topic.num.partitions=4
log.retention.ms=-1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
END
cat >/tmp/log4j2.properties <<'END'
status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1}: %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
END
java="java -Xmx${HEAP:-256}m -Xss512k -XX:MaxMetaspaceSize=128m -XX:ReservedCodeCacheSize=48m -XX:+UseSerialGC -XX:TieredStopAtLevel=1
  -XX:-UsePerfData -Djava.io.tmpdir=/tmp -Dlog4j2.configurationFile=file:/tmp/log4j2.properties -cp /opt/jars/kafka/*"
set -f
[ -f /data/log/meta.properties ] || $java kafka.tools.StorageTool format --cluster-id "$CLUSTER" --config "$config"
exec $java kafka.Kafka "$config"
