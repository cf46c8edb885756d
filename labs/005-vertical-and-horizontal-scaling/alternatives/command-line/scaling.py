"""The same with the docker command, whose `--cpus` can be updated; replicas are asked for through the balancer."""

import json
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import psutil


def docker(*words):
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


def names(project, role=""):
    more = ["--filter", f"label=role={role}"] if role else []
    return docker("ps", "-aq", "--no-trunc", "--filter", f"label=delab.project={project}", *more).split()


def about(container):
    return json.loads(docker("inspect", container))[0]


def run(project, role, name, *words):
    docker(
        "run", "-d", "--name", f"{project}-{name}", "--label", f"delab.project={project}", "--label", f"role={role}",
        "--restart", "unless-stopped", "--network", f"{project}-net", *words,
    )  # fmt: skip


def deploy(project, image, replicas, cpus, memory):
    mine = f"label=delab.project={project}"
    if not docker("network", "ls", "-q", "--filter", mine):
        docker("network", "create", "--label", f"delab.project={project}", f"{project}-net")
    docker("volume", "create", "--label", f"delab.project={project}", f"{project}-state")
    if not names(project, "balancer"):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        run(project, "balancer", "front", "-p", f"127.0.0.1:{port}:8080", "-e", "BACKENDS=web", image, "python3", "/app/balance.py")
    if names(project, "replica"):
        scale_up(project, cpus, memory)
    adjust(project, image, replicas, cpus, f"{memory}m")
    return url(project)


def url(project):
    (balancer,) = names(project, "balancer")
    return f"http://{docker('port', balancer, '8080').splitlines()[0]}"


def scale_up(project, cpus, memory):
    docker("update", "--cpus", str(cpus), "--memory", f"{memory}m", "--memory-swap", f"{memory}m", *names(project, "replica"))


def scale_out(project, replicas):
    first = about(names(project, "replica")[0])
    limits = first["HostConfig"]
    adjust(project, first["Config"]["Image"], replicas, limits["NanoCpus"] / 1e9, str(limits["Memory"]))


def adjust(project, image, replicas, cpus, memory):
    there = names(project, "replica")
    for extra in there[replicas:]:
        docker("stop", "-t", "60", extra)
        docker("rm", extra)
    for _ in range(len(there), replicas):
        number = time.time_ns()
        run(
            project, "replica", f"web-{number}", "--network-alias", "web", "-v", f"{project}-state:/state",
            "--cpus", str(cpus), "--memory", memory, "--memory-swap", memory, image,
        )  # fmt: skip
    wanted, seen = {about(one)["Config"]["Hostname"] for one in names(project, "replica")}, set()
    deadline = time.monotonic() + 60
    while not wanted <= seen:
        assert time.monotonic() < deadline, f"only {seen} of {wanted} answer"
        try:
            with urllib.request.urlopen(f"{url(project)}/count", timeout=10) as answer:
                seen.add(json.load(answer)["replica"])
        except OSError:
            time.sleep(0.05)


def used(container):
    main = psutil.Process(about(container)["State"]["Pid"])
    family = [main, *main.children(recursive=True)]
    return sum(sum(one.cpu_times()[:4]) for one in family if one.is_running())


def throttled(container):
    """From the cgroup's own file, wherever this kernel has it."""
    pid = about(container)["State"]["Pid"]
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" or "cpu" in controllers.split(","):
            folder = f"/sys/fs/cgroup/cpu{path}" if controllers else f"/sys/fs/cgroup{path}"
            try:
                stat = dict(pair.split() for pair in Path(f"{folder}/cpu.stat").read_text().splitlines())
            except OSError:
                continue
            return int(stat["nr_throttled"])
    raise LookupError("no cgroup with a limit of processor time")


def measure(project, load):
    all_of_them = names(project, "replica")
    before = {one: (used(one), throttled(one)) for one in all_of_them}
    load()
    return {
        about(one)["Name"].strip("/"): {
            "cpu_seconds": used(one) - before[one][0],
            "throttled_periods": throttled(one) - before[one][1],
        }
        for one in all_of_them
    }


def speedup(answers, replicas):
    total = sum(one["serial"] + one["parallel"] for one in answers)
    share = sum(one["serial"] for one in answers) / total
    return 1 / (share + (1 - share) / replicas)


def remove(project):
    if found := names(project):
        docker("rm", "-f", *found)
    for what in ("network", "volume"):
        if found := docker(what, "ls", "-q", "--filter", f"label=delab.project={project}").split():
            docker(what, "rm", *found)
