#!/bin/sh
# A part of Spark in the foreground: `connect` (a server for clients on the host), `master` or `worker` of a standalone cluster.
set -eu
mkdir -p /data/local
case $1 in
connect)
  SPARK_CONNECT_AUTHENTICATE_TOKEN=$(cat /run/secrets/spark)
  SPARK_DAEMON_MEMORY=768m # Spark's launcher counts this server among the daemons
  export SPARK_CONNECT_AUTHENTICATE_TOKEN SPARK_DAEMON_MEMORY
  exec spark-submit --class org.apache.spark.sql.connect.service.SparkConnectServer --master 'local[2]' \
    --conf spark.connect.grpc.binding.address=0.0.0.0 --conf spark.connect.grpc.binding.port=15002
  ;;
master) exec spark-class org.apache.spark.deploy.master.Master --host "$(hostname)" --port 7077 --webui-port 8080 ;;
worker)
  exec spark-class org.apache.spark.deploy.worker.Worker --host "$(hostname)" --cores 1 --memory 768m --work-dir /data/work \
    --webui-port 8080 "$MASTER"
  ;;
esac
