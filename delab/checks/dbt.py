"""The learner's dbt project: built as a check asks, with dbt's errors told in the learner's words.

A check that asks for the fixture `dbt` gets the project that is handed in, in the copy, on the lab's first PostgreSQL server.
dbt is imported once, in a process that starts with the verification; each build is a process of its own (delab.warehouse).
"""

import contextlib
import re
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from delab import wait, warehouse
from delab.checks.database import Database
from delab.checks.failing import expect, fail
from delab.checks.work import Work
from delab.runtime import Node
from delab.warehouse import Build, NodeResult, Worker

SECONDS = 150  # that one call of dbt may take: a small project builds in two on a quiet machine
LIMITS = {"memory": 4096, "file": 16}  # MiB: address space, and one file that dbt writes
FLOOD = 15 << 20  # bytes that dbt prints: it goes on when it can write no more, until its time is over
SPILLED = "-c temp_file_limit=256MB"  # that a statement may put aside: recursion without end would fill the memory
SCHEMA = "analytics"
SAID = 12  # lines of a message that are shown
LONGEST_LINE = 300  # characters
UNCHECKED = "SET session_replication_role = replica"  # no foreign keys, no triggers
# The columns that a table keeps; what it computes is not written back.
STORED = """
SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''
"""
# Sessions that a build left when it was killed: they would hold locks.
LEFT = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dbt'"


