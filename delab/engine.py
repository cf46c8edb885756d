"""The Docker engine: reach it or say why not, build images, find and remove the containers of this checkout.

`python -m delab.engine NAME …` builds the images of these kinds of service, where they are missing.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from delab import files, paths
from delab.errors import Blocked

ROOT = Path(__file__).parent.parent
SOCKET = Path("/var/run/docker.sock")
OLDEST = (20, 10)
MEMORY = 2 << 30  # bytes that the engine must have for a stack
INSTEAD = "or leave LAB_RUNTIME out: the labs need no Docker"
LABEL = "delab.state"  # on every container of ours: which checkout it belongs to
INPUTS = "delab.inputs"  # on every image: the digest of what it was built from
SECONDS = 30  # for an answer of the engine
BUILD_SECONDS = 1800  # that another command may build an image


@cache
def client() -> Any:
    """The engine, fit for the labs. Raises Blocked, saying what is in the way."""
    try:
        from docker import from_env  # this way, because the folder docker/ would pass for an empty package
    except ImportError as error:
        raise Blocked("the package for Docker is not installed", "scripts/bootstrap docker") from error
    try:
        knock()
        found = from_env(timeout=SECONDS)
        about = {**found.version(), **found.info()}
    except Exception as error:  # of docker, requests, urllib3 and the socket, nested in turns
        raise Blocked(*unreachable(str(error))) from error
    if problem := unfit(about):
        raise Blocked(*problem)
    return found


def knock() -> None:
    """Connect to the engine's socket, if it is one of this machine. Raises OSError with the reason if that fails."""
    scheme, _, path = os.environ.get("DOCKER_HOST", f"unix://{SOCKET}").partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(SECONDS)
            probe.connect(path)


def unreachable(said: str) -> tuple[str, str]:
    """Why the engine does not answer, and what to do."""
    asked = os.environ.get("DOCKER_HOST", "")
    if "ermission denied" in said:
        return "you may not use the Docker engine", f"sudo usermod -aG docker $USER, then log in again; {INSTEAD}"
    if asked:
        return f"no Docker engine answers at DOCKER_HOST={asked}", f"correct or unset it; {INSTEAD}"
    if not shutil.which("dockerd") and not shutil.which("docker") and not SOCKET.exists():
        return "there is no Docker engine", f"install one (Debian, Ubuntu: apt install docker.io); {INSTEAD}"
    if "Connection refused" in said or "No such file" in said or "Connection aborted" in said:
        return "the Docker engine is not running", f"sudo systemctl start docker (or start Docker Desktop); {INSTEAD}"
    return f"the Docker engine does not answer: {said[-200:]}", f"docker info says more; {INSTEAD}"


def unfit(about: dict[str, Any]) -> tuple[str, str] | None:
    """What makes an engine unfit for the labs, and what to do; None if nothing does."""
    version = str(about.get("ServerVersion") or about.get("Version", ""))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST:
        return f"the Docker engine is too old: {version}", f"update it to 20.10 or newer; {INSTEAD}"
    if sys.platform != "linux" or "Docker Desktop" in str(about.get("OperatingSystem", "")):
        seen = "the engine runs in a virtual machine (Docker Desktop), where the labs cannot reach its processes"
        return seen, f"use an engine on Linux or in WSL 2 itself; {INSTEAD}; docker-compose.yml runs there too"
    memory = int(about.get("MemTotal") or 0)
    if memory and memory < MEMORY:
        return f"the Docker engine has {memory / 1e9:.1f} GB of memory; the labs need 2", f"give it more; {INSTEAD}"
    return None


def state() -> str:
    """This checkout's state, as a label."""
    return hashlib.sha256(bytes(paths.state())).hexdigest()[:12]


def marker() -> Path:
    """The file that says that containers of ours may be there: without it nobody asks the engine."""
    return paths.runtime() / "containers"


def containers(stack: str = "") -> list[Any]:
    """Our containers, running or not; of one stack if it is named."""
    labels = [f"{LABEL}={state()}", *([f"delab.stack={stack}"] if stack else [])]
    with explained("list containers"):
        return list(client().containers.list(all=True, filters={"label": labels}, ignore_removed=True))
    return []


