"""A data set as a folder of files, part by part, so that a run that was stopped goes on where it stopped.

FOLDER/recipe.json            what it is made from; another recipe is refused
FOLDER/done.jsonl             the parts that are complete, one a line
FOLDER/TABLE/part-00000.EXT   PART units a part
FOLDER/_planted/TABLE-00000.EXT, FOLDER/_answers/ANSWER.EXT
"""

import contextlib
import errno
import importlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from delab import files
from delab.data.arrow import RecordBatch, Schema
from delab.data.model import PLANTED, Dataset, Recipe
from delab.errors import Blocked, LabError

PART_PAGES = 128
Report = Callable[[str, int, int], None]  # table, units done so far, rows just made


def silent(table: str, units: int, rows: int) -> None:
    """Report to nobody."""


@dataclass(frozen=True)
class Part:
    """Some pages of a table and the file that they go to."""

    table: str
    number: int
    start: int  # units
    stop: int


@dataclass(frozen=True)
class Folder:
    """One data set in one folder in one format (a name in sinks.FILES)."""

    data: Dataset
    recipe: Recipe
    kind: str
    path: Path

    def make(self, tables: Sequence[str] = (), report: Report = silent) -> dict[str, int]:
        """Make the tables (all, or those named); rows by table. Raises LabError for a folder of other things, Blocked if full."""
        wanted = [self.data.table(name).name for name in tables] or list(self.data.tables)
        with full_disk_explained(self.path), self.claimed():
            return {name: sum(self.part(part, report) for part in self.parts(name)) for name in wanted}

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """Make the folder this recipe's, hold it, and clear what a killed run left half-written."""
        self.claim()
        lock = files.free_lock(self.path / ".lock")
        if lock is None:
            raise Blocked(f"another command makes data in {self.path} just now", "let it end, or name another folder with --out")
        try:
            for draft in self.path.rglob(".*.new"):
                draft.unlink()
            yield
        finally:
            os.close(lock)

    def claim(self) -> None:
        """Write down the recipe, unless the folder holds it already or something else."""
        said = json.dumps(
            {"dataset": self.data.name, "version": self.data.version, "format": self.kind, **asdict(self.recipe)}, indent=1
        )
        place = self.path / "recipe.json"
        if place.exists() and place.read_text() != said:
            raise LabError(
                f"{self.path} holds data of another recipe (see {place})", "name another folder with --out, or remove that one"
            )
        if not place.exists() and self.path.exists() and any(self.path.iterdir()):
            raise LabError(f"{self.path} holds other files", "name another folder with --out")
        self.path.mkdir(parents=True, exist_ok=True)
        place.write_text(said)

    def parts(self, table: str) -> Iterator[Part]:
        """The parts of a table; one even of an empty table."""
        size, units = self.data.table(table).page * PART_PAGES, self.data.units(table, self.recipe)
        for number, start in enumerate(range(0, max(units, 1), size)):
            yield Part(table, number, start, min(start + size, units))

    def part(self, part: Part, report: Report) -> int:
        """Make one part unless it is there; its rows."""
        name = f"{part.table}/part-{part.number:05}.{self.kind}"
        rows = self.done.get(name)
        if rows is None or not (self.path / name).exists():
            rows = self.write(part, name, report)
            self.finish(name, rows)
        report(part.table, part.stop, 0)
        return rows

    @cached_property
    def done(self) -> dict[str, int]:
        """Rows of the parts that are complete. A last line that a crash cut short does not count."""
        found: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError, ValueError):
            for line in (self.path / "done.jsonl").read_text().splitlines():
                entry = json.loads(line)
                found[entry["file"]] = entry["rows"]
        return found

    def finish(self, name: str, rows: int) -> None:
        """Remember that a part is complete."""
        self.done[name] = rows
        lines = [json.dumps({"file": file, "rows": count}) for file, count in self.done.items()]
        draft = self.path / "done.jsonl.new"
        draft.write_text("\n".join(lines) + "\n")
        draft.replace(self.path / "done.jsonl")

    def write(self, part: Part, name: str, report: Report) -> int:
        """Make one part, and the record of the faults in it."""
        rows, planted = 0, []
        schema, size = self.data.schema(part.table, self.recipe), self.data.table(part.table).page
        with self.file(name, schema) as write:
            for start in range(part.start, part.stop, size):
                stop = min(start + size, part.stop)
                page = self.data.page(part.table, self.recipe, start, stop)
                write(page.rows)
                planted.append(page.planted)
                rows += page.rows.num_rows
                report(part.table, stop, page.rows.num_rows)
        if any(record.num_rows for record in planted):
            with self.file(f"_planted/{part.table}-{part.number:05}.{self.kind}", PLANTED) as write:
                for record in planted:
                    write(record)
        return rows

    @contextlib.contextmanager
    def file(self, name: str, schema: Schema) -> Iterator[Callable[[RecordBatch], object]]:
        """Write a file that is there whole or not at all."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{os.getpid()}.new")
        try:
            with sink(self.kind).writing(draft, schema) as write:
                yield write
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)

    def answers(self) -> list[str]:
        """Write the whole answer key; the names of its files."""
        names = []
        with full_disk_explained(self.path):
            for answer in self.data.answers().values():
                pieces = answer.pieces(self.recipe)
                first = next(pieces)
                names.append(f"_answers/{answer.name}.{self.kind}")
                with self.file(names[-1], first.schema) as write:
                    for piece in chain([first], pieces):
                        for batch in piece.combine_chunks().to_batches():
                            write(batch)
        return names


def sink(kind: str) -> Any:
    """The module of a kind of file."""
    return importlib.import_module(f"delab.data.sinks.{kind}")


@contextlib.contextmanager
def full_disk_explained(path: Path) -> Iterator[None]:
    """Turn "no space left" into a message that says what is kept and how to go on."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) and "No space left" not in str(error):
            raise
        raise Blocked(
            f"the disk that holds {path} is full; the parts that were complete are kept",
            f"free some space (`df -h {path}` shows it), then repeat the command: it goes on where it stopped",
        ) from error