class Column(msgspec.Struct, frozen=True):
    """A column that a .yml file speaks of."""

    name: str
    description: str = ""
    data_type: str | None = None
    meta: dict[str, Any] = {}
    config: dict[str, Any] = {}

    def meta_data(self) -> dict[str, Any]:
        """Its `meta`, wherever it is written."""
        return {**self.meta, **(self.config.get("meta") or {})}


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
    meta: dict[str, Any] = {}
    config: dict[str, Any] = {}
    depends_on: Depends = Depends()
    raw_code: str = ""
    compiled_code: str | None = None
    test_metadata: Generic | None = None
    column_name: str | None = None
    attached_node: str | None = None  # the model that a generic test is written at
    identifier: str = ""  # of a source, if its table has another name than the project gives it

    @property
    def table(self) -> str:
        """Of a source, the name of its table in the database."""
        return self.identifier or self.name

    def meta_data(self) -> dict[str, Any]:
        """Its `meta`, wherever it is written."""
        return {**self.meta, **(self.config.get("meta") or {})}


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

    @cached_property
    def database(self) -> Database:
        """The server that it is built on."""
        return Database(self.node, seconds=SECONDS, kept=True)

    @property
    def target(self) -> Path:
        """Where dbt writes: one folder for all builds of a server and a schema, so that it parses only what has changed."""
        variables = "".join(f"{key}={value}\n" for key, value in sorted(self.environment.items()))
        return self.work.run_folder / "dbt" / f"{self.node.endpoint.port}-{self.schema}-{zlib.crc32(variables.encode()):08x}"

    def on(self, node: Node, schema: str = SCHEMA, **environment: str) -> "Project":
        """The same project on another server, into another schema, or with other variables."""
        return Project(self.work, node, self.worker, schema, environment)

    def told(self, seconds: float) -> dict[str, str]:
        """The variables that dbt is told; a statement that does not end is ended by the server."""
        at = {**self.work.environment, **warehouse.libpq(self.node.endpoint)}
        limit = f"-c statement_timeout={int(seconds * wait.scale() * 500)} {SPILLED}"  # half of the time for one of them
        return {**at, "DBT_SCHEMA": self.schema, "PGOPTIONS": limit, **self.environment}

    def run(self, command: str, *arguments: str, seconds: float = SECONDS, **variables: Any) -> Build:
        """One call of dbt, however its nodes go; fails the check if dbt can't read the project or doesn't come to an end."""
        if not (self.work.folder / "dbt_project.yml").is_file():
            fail(expected="dbt_project.yml is in your folder", seen="there is no such file", command="ls -la")
        at = warehouse.Warehouse(self.worker, self.target, self.told(seconds), self.work.folder, limits=LIMITS)
        built = at.run(command, *arguments, seconds=seconds * wait.scale(), **variables)
        if not built.success:
            self.database.execute(LEFT)  # a server that is gone is not the learner's: this raises Blocked
        if built.exception:
            fail(expected=f"`dbt {command}` reads your project and comes to its end", seen=self.broken(built))
        return built

    def broken(self, built: Build) -> str:
        """Why dbt itself gave up."""
        if len(built.log) >= FLOOD:
            return f"it printed more than {FLOOD >> 20} MiB and was stopped"
        if "longer than" in built.exception:
            return f"{built.exception} and was stopped (a loop in Jinja that does not end, or a query that waits?)"
        return self.shorten(built.exception)

    def build(self, *arguments: str, expected: str = "", seconds: float = SECONDS, **variables: Any) -> Build:
        """`dbt build`; fails the check unless all models, snapshots and tests went well, naming the first that did not."""
        built = self.run("build", *arguments, seconds=seconds, **variables)
        for node in built.bad():
            fail(expected=expected or f"`dbt build` ends well: {node.name}", seen=self.describe(node))
        selected = f"`dbt build {' '.join(arguments)}`".replace(" `", "`")
        expect(built.nodes, expected=f"{selected} has something to build", seen="there is no model that is enabled")
        expect(built.success, expected=f"{selected} ends well", seen=self.shorten(built.log))
        self.see_where(built)
        return built

    def see_where(self, built: Build) -> None:
        """Fail if what was built is not on this server: a profile with an address of its own."""
        made = [self.relations().get(node.id) for node in built.nodes if node.status == "success"]
        there = [name for name in made if name]
        if there and not self.database.value("SELECT bool_or(to_regclass(n) IS NOT NULL) FROM unnest(%s) AS n", there):
            seen = f"dbt says that it is built, but {there[0]} is not there: profiles.yml leads to another server or database"
            fail(expected="profiles.yml reads where the server is from PGHOST, PGPORT, PGDATABASE, …", seen=seen)

    def describe(self, node: NodeResult) -> str:
        """A node that went wrong, in dbt's words, with the learner's line if one is quoted."""
        found = f"; it found {node.failures} rows" if node.failures else ""
        return f"{node.name}: {node.status}{found}: {self.shorten(node.message)}{self.line_of(node)}"

    def line_of(self, node: NodeResult) -> str:
        """Where the line that PostgreSQL quotes stands in the learner's file (its own number counts lines of compiled code)."""
        quoted_line = re.search(r"^\s*LINE \d+: (?P<text>.*\S)", node.message, re.MULTILINE)
        element = self.manifest().nodes.get(node.id)
        if not quoted_line or element is None or not (path := self.work.folder / element.original_file_path).is_file():
            return ""
        lines = path.read_text(errors="replace").splitlines()
        text = quoted_line["text"].strip().strip(".")
        at = [number for number, line in enumerate(lines, 1) if text in line]
        return f"\n  that is {element.original_file_path}, line {at[0]}" if len(at) == 1 else ""

    def shorten(self, said: str) -> str:
        """dbt's words without our paths and without where the compiled code is."""
        lines = [line[:LONGEST_LINE] for line in said.strip().splitlines() if line.strip() and "compiled code at" not in line]
        place = rf"{re.escape(str(self.work.run_folder))}/(work/|dbt/[^/]*/)?"
        return re.sub(place, "", "\n".join(lines[:SAID]))

    def manifest(self) -> Manifest:
        """The project as dbt understands it, also before anything was built."""
        return msgspec.json.decode(self.artifact("manifest.json", "parse"), type=Manifest)

    def artifact(self, name: str, command: str) -> bytes:
        """A file that dbt writes, made by `command` if it is not there."""
        if not (self.target / name).exists():
            self.run(command)
        return (self.target / name).read_bytes()

    def catalog(self) -> dict[str, list[str]]:
        """`dbt docs generate`: by dbt's id, the columns that each table or view has in the database."""
        self.run("docs generate")
        found = msgspec.json.decode((self.target / "catalog.json").read_bytes())
        return {id: list(node["columns"]) for id, node in (found["nodes"] | found["sources"]).items()}

    def relation(self, name: str) -> str:
        """The quoted table or view that a model makes: `"analytics"."dim_customer"`; fails the check if there is no such model."""
        model = self.manifest().model(name)
        if model.config.get("materialized") == "ephemeral":
            fail(expected=f"{name} is a table or a view", seen="it is ephemeral: there is nothing to ask")
        return self.relations()[model.unique_id]

    def relations(self) -> dict[str, str]:
        """The table or view of each model, by dbt's id, without the database's name."""
        raw = msgspec.json.decode(self.artifact("manifest.json", "parse"), type=RawManifest)
        return {id: ".".join(quoted(node)) for id, node in raw.nodes.items() if node.schema}

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows of a query in which `{dim_customer}` stands for the table or view of that model; `values` fill its %s."""
        names = set(re.findall(r"{(\w+)}", query))
        return self.database.rows(query.format(**{name: self.relation(name) for name in names}), *values)

    def fired(self, built: Build, *statuses: str) -> list[Element]:
        """The data tests that found something: `fail`, or the statuses given (`warn`; `error`: the test itself is broken)."""
        nodes = self.manifest().nodes
        wanted = statuses or ("fail",)
        return [nodes[result.id] for result in built.nodes if result.status in wanted and result.id.startswith("test.")]

    @contextlib.contextmanager
    def planted(self, table: str, *statements: str) -> Iterator[None]:
        """Within the block, a source table (`raw.orders`) is as the statements change it; after it, it is as it was."""
        keep, database = f'"delab_kept_{zlib.crc32(table.encode()):08x}"', self.database
        database.execute(f"CREATE TABLE {keep} AS TABLE {table}")
        columns = database.value(STORED, table)
        back = f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {keep}"
        try:
            for statement in statements:
                database.execute(f"{UNCHECKED}; {statement}")
            yield
        finally:
            database.execute(f"{UNCHECKED}; DELETE FROM {table}; {back}; DROP TABLE {keep}")


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
