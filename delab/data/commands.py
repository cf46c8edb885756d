"""`lab data list | describe | make | answer | planted | card`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table as Grid

from delab import paths
from delab.data import answer_key, dataset, names
from delab.data.files import Folder, Report
from delab.data.model import Dataset, Recipe, Table
from delab.data.sinks import FILES, SERVICES, csv
from delab.errors import Blocked, LabError

app = typer.Typer(help="Practice data sets: what there is, and rows from a seed.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The data set; `lab data list` shows them.")]
Scale = Annotated[float, typer.Option(help="How large; `lab data describe NAME` says what 1 means.")]
Seed = Annotated[int, typer.Option(help="Another seed gives other rows of the same kind.")]


def console() -> Console:
    """The terminal."""
    return Console(highlight=False, soft_wrap=True)


@app.command("list")
def show_list() -> None:
    """List the data sets."""
    grid = grid_of("name", "what", "tables", "faults")
    for name in names():
        data = dataset(name)
        grid.add_row(name, data.about.title, str(len(data.tables)), str(len(data.faults)))
    console().print(grid)


def grid_of(*headers: str) -> Grid:
    """A plain table with these headers."""
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        grid.add_column(header, overflow="fold")
    return grid


@app.command()
def describe(
    name: Name, table: Annotated[str, typer.Argument(metavar="[TABLE]", help="Show the columns of this table.")] = ""
) -> None:
    """Describe a data set: its tables, faults and answer key; or the columns of one table."""
    data = dataset(name)
    if table:
        describe_table(data.table(table))
        return
    out = console()
    out.print(f"[bold]{data.about.title}[/bold] (version {data.version})\n{data.about.summary}")
    out.print(f"\n[bold]Scale[/bold]\n{data.about.growth.strip()}\n")
    tables, faults, answers = grid_of("table", "a row is"), grid_of("fault", "meaning"), grid_of("answer", "meaning")
    for each in data.tables.values():
        tables.add_row(each.name, each.grain)
    for fault in data.faults.values():
        faults.add_row(fault.name, f"{fault.meaning} ({', '.join(fault.targets)})")
    for answer in data.answers().values():
        answers.add_row(answer.name, answer.meaning.strip())
    for grid in (tables, faults, answers):
        out.print(grid, soft_wrap=False)
        out.print()


def describe_table(table: Table) -> None:
    """The dictionary of one table."""
    grid = grid_of("column", "type", "unit", "meaning")
    for column in table.columns:
        notes = ["primary key"] * (column.name in table.key) + ["may be null"] * column.nullable
        notes += [f"refers to {column.references}"] * bool(column.references)
        grid.add_row(column.name, column.type, column.unit, "; ".join([column.meaning, *notes]))
    console().print(f"[bold]{table.name}[/bold]: one row is {table.grain}")
    console().print(grid, soft_wrap=False)


def parsed_faults(data: Dataset, said: list[str]) -> dict[str, float]:
    """Faults from `NAME=RATE` (`all=RATE` means every one). Raises LabError that says what was meant."""
    found: dict[str, float] = {}
    for text in said:
        fault, _, rate = text.partition("=")
        try:
            found |= dict.fromkeys(data.faults if fault == "all" else [fault], float(rate))
        except ValueError:
            raise LabError(f"expected --fault NAME=RATE, got {text!r}", "for one in a hundred: --fault missing=0.01") from None
    return found


@app.command()
def make(
    name: Name,
    to: Annotated[str, typer.Option(help="parquet, csv, ndjson, postgres or kafka.")] = "parquet",
    scale: Scale = 1.0,
    seed: Seed = 1,
    fault: Annotated[list[str] | None, typer.Option(metavar="NAME=RATE", help="Plant a fault; may be given again.")] = None,
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be given again.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for files; default work/data/NAME-FORMAT.")] = None,
    at: Annotated[str, typer.Option(help="Where the service is: a connection string, or host:port of a broker.")] = "",
    schema: Annotated[str, typer.Option(help="PostgreSQL schema for the tables.")] = "public",
    rate: Annotated[float, typer.Option(help="Messages a second into Kafka; 0 is as fast as it goes.")] = 0.0,
    replay: Annotated[float, typer.Option(metavar="SPEED", help="Send by event time, SPEED times as fast as it happened.")] = 0.0,
    answers: Annotated[bool, typer.Option("--answers", help="Write the answer key too (files only).")] = False,
) -> None:
    """Make a data set: files (a stopped run goes on where it stopped), PostgreSQL tables or Kafka topics."""
    if to not in (*FILES, *SERVICES):
        raise LabError(f"cannot make {to!r}", f"--to one of: {', '.join((*FILES, *SERVICES))}")
    if min(rate, replay) < 0:
        raise LabError(f"--rate and --replay must be 0 or more, got {min(rate, replay)}", "0 means no limit")
    data = dataset(name)
    what = data.recipe(scale, seed, parsed_faults(data, fault or []))
    with progress(data, what) as report:
        if to == "postgres":
            rows, place = to_postgres(data, what, at, schema, table or [], report)
        elif to == "kafka":
            rows, place = to_kafka(data, what, at, table or [], rate, replay, report)
        else:
            rows, place = to_files(data, what, to, out, table or [], answers, report)
    summary(rows, place)


def to_files(
    data: Dataset, what: Recipe, kind: str, out: Path | None, tables: list[str], answers: bool, report: Report
) -> tuple[dict[str, int], str]:
    """Make files."""
    folder = Folder(data, what, kind, out or paths.work() / "data" / f"{data.name}-{kind}")
    rows = folder.make(tables, report)
    if answers:
        folder.answers()
    return rows, str(folder.path)


def to_postgres(data: Dataset, what: Recipe, at: str, schema: str, tables: list[str], report: Report) -> tuple[dict[str, int], str]:
    """Load tables."""
    import psycopg2

    from delab.data.sinks import postgres

    chosen: dict[str, Any] = {"scale": what.scale, "seed": what.seed, "faults": dict(what.faults)}
    try:
        rows = postgres.load(at, data.name, **chosen, tables=tables, schema=schema, report=report)
    except psycopg2.Error as error:
        raise Blocked(f"PostgreSQL refused the data: {str(error).strip()}", "nothing was changed; see `lab logs`") from error
    return rows, f"PostgreSQL, schema {schema}"


def to_kafka(
    data: Dataset, what: Recipe, at: str, tables: list[str], rate: float, replay: float, report: Report
) -> tuple[dict[str, int], str]:
    """Send messages."""
    from delab.data.sinks import kafka

    servers = at or os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "")
    if not servers:
        raise LabError("which Kafka broker? none was named", "add --at HOST:PORT (`lab status` shows it)")
    return kafka.send(servers, data, what, tables=tables, rate=rate, speed=replay, report=report), f"Kafka at {servers}"


@contextmanager
def progress(data: Dataset, what: Recipe) -> Iterator[Report]:
    """A bar a table while it is made; nothing where no person looks."""
    out = console()
    columns = (TextColumn("{task.description:18}"), BarColumn(), TextColumn("{task.fields[rows]:>13,} rows"), TimeRemainingColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def report(table: str, units: int, rows: int) -> None:
            if table not in tasks:
                tasks[table] = bars.add_task(table, total=data.units(table, what), rows=0)
            task = bars.tasks[tasks[table]] if not bars.disable else None
            bars.update(tasks[table], completed=units, rows=rows + (task.fields["rows"] if task else 0))

        yield report


def summary(rows: dict[str, int], place: str) -> None:
    """What was made."""
    grid = Grid(box=None, pad_edge=False, show_header=False)
    grid.add_column()
    grid.add_column(justify="right")
    for table, count in rows.items():
        grid.add_row(table, f"{count:,}")
    console().print(grid, soft_wrap=False)
    console().print(f"in {place}")


@app.command()
def answer(
    name: Name,
    which: Annotated[str, typer.Argument(metavar="ANSWER", help="Which truth; `lab data describe NAME` lists them.")],
    scale: Scale = 1.0,
    seed: Seed = 1,
    rows: Annotated[int, typer.Option(help="How many rows to show.")] = 20,
) -> None:
    """Show one truth of the answer key."""
    truth = answer_key(name, which, scale=scale, seed=seed)
    grid = grid_of(*truth.column_names)
    for row in truth.slice(0, rows).to_pylist():
        grid.add_row(*("" if value is None else str(value) for value in row.values()))
    console().print(grid, soft_wrap=False)
    console().print(f"{min(rows, truth.num_rows):,} of {truth.num_rows:,} rows")


@app.command()
def planted(
    name: Name,
    fault: Annotated[list[str], typer.Option(metavar="NAME=RATE", help="As given to `make`; may be given again.")],
    scale: Scale = 1.0,
    seed: Seed = 1,
    out: Annotated[Path | None, typer.Option(help="Write the whole record to this CSV file.")] = None,
) -> None:
    """Show how many faults a recipe plants and where: the same that `make` plants, wherever the rows went."""
    data = dataset(name)
    record = data.planted(data.recipe(scale, seed, parsed_faults(data, fault)))
    grid = grid_of("fault", "table", "column", "planted")
    for row in record.group_by(["fault", "table", "column"]).aggregate([([], "count_all")]).to_pylist():
        grid.add_row(row["fault"], row["table"], row["column"], f"{row['count_all']:,}")
    console().print(grid, soft_wrap=False)
    if out:
        with csv.writing(out, record.schema) as write:
            for batch in record.to_batches():
                write(batch)
        console().print(f"wrote {record.num_rows:,} to {out}")


@app.command()
def card(
    name: Name, out: Annotated[Path | None, typer.Option(help="The HTML file; default datasets/NAME/card.html.")] = None
) -> None:
    """Make the data card: one HTML page with diagram, dictionary, distributions and faults."""
    from delab.data import card as module

    console().print(f"wrote {module.write(dataset(name), out)}")