def remove(*chosen: Any) -> None:
    """Remove containers with all that runs in them."""
    from docker.errors import NotFound

    for container in chosen:
        with explained(f"remove {container.name}"), suppress(NotFound):
            container.remove(force=True, v=True)


def clear(stack: str) -> None:
    """Remove a stack's containers, if the engine answers: one that does not run has none running."""
    with suppress(Blocked):
        remove(*containers(stack))


def collect(*, everything: bool = False) -> None:
    """Remove containers whose stack's folder is gone (its command was killed), or all of ours."""
    if not marker().exists():
        return
    with suppress(Blocked):  # an engine that does not run has no containers running
        remove(*(one for one in containers() if everything or not Path(one.labels["delab.folder"]).exists()))
        if not containers():
            marker().unlink(missing_ok=True)


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn the engine's errors, and its silence, into Blocked."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException) as error:
        said = str(getattr(error, "explanation", "") or error)[-400:]
        raise Blocked(f"the Docker engine could not {what}: {said}", "`lab doctor` looks at the machine") from error


@cache
def inputs(name: str) -> str:
    """The digest of what an image is built from."""
    digest = hashlib.sha256()
    chosen = [
        *(ROOT / "docker").rglob("*"),
        *(ROOT / "requirements").rglob("*.lock"),
        ROOT / "delab/launch.py",
        ROOT / "delab/link.py",
        ROOT / "delab/spark_connect.py",
        ROOT / "delab/flink_main.py",
    ]
    if name == "airflow":
        chosen += [*(ROOT / "delab").rglob("*.py")]
    for path in sorted(path for path in chosen if path.is_file() and "secrets" not in path.parts):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def image(name: str) -> str:
    """The image `delab/NAME`, built if it is not there or what it is made from has changed. Raises Blocked."""
    tag, wanted = f"delab/{name}:latest", inputs(name)
    if not there(tag, wanted):
        with files.locked(paths.lock(f"image-{name}"), seconds=BUILD_SECONDS):
            if not there(tag, wanted):  # else another command was quicker
                build(name, tag, wanted)
    return tag


def built(name: str) -> bool:
    """Whether there is an image for a kind of service, be it of an earlier version, so that building it is quick."""
    from docker.errors import ImageNotFound

    with explained(f"look for the image of {name}"), suppress(ImageNotFound):
        return bool(client().images.get(f"delab/{name}:latest"))
    return False


def there(tag: str, wanted: str) -> bool:
    """Whether an image is there and was built from these inputs."""
    from docker.errors import ImageNotFound

    with explained(f"look for the image {tag}"), suppress(ImageNotFound):
        return bool(client().images.get(tag).labels.get(INPUTS) == wanted)
    return False


def build(name: str, tag: str, wanted: str, folder: Path | None = None) -> None:
    """Build one target of docker/Dockerfile, or a folder that has a Dockerfile.

    The certificates that SSL_CERT_FILE names are lent to the build, not kept.
    """
    print(f"building the image {tag} (once; minutes, if nothing of it is there)", file=sys.stderr)
    bundle = Path(os.environ.get("SSL_CERT_FILE", ""))
    lent = bundle if bundle.is_file() else ROOT / "docker" / "no-ca.pem"
    target = ["-f", "docker/Dockerfile", "--target", name] if folder is None else []
    command = ["docker", "build", "-q", *target, "--secret", f"id=ca,src={lent}"]
    command += ["--label", f"{INPUTS}={wanted}", "-t", tag, str(folder or ".")]
    variables = {**os.environ, "DOCKER_BUILDKIT": "1"}
    try:
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise Blocked("the command `docker`, which builds images, is not installed", f"apt install docker.io; {INSTEAD}") from error
    if done.returncode:
        fix = "repeat `docker compose build` to see all of it; without a registry, scripts/docker-here makes the base image"
        raise Blocked(f"the image {tag} could not be built: {done.stderr.strip()[-600:]}", fix)


def main(names: Sequence[str]) -> int:
    """Build images; returns 1, after the reason, if one could not be built."""
    try:
        for name in names:
            print(image(name))
    except Blocked as problem:
        print(problem.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
