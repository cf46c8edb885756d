"""Spark as pyspark brings it: its jars, the Java arguments that they need, and a Java home that starts them quickly."""

import hashlib
import importlib.util
import os
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version as installed
from pathlib import Path

from delab import files, jars, java, paths
from delab.errors import Blocked

VECTORS = "--add-modules=jdk.incubator.vector"  # asked for by Spark's launcher; the packaged Java has no such module
OPENED = (
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "jdk.internal.ref",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.security.action",
    "sun.util.calendar",
)
QUICK = (*java.QUICK, "-Xss4m")  # deep plans need deep stacks
JAVA = """#!/bin/sh
session=no
for each do
  shift
  case $each in {vectors}) continue ;; org.apache.spark.deploy.SparkSubmit) session=yes ;; esac
  set -- "$@" "$each"
done
if [ $session = yes ]; then set -- {shared} "$@"; fi
exec '{java}' {quick} "$@"
"""


@cache
def home() -> Path:
    """The installed pyspark, which is a whole Spark. Raises Blocked if there is none."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise Blocked("pyspark is not installed", "`lab start` installs it; or `scripts/bootstrap spark`")
    return Path(spec.origin).parent


def version() -> str:
    """The version of pyspark."""
    return installed("pyspark")


def class_path() -> str:
    """The class path, in the order of Spark's own launcher: an archive of parsed classes serves both."""
    logging = sorted((home() / "jars").glob("slf4j-api-*.jar"))
    return os.pathsep.join(map(str, (home() / "conf", *logging[:1], home() / "jars" / "*")))


def added(names: Sequence[str]) -> str:
    """Class path of what labs add to Spark: `kafka` is the lock `spark-kafka`. Fetched if need be; empty if there is none.

    It goes behind Spark's own class path: the archive of parsed classes fits as long as the class path begins as it did.
    """
    return jars.class_path(*(f"spark-{name}" for name in names))


def modules() -> list[str]:
    """What Spark must be allowed to look into."""
    opened = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED]
    return ["-XX:+IgnoreUnrecognizedVMOptions", *opened, "--add-opens=java.security.jgss/sun.security.krb5=ALL-UNNAMED"]


def archive() -> Path:
    """Where the parsed classes of this Spark and this Java are kept, once they have been written."""
    key = hashlib.sha256(f"{home()} {(home() / 'jars').stat().st_mtime_ns}".encode()).hexdigest()[:8]
    return java.archive(files.make_folder(paths.runtime() / "jars") / f"spark-{version()}-{key}")


def java_home() -> Path:
    """A Java home whose `java` leaves out a module that it lacks, and starts a Spark session with the classes that are kept.

    For the learner's own sessions: pyspark starts Spark's launcher, which starts `java` with arguments of its own.
    """
    shared = " ".join(f"'{part}'" for part in java.shared(archive()))
    text = JAVA.format(vectors=VECTORS, shared=shared, java=java.program(), quick=" ".join(QUICK))
    target = paths.runtime() / f"java-for-spark-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    program = target / "bin" / "java"
    if not program.exists():
        files.make_folder(program.parent)
        files.write_atomic(program, text.encode(), 0o755)
    return target
