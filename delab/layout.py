"""The ports of a stack, written down so that they stay."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from delab import files, ports
from delab.services.base import Service


@dataclass
class Layout:
    """The ports of a stack: of each service, and of each link `one>other`."""

    services: dict[str, int] = field(default_factory=dict)
    links: dict[str, int] = field(default_factory=dict)

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
            for peer in service.reaches():
                layout.links[f"{service.name}>{peer}"] = ports.choose(layout.all())
        return layout

    def all(self) -> list[int]:
        """Every port in a fixed order."""
        return [*self.services.values(), *self.links.values()]

    def write(self, folder: Path) -> None:
        """Into a stack's folder."""
        content = {"services": self.services, "links": self.links}
        files.write_atomic(folder / "stack.json", json.dumps(content).encode())

    def reached(self, name: str) -> dict[str, int]:
        """At which port each service is reached from `name`."""
        return {peer: self.links.get(f"{name}>{peer}", port) for peer, port in self.services.items()}
