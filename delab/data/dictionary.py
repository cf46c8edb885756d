"""The dictionary of a data set as Markdown."""

from delab.data.model import Column, Dataset, Table


def notes(table: Table, column: Column) -> str:
    """What a reader must know of a column besides its meaning."""
    said = [column.unit] if column.unit else []
    said += ["primary key"] * (column.name in table.key) + ["may be null"] * column.nullable
    said += [f"refers to {column.references}"] * bool(column.references)
    return "; ".join(said)


def dictionary(data: Dataset) -> str:
    """One table of columns for each table, then the faults and the answers."""
    parts = [
        f"# {data.about.title}: dictionary",
        f"Version {data.version}. Written by `lab data card {data.name}` from `schema.toml`.",
    ]
    for table in data.tables.values():
        lines = [f"| {c.name} | {c.type} | {c.meaning} | {notes(table, c)} |" for c in table.columns]
        head = ["| column | type | meaning | notes |", "|---|---|---|---|"]
        parts += [f"## {table.name}", f"One row is {table.grain}.", "\n".join([*head, *lines])]
    faults = [f"| {fault.name} | {fault.meaning} | {', '.join(fault.targets)} |" for fault in data.faults.values()]
    parts += ["## Faults that can be planted", "\n".join(["| fault | meaning | where |", "|---|---|---|", *faults])]
    answers = [f"| {answer.name} | {' '.join(answer.meaning.split())} |" for answer in data.answers().values()]
    parts += ["## Answer key", "\n".join(["| answer | meaning |", "|---|---|", *answers])]
    return "\n\n".join(parts) + "\n"
