"""Where a service's programs are in the image of its kind, and what it is lent of this machine's Python."""

import sys
from pathlib import Path

from delab import flink, flink_main, jars, java, python, spark
from delab import postgres_programs as programs

LIBRARY = "/usr/local/lib/delab"  # in every image
PROGRAMS = "/opt/postgres/pginstall18/bin"


def translated(text: str, kind: str) -> str:
    """A command's part or a variable, with the image's programs for this machine's."""
    for mine, theirs in installed(kind):
        text = text.replace(mine, theirs)
    return text


def installed(kind: str) -> list[tuple[str, str]]:
    """Where the programs of a kind of service are: on this machine, and in its image."""
    if kind == "postgres":
        return [(str(programs.folder()), PROGRAMS)]
    if kind == "kafka":
        return [(str(java.home()), "/opt/java"), (str(jars.folder(kind)), f"/opt/jars/{kind}")]
    if kind == "spark":
        return [(str(java.home()), "/opt/java"), (str(spark.home()), "/opt/spark"), (sys.executable, python.program())]
    if kind == "flink":
        homes = [(str(flink.home()), "/opt/flink"), (str(flink.pyflink()), "/opt/flink")]
        ours = [(flink_main.__file__, f"{LIBRARY}/flink_main.py"), (sys.executable, "/usr/bin/python3")]
        return [(str(java.home()), "/opt/java"), (str(jars.folder(kind)), f"/opt/jars/{kind}"), *homes, *ours]
    return [(sys.executable, "/opt/delab/bin/python")]


def own_python(kind: str) -> list[Path]:
    """The person's Python, for kinds that run the learner's functions: only the same version can read these."""
    if kind == "spark":
        return python.places()
    return python.places(str(flink.python())) if kind == "flink" else []
