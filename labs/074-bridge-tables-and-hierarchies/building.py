"""Builds of lab 74, with areas that are right and with a cycle, and the rows of the four tables after them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg2

from delab import wait
from delab.checks import CheckFailed
from delab.checks.dbt import Project

SECONDS = 120  # for one build
STATEMENT = 3_000  # milliseconds for one statement of a build: recursion without end fills a small server in ten seconds
# Words of a build that something else had to stop: the server, dbt's own limits, or the check when its time was over.
STOPPED = ("statement timeout", "temp_file_limit", "No space left", "out of memory", "MemoryError", "memory alloc request")
STOPPED += ("stack depth limit", "maximum recursion depth", "integer out of range", "smallint out of range", "array size exceeds")
STOPPED += ("took longer than", "printed more than")
# `real` becomes `numeric` by way of `double precision`: straight on, it would lose all but six digits.
TABLES = {
    "bridge_area": "ancestor_id::bigint, area_id::bigint, depth::int, is_top::boolean, is_bottom::boolean",
    "area_sales": "area_id::bigint, round(amount::numeric, 7)",
    "bridge_account_customer": "account_id::bigint, customer_id::bigint, round(weight::double precision::numeric, 12)",
    "customer_sales": "customer_id::bigint, round(amount_weighted::numeric, 7), round(amount_full::numeric, 7)",
}
QUERIES = {name: f"SELECT {columns} FROM {{{name}}} ORDER BY 1, 2" for name, columns in TABLES.items()}
Rows = dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Refusal:
    """A build of areas of which one lies above itself."""

    fault: str
    how: str  # how it ended; empty if it ended well
    endless: bool
    rows: Mapping[str, list[tuple[Any, ...]] | str]  # or why they can't be read


def built(project: Project, expected: str) -> Rows:
    """Build, and read the tables."""
    project.build(expected=expected, seconds=SECONDS)
    return read(project)


def read(project: Project) -> Rows:
    """The rows of the four tables; numbers are rounded, because sums of floating numbers depend on their order."""
    return {name: project.rows(query) for name, query in QUERIES.items()}


def refused(project: Project, fault: str) -> Refusal:
    """Build with a cycle: how it went wrong, and whether something had to stop it."""
    try:
        build = project.run("build", seconds=SECONDS)
        said = [] if build.success else [project.describe(node) for node in build.bad()]
    except CheckFailed as error:  # dbt itself gave up: a hook or a macro may well have said so
        said = [error.failure.seen]
    stopped = [words for words in said if any(limit in words for limit in STOPPED)]
    return Refusal(fault, (stopped or said or [""])[0], bool(stopped), {name: left(project, name) for name in TABLES})


def left(project: Project, name: str) -> list[tuple[Any, ...]] | str:
    """The rows of a table after a build that failed, or why there are none: a view may be gone, or go round and round itself."""
    bound = f"SET statement_timeout = {int(STATEMENT * wait.scale())}"
    try:
        return project.rows(f"{bound}; {QUERIES[name]}")
    except CheckFailed as error:
        return error.failure.seen.splitlines()[0]
    except psycopg2.Error as error:
        return str(error).splitlines()[0]


def mended(project: Project) -> Rows | str:
    """The build after the cycle was mended; a failure is judged later."""
    try:
        return built(project, "`dbt build` ends well when the cycle is mended")
    except CheckFailed as error:
        return error.failure.seen
