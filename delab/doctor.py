"""`lab doctor`: look at the machine for what makes labs fail, and say the fix."""

import locale
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from rich.console import Console
from rich.text import Text

from delab import bootstrap, engine, java, paths, ports, runtime
from delab import compiler as c_compiler
from delab.errors import Blocked

State = Literal["ok", "note", "wrong"]
MARKS: dict[State, tuple[str, str]] = {"ok": ("✔", "green"), "note": ("•", "yellow"), "wrong": ("✘", "red")}
GB = 1e9


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was seen, and what to do if it is not as it should be."""

    name: str
    state: State
    seen: str
    fix: str = ""


def show(console: Console) -> int:
    """Print all findings; returns 3 if something is wrong, else 0."""
    found = findings()
    for finding in found:
        mark, colour = MARKS[finding.state]
        console.print(Text.assemble((f" {mark} ", colour), (f"{finding.name}: ", "bold"), finding.seen), soft_wrap=True)
        if finding.fix and finding.state != "ok":
            console.print(Text(f"     {finding.fix}"), soft_wrap=True)
    wrong = sum(finding.state == "wrong" for finding in found)
    console.print(f"{wrong} things to put right." if wrong else "This machine is fit for the labs.", style="bold")
    return 3 if wrong else 0


def findings() -> list[Finding]:
    """All findings; a look that fails itself is a note, never an error."""
    return [careful(look) for look in LOOKS]


def careful(look: Callable[[], Finding]) -> Finding:
    """A finding, also when looking failed."""
    try:
        return look()
    except Exception as error:  # whatever is odd about this machine must not hide the other findings
        return Finding(look.__name__, "note", f"could not be looked at: {error}", "please report it")


def python() -> Finding:
    """The Python of the environment, and whether the environment is whole."""
    lacking = bootstrap.missing(())
    seen = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding("Python", "wrong" if lacking else "ok", seen, "the environment is not as locked: scripts/bootstrap")


def disk() -> Finding:
    """Room for data."""
    free = shutil.disk_usage(paths.state()).free / GB
    return Finding(
        "disk", "ok" if free > 2 else "wrong", f"{free:.1f} GB free", "free some space: du -sh .lab work shows what is ours"
    )


def memory() -> Finding:
    """Memory that programs can have."""
    free = psutil.virtual_memory().available / GB
    return Finding("memory", "ok" if free > 1 else "wrong", f"{free:.1f} GB available", "close other programs; lab 2 needs 0.2 GB")


def loopback() -> Finding:
    """Whether a server can listen and be reached on loopback."""
    with socket.create_server(("127.0.0.1", ports.choose())) as server:
        socket.create_connection(server.getsockname(), timeout=2).close()
    return Finding("loopback", "ok", f"ports {ports.FIRST} to {ports.LAST} can be used", "a firewall forbids 127.0.0.1: allow it")


def folder() -> Finding:
    """Whether programs may be run from here, and files made."""
    probe = paths.runtime() / ".probe"
    probe.write_text("#!/bin/sh\nexit 0\n")
    probe.chmod(0o755)
    try:
        subprocess.run([str(probe)], check=True)
    except OSError:
        return Finding("folder", "wrong", f"{probe.parent} is mounted so that nothing can be run", "clone to another file system")
    finally:
        probe.unlink()
    return Finding("folder", "ok", f"services keep their data in {probe.parent}")


def windows() -> Finding:
    """WSL: version 2, and a clone on the Linux side."""
    if "microsoft" not in platform.release().lower():
        return Finding("Windows", "ok", "not under WSL")
    if "wsl2" not in platform.release().lower():
        return Finding("Windows", "wrong", "this is WSL 1", "in PowerShell: wsl --set-version NAME 2 (wsl -l shows the names)")
    if paths.root().parts[:2] == ("/", "mnt"):
        fix = "clone into your Linux home (cd ~): under /mnt files are slow and their modes are lost, which PostgreSQL refuses"
        return Finding("Windows", "wrong", f"WSL 2, but the clone is in {paths.root()}", fix)
    return Finding("Windows", "ok", "WSL 2, clone on the Linux side")


def line_endings() -> Finding:
    """Scripts with Windows line endings do not run."""
    if b"\r\n" in (bootstrap.ROOT / "scripts" / "bootstrap").read_bytes():
        fix = "git config core.autocrlf input; then clone again"
        return Finding("line endings", "wrong", "scripts have Windows line endings", fix)
    return Finding("line endings", "ok", "as they should be")


def text_encoding() -> Finding:
    """A locale that can show the output."""
    name = locale.getpreferredencoding(False)
    good = name.lower().replace("-", "") == "utf8"
    return Finding("encoding", "ok" if good else "note", name, "export LC_ALL=C.UTF-8 shows all characters")


def user() -> Finding:
    """Root needs somebody else to run the services."""
    if os.geteuid() != 0:
        return Finding("user", "ok", "services run as you")
    return Finding("user", "ok", f"you are root, so services run as nobody, in {paths.runtime()}")


def variables() -> Finding:
    """Variables that steer PostgreSQL's clients."""
    found = sorted(name for name in os.environ if name.startswith("PG"))
    if not found:
        return Finding("variables", "ok", "none that steers PostgreSQL's clients")
    return Finding(
        "variables", "note", f"{', '.join(found)} set", "labs ignore them; your own psql does not: unset them if it surprises"
    )


