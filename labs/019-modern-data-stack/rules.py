"""What a Compose file may ask for, judged from `docker compose config`, before anything of it is run.

What is not known to be harmless is refused: a learner's file may have been copied from anywhere.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

SERVICES = ("storage", "ingest", "compute", "serve")
TOP = {"name", "services", "networks", "volumes", "secrets", "configs"}
KEYS = {
    "annotations", "attach", "cap_drop", "command", "configs", "cpus", "depends_on", "deploy", "entrypoint",
    "environment", "expose", "healthcheck", "hostname", "image", "init", "labels", "logging", "mem_limit",
    "mem_reservation", "memswap_limit", "networks", "oom_score_adj", "pids_limit", "platform", "ports", "pull_policy",
    "read_only", "restart", "scale", "secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period",
    "stop_signal", "tmpfs", "tty", "ulimits", "user", "volumes", "working_dir",
}  # fmt: skip
WHY = {
    "privileged": "it is root on this machine",
    "network_mode": "it is taken out of the stack's own network",
    "pid": "it sees this machine's processes",
    "ipc": "it shares memory with this machine",
    "devices": "it gets this machine's devices",
    "cap_add": "it gets rights that it does not need",
    "build": "the stack is made of the image that there is",
    "container_name": "the stack could not be brought up twice on one machine",
    "profiles": "a service of a profile is not brought up by `docker compose up`",
}
SECURITY = ("no-new-privileges", "no-new-privileges:true", "no-new-privileges=true")


class Rules:
    """The judgement of one file. Each method yields what is wrong: what was expected, what was seen."""

    def __init__(self, config: dict[str, Any], project: str, image: str, folder: Path, given: tuple[Path, ...]) -> None:
        self.config, self.project, self.image = config, project, image
        self.inside = (folder.resolve(), *(path.resolve() for path in given))
        self.inbox = given[0].resolve()

    def broken(self) -> tuple[str, str] | None:
        """The first rule that is broken."""
        looks = (self.shape, self.keys, self.images, self.rights, self.mounts, self.files, self.own, self.ports)
        return next((problem for look in looks for problem in look()), None)

    def services(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each service with its name."""
        yield from (self.config.get("services") or {}).items()

    def shape(self) -> Iterator[tuple[str, str]]:
        """The four services are there; the top level holds nothing strange."""
        names = dict(self.services())
        for name in SERVICES:
            if name not in names:
                yield f"the services {', '.join(SERVICES)}", f"{', '.join(names) or 'none'}"
        for key in self.config:
            if key not in TOP and not key.startswith("x-"):
                yield f"nothing but {', '.join(sorted(TOP))} at the top level", f"`{key}`"

    def keys(self) -> Iterator[tuple[str, str]]:
        """No service asks for more than such a stack needs."""
        for name, service in self.services():
            for key, value in service.items():
                if key not in KEYS and value not in (None, False, [], {}, ""):
                    why = WHY.get(key, "this stack has no need of it")
                    yield f"{name} asks for no more than it needs", f"`{key}` of {name}: {why}"
            deploy = service.get("deploy") or {}
            odd = sorted(set(deploy) - {"resources", "replicas", "restart_policy", "mode", "placement"})
            odd += ["reservations"] if ((deploy.get("resources") or {}).get("reservations") or {}).get("devices") else []
            if odd:
                yield f"{name} asks for no more than it needs", f"`deploy: {odd[0]}` of {name}"

    def images(self) -> Iterator[tuple[str, str]]:
        """All is made of the lab's image."""
        for name, service in self.services():
            if service.get("image") != self.image:
                yield f"every service is made of {self.image}", f"{name}: {service.get('image')}"

    def rights(self) -> Iterator[tuple[str, str]]:
        """No protection is taken off, nobody is root."""
        for name, service in self.services():
            for option in service.get("security_opt") or []:
                if option not in SECURITY:
                    yield "security_opt takes no protection off", f"{option!r} of {name}"
            user = str(service.get("user") or "").partition(":")[0]
            if user and (user == "root" or (user.isdigit() and int(user) == 0)):
                yield "no service runs as root", f"user: {service['user']} of {name}"

    def mounts(self) -> Iterator[tuple[str, str]]:
        """Folders of this machine: the lab's own and the inbox, which is only read."""
        for name, service in self.services():
            for mount in service.get("volumes") or []:
                if mount["type"] == "bind":
                    yield from self.bound(name, mount)
                elif mount["type"] not in ("volume", "tmpfs"):
                    yield "mounts of the types bind, volume and tmpfs", f"{mount['type']} of {name}"

    def bound(self, name: str, mount: dict[str, Any]) -> Iterator[tuple[str, str]]:
        """One folder of this machine."""
        source = Path(mount["source"]).resolve()
        if not self.is_inside(source):
            yield "no folder of this machine but the lab's own and the inbox is mounted", f"{mount['source']} in {name}"
        if source == self.inbox and not mount.get("read_only"):
            yield "the inbox is mounted for reading only (`:ro`)", f"{name} may write to it, and remove what others have put there"

    def is_inside(self, path: Path) -> bool:
        """Whether a path is in what the stack is given."""
        return any(path.resolve() == place or place in path.resolve().parents for place in self.inside)

    def files(self) -> Iterator[tuple[str, str]]:
        """Secrets and configs come from files of the lab."""
        for kind in ("secrets", "configs"):
            for name, entry in (self.config.get(kind) or {}).items():
                if entry.get("file") and not self.is_inside(Path(entry["file"])):
                    yield f"{kind} come from files of the lab", f"{name}: {entry['file']}"
                if entry.get("external"):
                    yield f"{kind} come from files of the lab", f"{name} is external"

    def own(self) -> Iterator[tuple[str, str]]:
        """Volumes and networks belong to this project, and are what they look like."""
        for kind in ("volumes", "networks"):
            for name, entry in (self.config.get(kind) or {}).items():
                entry = entry or {}
                called = str(entry.get("name") or "")
                if entry.get("external") or not called.startswith(self.project):
                    seen = f"{name} is always called {called}: another project, or a second copy of the stack, would share it"
                    yield f"{kind} belong to the project", seen
                if entry.get("driver_opts") or entry.get("driver", "local") not in ("local", "bridge"):
                    yield f"{kind} without `driver` and `driver_opts`", f"{name}: {entry.get('driver_opts') or entry.get('driver')}"

    def ports(self) -> Iterator[tuple[str, str]]:
        """Ports are published on loopback alone."""
        for name, service in self.services():
            for port in service.get("ports") or []:
                if port.get("host_ip") != "127.0.0.1":
                    at = port.get("host_ip") or "all addresses"
                    yield "ports are published on 127.0.0.1 alone", f"{name} publishes {port.get('published')} on {at}"
