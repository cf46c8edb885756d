"""The ports of a stack, written down so that they stay."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from delab import files, ports
from delab.services.base import Service


@dataclass
class Layout:
    """The ports of a stack: of each service, its further ones `one.port`, and of each link `one>other` or `one>other.port`."""

    services: dict[str, int] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)
    further: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> "Layout":
        """From a stack's folder."""
        return cls(**json.loads((folder / "stack.json").read_text()))

    @classmethod
    def choose(cls, services: tuple[Service, ...]) -> "Layout":
        """Free ports for services and links."""
        layout = cls()
        for service in services:
            layout.services[service.name] = ports.choose(layout.all())
            for port in service.further_ports():
                layout.further[f"{service.name}.{port}"] = ports.choose(layout.all())
            for peer in service.reaches():
                layout.links[f"{service.name}>{peer}"] = ports.choose(layout.all())
        return layout

    def all(self) -> list[int]:
        """Every port in a fixed order."""
        return [*self.services.values(), *self.links.values(), *self.further.values()]

    def write(self, folder: Path) -> None:
        """Into a stack's folder."""
        content = {"services": self.services, "links": self.links, "further": self.further}
        files.write_atomic(folder / "stack.json", json.dumps(content).encode())

    def reached(self, name: str) -> dict[str, int]:
        """At which port each service is reached from `name`."""
        return {peer: self.links.get(f"{name}>{peer}", port) for peer, port in {**self.services, **self.further}.items()}

    def own(self, name: str) -> dict[str, int]:
        """The further ports of a service, by their own names."""
        return {key.partition(".")[2]: port for key, port in self.further.items() if service_of(key) == name}

    def inbound(self, name: str) -> dict[str, int]:
        """The ports of the links that lead to a service: `one` or `one.port`, where one is who reaches it."""
        found = {}
        for link, port in self.links.items():
            source, _, target = link.partition(">")
            service, dot, further = target.partition(".")
            if service == name:
                found[f"{source}{dot}{further}"] = port
        return found

    def target(self, link: str) -> int:
        """Where a link leads."""
        name = link.partition(">")[2]
        return self.services[name] if name in self.services else self.further[name]

    def renew(self, name: str) -> dict[int, int]:
        """Give a service other ports for those that somebody else has taken; returns old → new."""
        changed = {}
        for table in (self.services, self.further):
            for key in [key for key in table if service_of(key) == name and not ports.free(table[key])]:
                old, table[key] = table[key], ports.choose(self.all())
                changed[old] = table[key]
        return changed


def service_of(port: str) -> str:
    """The service of a port: `one` of `one` and of `one.port`."""
    return port.partition(".")[0]