def certificates() -> Finding:
    """The bundle that a proxy with its own CA needs."""
    bundle = os.environ.get("SSL_CERT_FILE", "")
    if bundle and not Path(bundle).is_file():
        return Finding("certificates", "wrong", f"SSL_CERT_FILE={bundle}: no such file", "correct or unset it")
    return Finding("certificates", "ok", f"from {bundle}" if bundle else "the packages' own")


def compiler() -> Finding:
    """A C compiler, for labs in C."""
    return Finding("C compiler", "ok", c_compiler.system() or "none: labs in C bring one as a package")


def java_runtime() -> Finding:
    """The Java for Kafka and Spark, and a JAVA_HOME that leads nowhere."""
    asked = os.environ.get("JAVA_HOME", "")
    if asked and java.version(Path(asked)) < java.OLDEST:
        older = java.version(Path(asked))
        seen = f"JAVA_HOME={asked} is {f'Java {older}' if older else 'no Java'}: labs take another one"
        fix = f"your own Kafka or Spark would stumble over it: name a Java from {java.OLDEST} on, or unset it"
        return Finding("Java", "note", seen, fix)
    found = java.system() or java.packaged()
    if found is None:
        return Finding("Java", "ok", "none: labs with Kafka or Spark bring one as a package")
    return Finding("Java", "ok", f"{java.version(found)} in {found}")


def docker() -> Finding:
    """Docker is not needed but for the labs about it, unless LAB_RUNTIME asks for it."""
    asked = runtime.chosen() == "compose"
    if not asked and not shutil.which("docker") and not engine.SOCKET.exists():
        return Finding("Docker", "ok", "not there: only the labs about Docker need it")
    if bootstrap.missing(("docker",)) and not asked:
        return Finding("Docker", "ok", "only the labs about Docker use it (and LAB_RUNTIME=compose)")
    try:
        about = engine.client().info()
    except Blocked as problem:
        return Finding("Docker", "wrong" if asked else "note", problem.message, problem.fix)
    used = "the labs run on it" if asked else "only the labs about Docker need it"
    return Finding("Docker", "ok", f"engine {about['ServerVersion']}, {about['MemTotal'] / GB:.1f} GB of memory; {used}")


def compose_ports() -> Finding:
    """The ports that docker-compose.yml publishes, unless they are moved."""
    if runtime.chosen() != "compose":
        return Finding("ports", "ok", "chosen among the free ones")
    taken = [f"{name}={port}" for name, port in published() if not ports.free(port)]
    fix = "if it is not your own `docker compose up`: give other numbers, as in PRIMARY_PORT=15432 docker compose …"
    seen = f"in use: {', '.join(taken)}" if taken else "those of docker-compose.yml are free"
    return Finding("ports", "note" if taken else "ok", seen, fix)


def published() -> list[tuple[str, int]]:
    """The variables for ports in docker-compose.yml, and what each is now."""
    text = (bootstrap.ROOT / "docker-compose.yml").read_text()
    found = dict(re.findall(r"127\.0\.0\.1:\$\{(\w+_PORT):-(\d+)\}:", text))
    return [(name, int(os.environ.get(name) or default)) for name, default in found.items()]


def clock() -> Finding:
    """A clock that is plausible: certificates and logs depend on it."""
    import time

    newest = (bootstrap.ROOT / "delab" / "doctor.py").stat().st_mtime
    late = time.time() < newest - 86400
    return Finding(
        "clock", "wrong" if late else "ok", time.strftime("%Y-%m-%d %H:%M:%S %Z"), "it is before these files were made: set it"
    )


LOOKS: tuple[Callable[[], Finding], ...] = (
    python,
    disk,
    memory,
    loopback,
    folder,
    windows,
    line_endings,
    text_encoding,
    user,
    variables,
    certificates,
    compiler,
    java_runtime,
    docker,
    compose_ports,
    clock,
)

if __name__ == "__main__":
    sys.exit(show(Console()))
