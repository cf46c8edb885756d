"""Runs a Compose file that has been judged, as another project, and tells what the engine says of it."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

from delab import engine, wait
from delab.errors import Blocked, Timeout

INSTALL = "install Compose (Debian 13: docker-compose; Ubuntu: docker-compose-v2; Docker's own: docker-compose-plugin)"
KEPT = ("PATH", "HOME", "DOCKER_HOST", "DOCKER_CONFIG", "LANG")
GATE = "/tmp/gate"
NONE = "0001-01-01T00:00:00Z"  # Docker's "never"


class Compose:
    """The command `docker compose`, with variables that the file may use."""

    def __init__(self, project: Any, folder: Path, variables: Mapping[str, str]) -> None:
        self.project, self.folder = project, folder
        self.environment = {key: os.environ[key] for key in KEPT if key in os.environ} | dict(variables)
        self.environment.setdefault("DOCKER_HOST", f"unix://{engine.SOCKET}")  # the same engine as ours, whatever the CLI's context
        self.resolved = folder.parent / "resolved.json"

    def command(self, *words: str) -> list[str]:
        """A command on this project."""
        return ["docker", "compose", "-p", self.project.name, *words]

    def run(self, *words: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run it to its end. Raises Blocked if there is no Compose, Timeout if it does not end."""
        limit = seconds * wait.scale()
        try:
            return subprocess.run(
                self.command(*words),
                cwd=self.folder,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=limit,
                check=False,
            )
        except FileNotFoundError as error:
            raise Blocked("the command `docker` is not installed", INSTALL) from error
        except subprocess.TimeoutExpired as error:
            raise Timeout(f"waited {limit:.0f} s for docker compose {words[-1]}") from error

    def there(self) -> None:
        """Raise Blocked unless Compose is installed."""
        if self.run("version").returncode:
            raise Blocked("Docker has no `docker compose`", INSTALL)

    def config(self) -> tuple[dict[str, Any], str]:
        """What the learner's file means, with everything filled in; or why it means nothing."""
        done = self.run("-f", "compose.yaml", "--profile", "*", "config", "--format", "json", seconds=30)
        return (json.loads(done.stdout), "") if done.returncode == 0 else ({}, done.stderr.strip()[-600:])

    def use(self, config: dict[str, Any], gate: str) -> None:
        """What is run from now on is what was judged, with $GATE in the storage's environment."""
        config["services"]["storage"].setdefault("environment", {})["GATE"] = gate
        self.resolved.write_text(json.dumps(config))

    def stack(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on what was judged."""
        return self.run("-f", str(self.resolved), "--project-directory", str(self.folder), *words, **options)

    def start(self) -> subprocess.Popen[str]:
        """Begin `up --wait`; what it says is read by `communicate`."""
        words = ["-f", str(self.resolved), "--project-directory", str(self.folder), "--progress", "plain", "up", "-d", "--wait"]
        return subprocess.Popen(
            self.command(*words, "--no-build", "--pull", "never", "--quiet-pull"),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def box(self, service: str) -> Any:
        """The container of a service as it is now, or None."""
        found = [one for one in self.project.containers() if one.labels.get("com.docker.compose.service") == service]
        return found[0] if found else None

    def open(self) -> None:
        """Let the storage become ready."""
        from docker.errors import APIError

        with suppress(APIError):  # it has just ended
            self.box("storage").exec_run(["touch", GATE])

    def state(self, service: str) -> dict[str, Any]:
        """What the engine says of a service's state; empty if it was not made yet."""
        box = self.box(service)
        return dict(box.attrs["State"]) if box else {}

    def patience(self, service: str) -> float:
        """Seconds from its start until a service that fails its health checks is called unhealthy; endless before it is there."""
        box = self.box(service)
        check = (box.attrs["Config"].get("Healthcheck") if box else None) or {}
        if not check.get("Test") or check["Test"] == ["NONE"]:
            return inf
        return (check.get("StartPeriod", 0) + (check.get("Interval") or 30e9) * (check.get("Retries") or 3)) / 1e9

    def restarts_for_ever(self, service: str) -> bool:
        """Whether a service has ended well, and was started again all the same."""
        box = self.box(service)
        policy = box.attrs["HostConfig"]["RestartPolicy"]["Name"] if box else ""
        return policy in ("always", "unless-stopped") and box.attrs["RestartCount"] > 0

    def health(self, service: str) -> str:
        """`healthy`, `starting`, `unhealthy`, or nothing."""
        return str((self.state(service).get("Health") or {}).get("Status", ""))

    def log(self, service: str) -> str:
        """The last words of a service."""
        box = self.box(service)
        with engine.explained("tell a log"):
            return box.logs(tail=4).decode(errors="replace").strip()[-300:] if box else ""


def was_started(state: Mapping[str, Any]) -> bool:
    """Whether a container has ever been started."""
    return state.get("StartedAt", NONE) != NONE


def get(port: int, path: str) -> Any:
    """An answer of `serve`. Raises OSError or ValueError if there is none."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10 * wait.scale()) as answer:
        return json.load(answer)
