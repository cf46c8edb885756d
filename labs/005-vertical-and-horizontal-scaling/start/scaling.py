"""Bring an application up in containers, scale it up and out, and measure what each replica uses. See the task in README.md."""

import socket
import time
import urllib.request

import docker

LABEL = "delab.project"
engine = docker.from_env(timeout=60)


def deploy(project, image, replicas, cpus, memory):
    """So many replicas of `image`, each with `cpus` processors and `memory` MiB; the address at which they answer.

    So far: one container without limits, without a balancer, and only the first time.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    engine.containers.run(
        image,
        detach=True,
        name=f"{project}-app-1",
        labels={LABEL: project, "role": "replica"},
        ports={"8000/tcp": ("127.0.0.1", port)},
    )
    url = f"http://127.0.0.1:{port}"
    wait_for(lambda: healthy(url), "the application")
    return url


def scale_up(project, cpus, memory):
    """Give the running replicas other limits."""
    raise NotImplementedError


def scale_out(project, replicas):
    """Have so many replicas, under the limits of those that run."""
    raise NotImplementedError


def measure(project, load):
    """Call load(); then {container's name: {"cpu_seconds": …, "throttled_periods": …}} of each replica meanwhile."""
    raise NotImplementedError


def speedup(answers, replicas):
    """How many times quicker the work of `answers` can get with so many replicas."""
    raise NotImplementedError


def remove(project):
    """Remove all that belongs to the project."""
    raise NotImplementedError


def healthy(url):
    """Whether the application answers there."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return answer.status == 204
    except OSError:
        return False


def wait_for(condition, what, seconds=60):
    """Wait until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)
