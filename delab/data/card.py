"""The data card: one HTML page that needs nothing else, with diagram, dictionary, distributions, faults and answer key."""

import hashlib
import re
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from delab import files
from delab.data.diagram import diagram
from delab.data.dictionary import dictionary, notes
from delab.data.model import FOLDER, Dataset
from delab.data.plots import plots

SCALE, SAMPLE, RATE = 10.0, 3, 0.02
LONGEST = 160  # characters of a value
TEMPLATES = Path(__file__).parent / "pages"


def fingerprint(data: Dataset) -> str:
    """Of what the card is made from: the schema and the story."""
    digest = hashlib.sha256()
    for name in ("schema.toml", "card.md"):
        if (FOLDER / data.name / name).exists():
            digest.update((FOLDER / data.name / name).read_bytes())
    return digest.hexdigest()[:16]


def write(data: Dataset, out: Path | None = None) -> Path:
    """Write the page, and beside it the dictionary; returns the page's path."""
    target = out or FOLDER / data.name / "card.html"
    files.write_atomic(target, page(data).encode())
    files.write_atomic(target.with_name("dictionary.md"), dictionary(data).encode())
    return target


def page(data: Dataset) -> str:
    """The page."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("card.html").render(
        about=data.about,
        fingerprint=fingerprint(data),
        story=story(data),
        diagram=diagram(data),
        tables=[section(data, name) for name in data.tables],
        faults=examples(data),
        answers=list(data.answers().values()),
        scale=SCALE,
        rate=RATE,
    )


def section(data: Dataset, name: str) -> dict[str, Any]:
    """What the page says of one table."""
    recipe, table = data.recipe(SCALE), data.table(name)
    rows = data.rows(name, recipe)
    sample = [["" if value is None else shortened(value) for value in row.values()] for row in rows.slice(0, SAMPLE).to_pylist()]
    columns = [{"column": column, "notes": notes(table, column), "nulls": rows[column.name].null_count} for column in table.columns]
    return {"table": table, "rows": rows.num_rows, "columns": columns, "sample": sample, "plots": plots(table, rows)}


def examples(data: Dataset) -> list[dict[str, Any]]:
    """Every fault with how many were planted at RATE and an example in each of its columns."""
    found = []
    for fault in data.faults.values():
        recipe = data.recipe(1, 1, {fault.name: RATE})
        tables = {target.partition(".")[0] for target in fault.targets}
        planted = data.planted(recipe, [name for name in data.tables if name in tables]).to_pylist()
        seen: dict[str, dict[str, Any]] = {}
        for entry in planted:
            said = {name: shortened(value) for name, value in entry.items()}
            seen.setdefault(f"{entry['table']}.{entry['column']}".rstrip("."), said)
        found.append({"fault": fault, "count": len(planted), "examples": list(seen.items())})
    return found


def shortened(value: Any) -> Any:
    """The value; only the start of a long text."""
    return value[: LONGEST - 1] + "…" if isinstance(value, str) and len(value) > LONGEST else value


def story(data: Dataset) -> str:
    """`card.md` as HTML: headings, paragraphs and lists, nothing more."""
    source = FOLDER / data.name / "card.md"
    blocks = source.read_text().strip().split("\n\n") if source.exists() else []
    return "\n".join(html_of(block) for block in blocks)


def html_of(block: str) -> str:
    """One block of `card.md`."""
    lines = [re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(line)) for line in block.splitlines()]
    if block.startswith("## "):
        return f"<h2>{lines[0][3:]}</h2>"
    parts = []
    for is_item, some in groupby(lines, lambda line: line.startswith("- ")):
        text = [line.removeprefix("- ") for line in some]
        parts.append("<ul>" + "".join(f"<li>{item}</li>" for item in text) + "</ul>" if is_item else f"<p>{' '.join(text)}</p>")
    return "".join(parts)
