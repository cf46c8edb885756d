"""Where dbt has built the marts, what each model or test reads, and how a mart is filled anew."""

from collections.abc import Iterator

import psycopg2
from marts import CUSTOMERS, DAILY, Mart

from delab.checks import Database, fail
from delab.checks.dbt import Element, Project

# Of a view, the tables and views that its query names.
NAMED = """
SELECT DISTINCT format('"%s"."%s"', nspname, relname) FROM pg_rewrite AS r
JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class AS c ON c.oid = d.refobjid AND c.oid <> r.ev_class JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE r.ev_class = 'delab_reads'::regclass AND nspname NOT IN ('pg_catalog', 'information_schema')
"""
# The tables and views of a database, also those that were replaced by others of their name.
THERE = """
SELECT c.oid, format('%%I.%%I', nspname, relname) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind IN ('r', 'p', 'v', 'm') AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT starts_with(nspname, %s)
"""


class Places:
    """A project that was built: the models by the tables that they have made."""

    def __init__(self, dbt: Project, source: str) -> None:
        self.manifest, self.source = dbt.manifest(), source
        self.relations = dbt.relations()
        self.models = {model.unique_id: model for model in self.manifest.of_kind("model")}

    def model(self, mart: Mart) -> Element:
        """The model that makes the table of a mart's name; fails the check if there is none."""
        found = [model for id, model in self.models.items() if self.relations[id].endswith(f'."{mart.name}"')]
        if not found:
            names = ", ".join(sorted(self.relations[id] for id in self.models))
            fail(expected=f"a model that makes the table {mart.name}", seen=f"the models make {names or 'nothing'}")
        return found[0]

    def of(self, mart: Mart) -> str:
        """The quoted table of a mart."""
        model = self.model(mart)
        if model.config.get("materialized") == "ephemeral":
            fail(expected=f"{mart.name} is a table", seen="it is ephemeral: there is nothing to ask")
        return self.relations[model.unique_id]

    def named(self, element: Element) -> Iterator[str]:
        """The tables and views that a model or a test names by ref() and source(), also by ephemeral models within it."""
        for node in element.depends_on.nodes:
            if node in self.manifest.sources:
                yield f'"{self.source}"."{self.manifest.sources[node].table}"'
            elif node in self.models and self.models[node].config.get("materialized") == "ephemeral":
                yield from self.named(self.models[node])
            elif node in self.relations:
                yield self.relations[node]

    def made_from(self, element: Element) -> Iterator[str]:
        """The ids of the models that a model is made from, near and far."""
        for node in element.depends_on.nodes:
            if node in self.models:
                yield node
                yield from self.made_from(self.models[node])

    def in_order(self) -> list[Mart]:
        """The marts, so that each comes after those that it is made from."""
        backwards = self.model(CUSTOMERS).unique_id in self.made_from(self.model(DAILY))
        return [CUSTOMERS, DAILY] if backwards else [DAILY, CUSTOMERS]

    def filled(self, mart: Mart, database: Database) -> str:
        """SQL that fills a mart with what its model finds now."""
        query = f"FROM (\n{self.model(mart).compiled_code}\n) AS built"
        with database.session() as session, session.cursor() as cursor:
            cursor.execute(f"SELECT * {query} LIMIT 0")
            columns = ", ".join(f'"{column.name}"' for column in cursor.description)
        place = self.of(mart)
        return f"DELETE FROM {place}; INSERT INTO {place} ({columns}) SELECT {columns} {query}"

    def strangers(self, element: Element, database: Database) -> list[str]:
        """What a model or a test reads and does not name: tables and views, or the server's word that there is none."""
        with database.session() as session:
            session.autocommit = False
            try:
                with session.cursor() as cursor:
                    cursor.execute(f"CREATE TEMPORARY VIEW delab_reads AS SELECT count(*) FROM (\n{element.compiled_code}\n) AS q")
                    cursor.execute(NAMED)
                    return sorted({name for (name,) in cursor.fetchall()} - set(self.named(element)))
            except psycopg2.errors.UndefinedTable as error:
                return [str(error).splitlines()[0]]
            except (psycopg2.ProgrammingError, psycopg2.DataError, psycopg2.NotSupportedError):
                return []  # what does not run is told by whoever runs it
            finally:
                session.rollback()


def outside(database: Database, schema: str) -> dict[int, str]:
    """The tables and views of all schemas whose names do not begin so, by their numbers."""
    return dict(database.rows(THERE, schema))
