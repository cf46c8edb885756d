"""Jars for JVM services: named in a lock with their hashes, fetched once by the Ivy that pyspark carries.

A lock, `requirements/jars/NAME.lock`, has a line for each jar: `group:artifact:version sha256`. It names no address: Ivy asks
Maven Central, or what its own settings say (IVY_SETTINGS names a file of them). By hand: `python -m delab.jars NAME …` fetches;
`python -m delab.jars --lock NAME group:artifact:version …` writes a lock of these and all that they need; a lock `spark-…`, for
what is added to Spark, without what pyspark itself carries.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from delab import files, java, paths
from delab.errors import Blocked

LOCKS = Path(__file__).parent.parent / "requirements" / "jars"
PATTERN = "[organisation]--[artifact]--[revision](--[classifier]).[ext]"
SECONDS = 900  # for all of a download
SETTINGS = """<ivysettings>
  <settings defaultResolver="central"/>
  <resolvers><ibiblio name="central" m2compatible="true"/></resolvers>
</ivysettings>
"""


@dataclass(frozen=True, order=True)
class Jar:
    """One line of a lock."""

    group: str
    artifact: str
    version: str
    classifier: str
    sha256: str

    @property
    def file(self) -> str:
        """Its name in the folder."""
        parts = [self.group, self.artifact, self.version, *([self.classifier] if self.classifier else [])]
        return f"{'--'.join(parts)}.jar"

    @property
    def line(self) -> str:
        """Its line in the lock."""
        return f"{':'.join(part for part in (self.group, self.artifact, self.version, self.classifier) if part)} {self.sha256}"


def lock(name: str) -> list[Jar]:
    """The jars of a lock."""
    lines = (LOCKS / f"{name}.lock").read_text().splitlines()
    return [parse(line) for line in lines if line.strip() and not line.startswith("#")]


def parse(line: str) -> Jar:
    """A line of a lock."""
    coordinates, digest = line.split()
    group, artifact, version, classifier = [*coordinates.split(":"), ""][:4]
    return Jar(group, artifact, version, classifier, digest)


def folder(name: str) -> Path:
    """The folder with the jars of a lock, which services can read; fetched if they are not there. Raises Blocked."""
    wanted = lock(name)
    digest = hashlib.sha256("\n".join(jar.line for jar in wanted).encode()).hexdigest()[:12]
    target = paths.runtime() / "jars" / f"{name}-{digest}"
    if not (target / "complete").exists():
        with files.locked(paths.lock(target.name), seconds=SECONDS):
            if not (target / "complete").exists():
                fetch(name, wanted, target)
    return target


def class_path(*names: str) -> str:
    """All jars of these locks, as an argument of Java's -cp."""
    return os.pathsep.join(f"{folder(name)}/*" for name in names)


def fetch(name: str, wanted: Sequence[Jar], target: Path) -> None:
    """Fetch the jars and check their hashes; what Ivy has in its cache is not fetched again."""
    print(f"fetching {len(wanted)} jars for {name}", file=sys.stderr)
    files.make_folder(target.parent)
    files.make_folder(target).chmod(0o755)
    with tempfile.TemporaryDirectory() as place:
        description = Path(place) / "ivy.xml"
        description.write_text(ivy_file(wanted))
        ivy(Path(place), "-ivy", str(description), "-retrieve", f"{target}/{PATTERN}")
    for jar in wanted:
        check(jar, target / jar.file)
    (target / "complete").touch()


def check(jar: Jar, path: Path) -> None:
    """Raise Blocked, and remove the file, unless it is the one of the lock."""
    if not path.exists():
        raise Blocked(f"Ivy did not deliver {jar.artifact} {jar.version}", "repeat the command; `lab doctor` looks at the network")
    path.chmod(0o644)
    if hashlib.sha256(path.read_bytes()).hexdigest() != jar.sha256:
        path.unlink()
        raise Blocked(
            f"{jar.artifact} {jar.version} is not the file that the lock names: its SHA-256 differs",
            "remove it from Ivy's cache (~/.ivy2/cache), then repeat; if it stays so, something on the way changes files",
        )


