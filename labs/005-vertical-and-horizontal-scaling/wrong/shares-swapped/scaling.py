"""Bring an application up in containers, scale it up and out, and measure what each replica uses."""

import time
import urllib.request
from contextlib import suppress

import psutil
from docker.errors import NotFound

import docker

LABEL = "delab.project"
PERIOD = 100_000  # microseconds: the kernel hands out processor time in such slices
engine = docker.from_env(timeout=60)


def labels(project, **more):
    return {LABEL: project, **more}


def found(project, role):
    """The project's containers of a role, by name."""
    chosen = engine.containers.list(all=True, filters={"label": [f"{LABEL}={project}", f"role={role}"]})
    return sorted(chosen, key=lambda container: container.name)


def limits(cpus, memory):
    """As quota and period, because a container made with `nano_cpus` can't be changed by the SDK's `update`."""
    size = int(memory) << 20
    return {"cpu_period": PERIOD, "cpu_quota": round(cpus * PERIOD), "mem_limit": size, "memswap_limit": size}


def make(project, image, role, **options):
    options.setdefault("name", f"{project}-{role}")
    engine.containers.run(
        image,
        detach=True,
        labels=labels(project, role=role),
        restart_policy={"Name": "always"},
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        **options,
    )


def network_of(project):
    """The project's network. (Made twice, there would be two of the same name.)"""
    there = engine.networks.list(filters={"label": f"{LABEL}={project}"})
    return there[0] if there else engine.networks.create(f"{project}-net", labels=labels(project))


def add_replica(project, image, number, limited):
    """Make a replica: one more address behind the name `app`, and the same volume for what is done as all the others."""
    name, network = f"{project}-app-{number}", network_of(project).name
    state = {f"{project}-state": {"bind": "/state", "mode": "rw"}}
    alias = {network: engine.api.create_endpoint_config(aliases=["app"])}
    make(project, image, "replica", name=name, network=network, networking_config=alias, volumes=state, **limited)
    wait_for(lambda: answers(name), f"{name} to answer")


def answers(name):
    """Whether the application answers, asked from inside its container: from there the balancer is not in between."""
    probe = "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health', timeout=5)"
    return engine.containers.get(name).exec_run(["python3", "-c", probe]).exit_code == 0


def wait_for(condition, what, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def url_of(project):
    """Where the balancer is published; Docker has chosen the port."""
    balancer = found(project, "balancer")[0]
    balancer.reload()
    return f"http://127.0.0.1:{balancer.ports['8080/tcp'][0]['HostPort']}"


def healthy(url):
    with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
        return answer.status == 204
    return False


def deploy(project, image, replicas, cpus, memory):
    network_of(project)
    if not engine.volumes.list(filters={"label": f"{LABEL}={project}"}):
        engine.volumes.create(f"{project}-state", labels=labels(project))
    scale_up(project, cpus, memory)
    fill_up(project, image, replicas, limits(cpus, memory))
    if not found(project, "balancer"):
        port = {"8080/tcp": ("127.0.0.1", free_port())}
        make(project, image, "balancer", command=["python3", "/app/balance.py"], network=network_of(project).name, ports=port)
    wait_for(lambda: healthy(url_of(project)), "the balancer")
    return url_of(project)


def free_port():
    """A fixed port, so that the address stays the same when the balancer is restarted."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def scale_up(project, cpus, memory):
    for replica in found(project, "replica"):
        replica.update(**limits(cpus, memory))


def scale_out(project, replicas):
    first = found(project, "replica")[0]
    host = first.attrs["HostConfig"]
    same = {"cpu_period": host["CpuPeriod"], "cpu_quota": host["CpuQuota"]}
    same |= {"mem_limit": host["Memory"], "memswap_limit": host["MemorySwap"]}
    fill_up(project, first.attrs["Config"]["Image"], replicas, same)


def fill_up(project, image, replicas, limited):
    """Make the replicas that are missing, and stop those that are too many in an orderly way."""
    there = {int(one.name.rpartition("-")[2]): one for one in found(project, "replica")}
    for number in sorted(there)[replicas:]:
        there[number].stop(timeout=60)  # SIGTERM: it takes no new requests, and finishes those that it has
        there[number].remove()
    missing = [number for number in range(1, replicas + 1 + len(there)) if number not in there]
    for number in missing[: max(0, replicas - len(there))]:
        add_replica(project, image, number, limited)


def cpu_seconds(container):
    """Processor time of all processes in a container, those that have ended included.

    The engine tells the first one. It (tini) only waits, the application is below, and each request is a process further down: it
    is over when we look, but its parent has its time in `children_user` and `children_system`.
    """
    first = psutil.Process(container.attrs["State"]["Pid"])
    total = 0.0
    for process in [first, *first.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def throttled(container):
    """In how many periods the kernel has made it wait for more processor time."""
    told = engine.api.stats(container.id, stream=False, one_shot=True)
    return told["cpu_stats"]["throttling_data"]["throttled_periods"]


def snapshot(project):
    return {one.name: (cpu_seconds(one), throttled(one)) for one in found(project, "replica")}


def measure(project, load):
    before = snapshot(project)
    load()
    after = snapshot(project)
    return {
        name: {"cpu_seconds": after[name][0] - cpu, "throttled_periods": after[name][1] - periods}
        for name, (cpu, periods) in before.items()
    }


def speedup(answers, replicas):
    """Amdahl: what is done one at a time takes as long as before, the rest is shared."""
    serial = sum(answer["serial"] for answer in answers)
    parallel = sum(answer["parallel"] for answer in answers)
    return (serial + parallel) / (serial / replicas + parallel)


def remove(project):
    for container in engine.containers.list(all=True, filters={"label": f"{LABEL}={project}"}):
        with suppress(NotFound):
            container.remove(force=True, v=True)
    for network in engine.networks.list(filters={"label": f"{LABEL}={project}"}):
        network.remove()
    for volume in engine.volumes.list(filters={"label": f"{LABEL}={project}"}):
        volume.remove()
