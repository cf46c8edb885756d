"""Flink as PyFlink brings it: an environment of its own, a home put together for it, and the programs that clients use.

PyFlink is a whole Flink, in `.venv-flink`. Its home is laid out anew beside the services' data, because its own has the planner
packed into another jar (unpacked and parsed at each start), no connector, and scripts that start a second JVM for settings.
"""

import hashlib
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from delab import bootstrap, files, flink_checkpoints, jars, java, paths
from delab.errors import Blocked

PACK = "flink"
PACKED_PLANNER = "flink-table-planner-loader-"
OPENED = (
    "java.lang",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
    "sun.nio.ch",
)
CLIENT_HEAP = 256  # MiB
COMMANDS = {
    "flink-python": 'exec "$FLINK_PYTHON" "$@"',
    "flink": 'exec "$FLINK_HOME/bin/flink" "$@"',
    "flink-resume": """found=$(flink-checkpoint) || exit
SUBMIT_ARGS="${{SUBMIT_ARGS:-remote}} -Dexecution.state-recovery.path=$found"; export SUBMIT_ARGS
exec "$FLINK_PYTHON" "$@\"""",
    "flink-checkpoint": "exec '{python}' -I -S '{checkpoints}' \"$FLINK_CHECKPOINTS\"",
}


def environment() -> Path:
    """The environment with PyFlink. Raises Blocked if it is not installed."""
    found = bootstrap.place_of(PACK)
    if not (found / "bin" / "python").exists():
        raise Blocked("PyFlink is not installed", "`lab start` installs it; or `scripts/bootstrap flink`")
    return found


def python() -> Path:
    """The Python that has PyFlink."""
    return environment() / "bin" / "python"


def pyflink() -> Path:
    """The installed package, which is a whole Flink. Raises Blocked if there is none."""
    found = sorted(environment().glob("lib/python3*/site-packages/pyflink"))
    if not found:
        raise Blocked("PyFlink is not installed", "`lab start` installs it; or `scripts/bootstrap flink`")
    return found[-1]


def version() -> str:
    """The version of Flink."""
    return next((pyflink() / "lib").glob("flink-dist-*.jar")).stem.rpartition("-")[2]


def own_jars() -> list[Path]:
    """The jars of PyFlink that are used as they are."""
    found = [*(pyflink() / "lib").glob("*.jar"), *(pyflink() / "opt").glob("flink-python-*.jar")]
    return sorted(path for path in found if not path.name.startswith(PACKED_PLANNER))


def all_jars() -> list[Path]:
    """All jars in the order of the class path; an archive of parsed classes is for just this order."""
    return [*own_jars(), *sorted(jars.folder(PACK).glob("*.jar"))]


def class_path() -> str:
    """The class path of the cluster and of clients."""
    return os.pathsep.join(map(str, all_jars()))


def archive() -> Path:
    """Where the parsed classes of this Flink and this Java are kept, once they have been written."""
    stamps = [f"{path} {path.stat().st_mtime_ns}" for path in all_jars()]
    key = hashlib.sha256("\n".join(stamps).encode()).hexdigest()[:8]
    return java.archive(files.make_folder(paths.runtime() / "jars") / f"flink-{version()}-{key}")


def modules() -> list[str]:
    """What Flink must be allowed to look into."""
    opened = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED]
    return ["-XX:+IgnoreUnrecognizedVMOptions", *opened, "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED"]


def program(*memory: str, listing: str = "") -> list[str]:
    """Java with its memory and the class path, quick to start. `listing`: a file for the classes that it loads."""
    shared = [f"-XX:DumpLoadedClassList={listing}"] if listing else java.shared(archive())
    network = ["-Djava.net.preferIPv4Stack=true", "-Djava.awt.headless=true"]
    quick = [*java.QUICK, "-Xss1m", "-XX:ReservedCodeCacheSize=96m"]
    return [str(java.program()), *shared, *memory, *quick, *modules(), *network]


def classes(lists: Iterable[Path]) -> list[str]:
    """What JVMs have listed, without what later ones could not find, and all of the connector's classes, whether met or not."""
    lines = [line for path in lists if path.exists() for line in path.read_text().splitlines()]
    kept = [line.partition(" id:")[0] for line in lines if not line.startswith("#") and " source: " not in line]
    return list(dict.fromkeys([*kept, *connector_classes()]))


def connector_classes() -> Iterator[str]:
    """The classes of the Kafka connector and of the clients in it: no job of a rehearsal can load them without a broker."""
    (jar,) = jars.folder(PACK).glob("*flink-sql-connector-kafka*.jar")
    with zipfile.ZipFile(jar) as content:
        for name in content.namelist():
            if name.endswith(".class") and name.startswith("org/apache/flink/") and "module-info" not in name:
                yield name.removesuffix(".class")


def home(listing: str = "") -> Path:
    """A Flink home for clients: their jars, and a `flink` that starts at once.

    PyFlink starts its JVM through `bin/flink` too (SUBMIT_ARGS=remote).
    """
    words = " ".join(f"'{word}'" for word in program(f"-Xmx{CLIENT_HEAP}m", listing=listing))
    logging = '-Dlog4j.configurationFile=file:"$FLINK_CONF_DIR/log4j-cli.properties"'
    text = f"""#!/bin/sh
FLINK_OPT_DIR=${{FLINK_OPT_DIR:-"$FLINK_HOME/opt"}}; export FLINK_OPT_DIR
exec {words} {logging} -cp '{class_path()}' org.apache.flink.client.cli.CliFrontend "$@"
"""
    target = paths.runtime() / f"flink-home-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    if not (target / "bin" / "flink").exists():
        for name in ("bin", "lib", "opt"):
            files.make_folder(target / name)
        for path in (pyflink() / "opt").glob("flink-python-*.jar"):
            link(target / "opt" / path.name, path)
        for path in all_jars():
            link(target / "lib" / path.name, path)
        link(target / "plugins", pyflink() / "plugins")
        files.write_atomic(target / "bin" / "flink", text.encode(), 0o755)
    return target


def link(place: Path, target: Path) -> None:
    """A symbolic link, whether or not there was one."""
    place.unlink(missing_ok=True)
    place.symlink_to(target)


def tools() -> Path:
    """`flink`, `flink-python`, `flink-resume` and `flink-checkpoint`, for the learner's PATH."""
    known = {"python": sys.executable, "checkpoints": Path(flink_checkpoints.__file__)}
    target = files.make_folder(paths.runtime() / "flink-bin")
    for name, text in COMMANDS.items():
        filled = f"#!/bin/sh\n{text.format(**known)}\n"
        path = target / name
        if not path.exists() or path.read_text() != filled:
            files.write_atomic(path, filled.encode(), 0o755)
    return target
