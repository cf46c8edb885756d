"""The learner's dbt project: built as a check asks, with dbt's errors told in the learner's words.

A check that asks for the fixture `dbt` gets the project that is handed in, in the copy, on the lab's first PostgreSQL server.
dbt is imported once, in a process that starts with the verification; each build is a process of its own (delab.warehouse).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from delab import wait, warehouse
from delab.checks.failing import expect, fail
from delab.checks.work import Work
from delab.errors import Blocked
from delab.runtime import Node
from delab.warehouse import Build, NodeResult, Worker

SECONDS = 60  # that one call of dbt may take
LIMITS = {"memory": 4096, "file": 64}  # MiB: address space, and one file that dbt writes
SCHEMA = "analytics"
SAID = 12  # lines of a message that are shown


class Column(msgspec.Struct, frozen=True):
    """A column that a .yml file speaks of."""

    name: str
    description: str = ""


class Generic(msgspec.Struct, frozen=True):
    """Which generic test this is, and its arguments."""

    name: str
    kwargs: dict[str, Any] = {}


class Depends(msgspec.Struct, frozen=True):
    """What a node is made from: ids of models, sources, seeds."""

    nodes: tuple[str, ...] = ()


class Element(msgspec.Struct, frozen=True):
    """A node of the project as dbt's manifest has it: a model, a test, a snapshot, a seed or a source."""

    unique_id: str
    name: str
    resource_type: str
    original_file_path: str = ""
    description: str = ""
    columns: dict[str, Column] = {}
    config: dict[str, Any] = {}
    depends_on: Depends = Depends()
    raw_code: str = ""
    compiled_code: str | None = None
    test_metadata: Generic | None = None
    column_name: str | None = None
    attached_node: str | None = None  # the model that a generic test is written at


class Manifest(msgspec.Struct, frozen=True):
    """The project as dbt understands it."""

    nodes: dict[str, Element]
    sources: dict[str, Element] = {}
    unit_tests: dict[str, Element] = {}

    def of_kind(self, *kinds: str) -> list[Element]:
        """The nodes of these kinds: model, test, snapshot, seed."""
        return [node for node in self.nodes.values() if node.resource_type in kinds]

    def model(self, name: str) -> Element:
        """The model, snapshot or seed of that name; fails the check if there is none."""
        there = {node.name: node for node in self.of_kind("model", "snapshot", "seed")}
        if name not in there:
            fail(expected=f"a model named {name}", seen=f"only {', '.join(sorted(there)) or 'nothing'}")
        return there[name]

    def tests(self, model: str = "") -> list[Element]:
        """The data tests, or those that look at a model (generic ones written at it, singular ones that refer to it)."""
        tests = self.of_kind("test")
        return tests if not model else [test for test in tests if self.looks_at(test, self.model(model).unique_id)]

    def looks_at(self, test: Element, target: str) -> bool:
        """Whether a test is about a node."""
        return test.attached_node == target if test.attached_node else target in test.depends_on.nodes


@dataclass
class Project:
    """The project in the copy. `schema` is what profiles.yml gets as DBT_SCHEMA; `environment` adds to what dbt is told."""

    work: Work
    node: Node
    worker: Worker
    schema: str = SCHEMA
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def target(self) -> Path:
        """Where dbt writes: one folder for all builds, so that it parses only what has changed."""
        return self.work.run_folder / "dbt"

    def on(self, node: Node, schema: str = SCHEMA, **environment: str) -> "Project":
        """The same project on another server, into another schema, or with other variables."""
        return Project(self.work, node, self.worker, schema, environment)

    def run(self, command: str, *arguments: str, seconds: float = SECONDS, **variables: Any) -> Build:
        """One call of dbt, however its nodes go; fails the check if dbt can't read the project or doesn't come to an end."""
        told = {**self.work.environment, **warehouse.postgres(self.node.endpoint), "DBT_SCHEMA": self.schema, **self.environment}
        del told["DBT_TARGET"]  # the learner's profile says which
        if not (self.work.folder / "dbt_project.yml").is_file():
            fail(expected="dbt_project.yml is in your folder", seen="there is no such file", command="ls -la")
        at = warehouse.Warehouse(self.worker, self.target, told, self.work.folder, limits=LIMITS)
        built = at.run(command, *arguments, seconds=seconds * wait.scale(), **variables)
        self.blame(command, built)
        return built

    def blame(self, command: str, built: Build) -> None:
        """Say why dbt itself could not do it; a server that is gone is not the learner's."""
        if not built.success and not self.node.ready():
            raise Blocked(f"{self.node.name} does not answer any more", "verify again; `lab doctor` looks at the machine")
        if built.exception:
            fail(expected=f"`dbt {command}` reads your project and comes to its end", seen=self.shorten(built.exception))

    def build(self, *arguments: str, expected: str = "", seconds: float = SECONDS, **variables: Any) -> Build:
        """`dbt build`; fails the check unless all models, snapshots and tests went well, naming the first that did not."""
        built = self.run("build", *arguments, seconds=seconds, **variables)
        for node in built.bad():
            fail(expected=expected or f"`dbt build` ends well: {node.name}", seen=self.describe(node))
        selected = f"`dbt build {' '.join(arguments)}`".replace(" `", "`")
        expect(built.nodes, expected=f"{selected} has something to build", seen="there is no model that is enabled")
        expect(built.success, expected=f"{selected} ends well", seen=self.shorten(built.log))
        return built

    def describe(self, node: NodeResult) -> str:
        """A node that went wrong, in dbt's words."""
        found = f"; it found {node.failures} rows" if node.failures else ""
        return f"{node.name}: {node.status}{found}: {self.shorten(node.message)}"

    def shorten(self, said: str) -> str:
        """dbt's words without our paths and without where the compiled code is."""
        lines = [line for line in said.strip().splitlines() if line.strip() and "compiled code at" not in line]
        return re.sub(rf"{re.escape(str(self.work.run_folder))}/(work/|dbt/)?", "", "\n".join(lines[:SAID]))

    def manifest(self) -> Manifest:
        """The project as dbt understands it, also before anything was built."""
        if not (self.target / "manifest.json").exists():
            self.run("parse")
        return msgspec.json.decode((self.target / "manifest.json").read_bytes(), type=Manifest)

    def relation(self, name: str) -> str:
        """The quoted table or view that a model makes: `"analytics"."dim_customer"`; fails the check if there is no such model."""
        model = self.manifest().model(name)
        return self.relations()[model.unique_id]

    def relations(self) -> dict[str, str]:
        """The table or view of each model, by dbt's id, without the database's name."""
        raw = msgspec.json.decode((self.target / "manifest.json").read_bytes(), type=RawManifest)
        return {id: ".".join(quoted(node)) for id, node in raw.nodes.items() if node.schema}


class RawNode(msgspec.Struct, frozen=True):
    """Where a node's rows are."""

    schema: str | None = None
    alias: str | None = None
    name: str = ""


class RawManifest(msgspec.Struct, frozen=True):
    """The part of the manifest that says where rows are."""

    nodes: dict[str, RawNode]


def quoted(node: RawNode) -> Iterator[str]:
    """Schema and table, quoted for SQL."""
    for part in (node.schema or "", node.alias or node.name):
        yield '"' + part.replace('"', '""') + '"'