def ivy_file(wanted: Sequence[Jar]) -> str:
    """A module that depends on just these jars, and on nothing that they name."""
    module = ET.Element("ivy-module", {"version": "2.0", "xmlns:m": "http://ant.apache.org/ivy/maven"})
    ET.SubElement(module, "info", organisation="delab", module="jars")
    ET.SubElement(ET.SubElement(module, "configurations"), "conf", name="default")
    dependencies = ET.SubElement(module, "dependencies")
    for jar in wanted:
        about = {"org": jar.group, "name": jar.artifact, "rev": jar.version, "transitive": "false", "conf": "default->master"}
        dependency = ET.SubElement(dependencies, "dependency", about)
        more = {"m:classifier": jar.classifier} if jar.classifier else {}
        ET.SubElement(dependency, "artifact", {"name": jar.artifact, "type": "jar", "ext": "jar", **more})
    return ET.tostring(module, encoding="unicode")


def ivy(place: Path, *arguments: str) -> None:
    """Run Ivy. Raises Blocked with its last words."""
    settings = os.environ.get("IVY_SETTINGS") or str(place / "settings.xml")
    (place / "settings.xml").write_text(SETTINGS)
    command = [str(java.program()), *java.trust(), "-cp", str(ivy_jar()), "org.apache.ivy.Main", "-settings", settings]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        said = problems(done.stdout) or done.stderr.strip()[-500:]
        fix = "check the network; behind a proxy with its own certificate, SSL_CERT_FILE must name the bundle"
        raise Blocked(f"the jars could not be fetched:\n{said}", fix)


def problems(said: str) -> str:
    """What went wrong, of all that Ivy prints: the beginning of its summary, without rulers and empty lines."""
    lines = [line.strip() for line in said.partition(":: problems summary ::")[2].splitlines()]
    return "\n".join([line for line in lines if line.strip(":") and not line.startswith("::")][:8])


def ivy_jar() -> Path:
    """The Ivy that pyspark carries, or the one that DELAB_IVY names. Raises Blocked if it is not installed."""
    if asked := os.environ.get("DELAB_IVY"):
        return Path(asked)
    spec = importlib.util.find_spec("pyspark")
    found = sorted((Path(spec.origin).parent / "jars").glob("ivy-*.jar")) if spec and spec.origin else []
    if not found:
        raise Blocked("Ivy, which fetches jars, is not installed", "`lab start` installs it; or `scripts/bootstrap spark`")
    return found[-1]


def write_lock(name: str, coordinates: Sequence[str]) -> None:
    """Resolve what these need at run time, and write the lock."""
    with tempfile.TemporaryDirectory() as place:
        module = ET.fromstring(ivy_file([]))  # noqa: S314 - our own
        for group, artifact, version in (part.split(":") for part in coordinates):
            about = {"org": group, "name": artifact, "rev": version, "conf": "default->master,runtime"}
            ET.SubElement(module[2], "dependency", about)
        (Path(place) / "ivy.xml").write_text(ET.tostring(module, encoding="unicode"))
        ivy(Path(place), "-ivy", f"{place}/ivy.xml", "-types", "jar", "bundle", "-retrieve", f"{place}/jars/{PATTERN}")
        jars = sorted(
            parse(f"{path.stem.replace('--', ':')} {hashlib.sha256(path.read_bytes()).hexdigest()}")
            for path in Path(place, "jars").iterdir()
        )
    if name.startswith("spark-"):
        jars = [jar for jar in jars if not (ivy_jar().parent / f"{jar.artifact}-{jar.version}.jar").exists()]
    asked = f"# {' '.join(coordinates)} and what they need; written by `python -m delab.jars --lock`"
    LOCKS.mkdir(exist_ok=True)
    (LOCKS / f"{name}.lock").write_text("\n".join([asked, *(jar.line for jar in jars)]) + "\n")


def main(arguments: Sequence[str]) -> int:
    """Fetch, or write a lock."""
    if arguments[:1] == ["--lock"]:
        write_lock(arguments[1], arguments[2:])
    else:
        for name in arguments:
            print(folder(name))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
